package peers_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/canonical/go-dqlite/v2/client"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peers"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/report"
)

// doors are the two of a real member: dqlite's, and the agents' API. What they refuse comes by told.
type doors struct {
	*cluster
	store *peers.Store
	api   string // URL
	told  chan peerset.Refusal
}

func openDoors(t *testing.T) *doors {
	d := &doors{
		cluster: newCluster(t),
		told:    make(chan peerset.Refusal, 100),
	}

	refused := func(r peerset.Refusal) { d.told <- r }

	config := d.config("test", "db-1", 1, 1)
	config.Handshake = 300 * time.Millisecond
	config.TLS = pki.Guard(config.TLS, api.StrangerAt("dqlite", refused))
	config.Refused = refused

	d.store = d.start(config)
	t.Cleanup(func() { d.stop(d.store) })
	d.admit(d.store, "db-1", 1, 1)

	pair := d.issue("test", "db", "db-1", peerset.KindMember)
	anybody, err := pki.PeerTLS(d.ca.Certificate, pair, "test")
	require.NoError(t, err)

	listener, err := net.Listen("tcp", net.JoinHostPort(d.address(1), "0"))
	require.NoError(t, err)

	d.api = "https://" + listener.Addr().String()
	guarded := pki.Guard(anybody, api.StrangerAt("the agents' API", refused))
	server := api.Server{
		Registry: d.store,
		Refused:  refused,
		Log:      debugLog(t),
	}

	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)

	go func() {
		served <- server.Serve(ctx, listener, guarded)
	}()

	t.Cleanup(func() {
		stop()
		require.NoError(t, <-served)
	})

	return d
}

func (d *doors) issue(stack, role, node, kind string) pki.Pair {
	pair, err := d.ca.Issue(pki.Name{
		Stack:       stack,
		Role:        role,
		Node:        node,
		Incarnation: 1,
		Kind:        kind,
	})
	require.NoError(d.t, err)

	return pair
}

// as is a caller who checks nothing and shows this, or no, certificate.
func as(t *testing.T, pair *pki.Pair) *tls.Config {
	config := &tls.Config{InsecureSkipVerify: true}
	if pair != nil {
		certificate, err := tls.X509KeyPair(
			[]byte(pair.Certificate),
			[]byte(pair.Key.Reveal()),
		)
		require.NoError(t, err)

		// Also one that the server did not ask for.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &certificate, nil
		}
	}

	return config
}

// post asks the API from a node's address; no answer at all is status 0.
func (d *doors) post(config *tls.Config, from int, path, body string) (int, string) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(d.address(from))}}
	transport := &http.Transport{
		TLSClientConfig:   config,
		DialContext:       dialer.DialContext,
		DisableKeepAlives: true,
	}

	caller := &http.Client{
		Transport: transport,
		Timeout:   5 * time.Second,
	}

	response, err := caller.Post(
		d.api+path,
		"application/json",
		strings.NewReader(body),
	)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()

	said, err := io.ReadAll(response.Body)
	require.NoError(d.t, err)

	return response.StatusCode, string(said)
}

func (d *doors) dqlite() string {
	return d.endpoint(1)
}

// knock speaks dqlite's own protocol to the member, and asks it something.
func (d *doors) knock(config *tls.Config) error {
	ctx := d.within(2 * time.Second)
	dial := client.DialFuncWithTLS(client.DefaultDialFunc, config)

	c, err := client.New(ctx, d.dqlite(), client.WithDialFunc(dial))
	if err != nil {
		return err
	}
	defer c.Close()

	_, err = c.Cluster(ctx)

	return err
}

func (d *doors) expect(tried, reason string) {
	select {
	case r := <-d.told:
		require.Equal(d.t, tried, r.Tried)
		require.Equal(d.t, reason, r.Reason, r.Err)
		require.Regexp(
			d.t,
			`^(127\.0\.0\.1|`+regexp.QuoteMeta(d.address(9))+`):\d+$|^unknown$`,
			r.From,
		)
		require.Error(d.t, r.Err)

	case <-time.After(5 * time.Second):
		d.t.Fatalf("nobody told of %s, %s", tried, reason)
	}
}

// expired is what Issue would have given, ten years ago.
func (d *doors) expired() pki.Pair {
	authority, err := tls.X509KeyPair(
		[]byte(d.ca.Certificate),
		[]byte(d.ca.Key.Reveal()),
	)
	require.NoError(d.t, err)

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(d.t, err)

	subject := pkix.Name{
		CommonName:         "db-1",
		Organization:       []string{"test"},
		OrganizationalUnit: []string{"db"},
		SerialNumber:       "1",
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-48 * time.Hour),
		NotAfter:     time.Now().Add(-time.Hour),
		Subject:      subject,
		URIs:         []*url.URL{{Scheme: "hornero", Opaque: peerset.KindMember}},
	}

	der, err := x509.CreateCertificate(
		rand.Reader,
		template,
		authority.Leaf,
		key.Public(),
		authority.PrivateKey,
	)
	require.NoError(d.t, err)

	own, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(d.t, err)

	return pki.Pair{
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Key: report.Secret(
			pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: own}),
		),
	}
}

// issuedBy is a database node's certificate of another authority, which calls itself so.
func (d *doors) issuedBy(stack string) pki.Pair {
	authority, err := pki.NewCA(stack)
	require.NoError(d.t, err)

	pair, err := authority.Issue(pki.Name{
		Stack:       stack,
		Role:        "db",
		Node:        "db-1",
		Incarnation: 1,
		Kind:        peerset.KindMember,
	})
	require.NoError(d.t, err)

	return pair
}

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

	older := as(t, ptr(d.issue("test", "db", "db-2", "")))
	require.NoError(t,
		d.knock(older),
		"also with a certificate of an older version",
	)
	require.Empty(t, d.told)
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
			body: `{"lease":"` + peerset.LeaseWordPressCron + `","ttl":10000000000}`,
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
