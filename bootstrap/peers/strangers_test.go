package peers_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/canonical/go-dqlite/v2/client"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
)

func TestStrangersAreRefusedAtBothDoors(t *testing.T) {
	t.Parallel()

	d := openDoors(t)
	foreign := d.issuedBy("other")
	forged := d.issuedBy("test")

	site, err := d.ca.IssueSite("test", "www.example.com")
	require.NoError(t, err)

	expired := d.expired()
	calls := []string{
		"join", "hold", "seize", "put", "report", "release", "event",
	}

	for _, stranger := range []struct {
		name   string
		shows  *pki.Pair
		reason string
	}{
		{"no certificate", nil, peerset.ReasonNoCertificate},
		{"an expired one", &expired, peerset.ReasonExpired},
		{"another stack's", &foreign, peerset.ReasonOtherStack},
		{"another authority's of the same name", &forged, peerset.ReasonUntrusted},
		{"the load balancer's", &site, peerset.ReasonNoNode},
	} {
		t.Run(stranger.name, func(t *testing.T) {
			d.t = t
			config := as(t, stranger.shows)
			require.Error(t, d.knock(config))
			d.expect("connect to dqlite", stranger.reason)

			for _, call := range calls {
				status, said := d.post(config, 9, "/v1/"+call, `{}`)
				require.Zero(t, status, said)
				d.expect("connect to the agents' API", stranger.reason)
			}
		})
	}

	d.t = t
	member := as(t,
		ptr(d.issue("test", "proxy", "proxy-1", peerset.KindMember)),
	)
	require.NoError(t, d.knock(member), "a member is let in")

	require.Empty(t, d.told)

	kindless := as(t, ptr(d.issue("test", "db", "db-2", "")))
	require.Error(t, d.knock(kindless), "a certificate that names no kind is a client's")
	d.expect("connect to dqlite", peerset.ReasonForbidden)
}

// join is the body of a request to join.
func (d *doors) join(name, role, kind string, incarnation, number int) string {
	text, err := json.Marshal(peerset.Join{
		Identity: peerset.Identity{
			Name:        name,
			Role:        role,
			Incarnation: incarnation,
		},
		Address: d.address(number),
		Kind:    kind,
	})
	require.NoError(d.t, err)

	return string(text)
}

// request is what a caller of the API sends, and where to.
type request struct{ path, body string }

// forbidden is what no web node may do.
func (d *doors) forbidden() []request {
	hold := func(lease string) string {
		return fmt.Sprintf(`{"lease":%q,"ttl":%d}`, lease, 10*time.Second)
	}
	put := func(key, value string) string {
		fence := `{"name":"wordpress-cron","holder":"web-1","incarnation":1,"epoch":1}`
		return fmt.Sprintf(
			`{"key":%q,"value":%q,"fence":%s}`,
			key,
			value,
			fence,
		)
	}

	return []request{
		{
			path: "/v1/join",
			body: d.join("web-1", "web", peerset.KindMember, 1, 9),
		},
		{
			path: "/v1/join",
			body: d.join("web-1", "db", peerset.KindClient, 1, 9),
		},
		{
			path: "/v1/join",
			body: d.join("db-1", "db", peerset.KindMember, 2, 9),
		},
		{
			path: "/v1/join",
			body: d.join("web-1", "web", peerset.KindClient, 1, 1),
		}, // the database node's address
		{"/v1/hold", hold("writer")},
		{"/v1/hold", hold("galera-bootstrap")},
		{"/v1/hold", hold("db.nightly")},
		{"/v1/hold", hold("anything")},
		{"/v1/seize", `{"lease":"writer","reason":"mine"}`},
		{"/v1/put", put("galera.decision", "{}")},
		{"/v1/put", put("forgotten.db-1", "9")},
		{"/v1/event", `{"kind":"galera-donor","text":"x"}`},
		{"/v1/event", `{"kind":"writer","text":"x"}`},
		{"/v1/news", `{}`},
		{"/v1/beats", `{"db-1": 1}`},
	}
}

func TestAWebNodeMayNotWhatADatabaseNodeMay(t *testing.T) {
	t.Parallel()

	d := openDoors(t)

	for _, kind := range []string{peerset.KindClient, ""} {
		web := as(t, ptr(d.issue("test", "web", "web-1", kind)))
		require.Error(t, d.knock(web))
		d.expect("connect to dqlite", peerset.ReasonForbidden)

		for _, try := range d.forbidden() {
			status, said := d.post(web, 9, try.path, try.body)
			require.Equal(t,
				http.StatusForbidden,
				status,
				"%s: %s",
				try.body,
				said,
			)
			require.Contains(t, said, `"kind":"forbidden"`)
			d.expect("POST "+try.path, peerset.ReasonForbidden)
		}
	}

	d.eventually(5*time.Second, func() bool {
		return d.store.Snapshot().Founded != ""
	})

	snapshot := d.store.Snapshot()
	require.Empty(t, snapshot.Leases)
	require.Empty(t, snapshot.Settings)
	require.Len(t, snapshot.Peers, 1)

	// What it may, it can.
	web := as(t, ptr(d.issue("test", "web", "web-1", peerset.KindClient)))

	for _, try := range []request{
		{
			path: "/v1/join",
			body: d.join("web-1", "web", peerset.KindClient, 1, 9),
		},
		{
			path: "/v1/hold",
			body: `{"lease":"wordpress-cron","ttl":10000000000}`,
		},
		{"/v1/hold", `{"lease":"web.own-task","ttl":10000000000}`},
	} {
		status, said := d.post(web, 9, try.path, try.body)
		require.Equal(t, http.StatusOK, status, said)
	}

	// Not of its own incarnation any more, nor under another's lease.
	stale := `{"key":"web.k","value":"v","fence":{"name":"wordpress-cron","holder":"web-1","incarnation":1,"epoch":7}}`
	status, _ := d.post(web, 9, "/v1/put", stale)
	require.Equal(t, http.StatusConflict, status)
	d.expect("POST /v1/put", peerset.ReasonStaleEpoch)
	require.Empty(t, d.told)
}

func TestPlainBytesAreToldOf(t *testing.T) {
	t.Parallel()

	d := openDoors(t)
	plain := "http" + strings.TrimPrefix(d.api, "https") + "/v1/peers"

	response, err := http.Get(plain)
	require.NoError(t, err)
	defer response.Body.Close()

	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	d.expect("connect to the agents' API", peerset.ReasonNoTLS)

	connection, err := net.Dial("tcp", d.dqlite())
	require.NoError(t, err)
	defer connection.Close()

	_, err = connection.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
	require.NoError(t, err)
	d.expect("connect to dqlite", peerset.ReasonNoTLS)
}

func TestOldTLSIsToldOf(t *testing.T) {
	t.Parallel()

	d := openDoors(t)
	old := as(t, nil)
	old.MinVersion = tls.VersionTLS10
	old.MaxVersion = tls.VersionTLS11

	status, said := d.post(old, 9, "/v1/peers", `{}`)
	require.Zero(t, status, said)
	d.expect("connect to the agents' API", peerset.ReasonHandshake)

	require.Error(t, d.knock(old))
	d.expect("connect to dqlite", peerset.ReasonHandshake)
}

// A member of an era that is over, or has not begun, is told from a stranger.
func TestMembersOfAnotherEraAreToldOf(t *testing.T) {
	t.Parallel()

	d := openDoors(t)
	member := as(t,
		ptr(d.issue("test", "proxy", "proxy-1", peerset.KindMember)),
	)
	other := member.Clone()
	other.NextProtos = []string{"hornero-era-1"}

	require.Error(t, d.knock(other))
	d.expect("connect to dqlite", peerset.ReasonOtherEra)
	require.NoError(t, d.knock(member))
	require.Empty(t, d.told)
}

// What only connects, and what the other side breaks off, is no attempt at anything.
func TestAConnectionThatIsOnlyOpenedIsNotToldOf(t *testing.T) {
	t.Parallel()

	d := openDoors(t)

	for _, address := range []string{
		d.dqlite(),
		strings.TrimPrefix(d.api, "https://"),
	} {
		connection, err := net.Dial("tcp", address)
		require.NoError(t, err)
		require.NoError(t, connection.Close())

		picky := &tls.Config{ServerName: "somebody.else"} // trusts nobody here
		_, err = tls.Dial("tcp", address, picky)
		require.Error(t, err)
	}

	require.Error(t, d.knock(as(t, nil)))
	d.expect("connect to dqlite", peerset.ReasonNoCertificate)
	require.Empty(t, d.told)
}

func TestAConnectionThatSaysNothingIsEnded(t *testing.T) {
	t.Parallel()

	d := openDoors(t)
	member := as(t,
		ptr(d.issue("test", "proxy", "proxy-1", peerset.KindMember)),
	)
	dial := client.DialFuncWithTLS(client.DefaultDialFunc, member)

	talks, err := client.New(
		d.within(5*time.Second),
		d.dqlite(),
		client.WithDialFunc(dial),
	)
	require.NoError(t, err)
	defer talks.Close()

	for _, says := range []string{"", "\x16\x03\x01\x02\x00"} { // nothing, and how a handshake begins
		silent, err := net.Dial("tcp", d.dqlite())
		require.NoError(t, err)
		defer silent.Close()

		_, err = silent.Write([]byte(says))
		require.NoError(t, err)

		require.NoError(t,
			silent.SetReadDeadline(time.Now().Add(5*time.Second)),
		)
		_, err = io.ReadAll(silent)
		require.NotErrorIs(t,
			err,
			os.ErrDeadlineExceeded,
			"the member has hung up",
		)
	}

	_, err = talks.Cluster(d.within(5 * time.Second))
	require.NoError(t, err, "one that has shown its certificate stays")
}
