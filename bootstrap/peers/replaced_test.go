package peers_test

import (
	"context"
	"crypto/tls"
	"os"
	"testing"
	"time"

	"github.com/canonical/go-dqlite/v2/client"
	"github.com/canonical/go-dqlite/v2/driver"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
)

// openSQL opens the store past all rules, by dqlite's own protocol, with a certificate.
func (d *doors) openSQL(ctx context.Context, config *tls.Config) error {
	members := client.NewInmemNodeStore()
	if err := members.Set(ctx, []client.NodeInfo{{ID: 1, Address: d.dqlite()}}); err != nil {
		return err
	}

	made, err := driver.New(members,
		driver.WithDialFunc(client.DialFuncWithTLS(client.DefaultDialFunc, config)),
		driver.WithRetryLimit(1),
	)
	if err != nil {
		return err
	}

	connector, err := made.OpenConnector("hornero")
	if err != nil {
		return err
	}

	connection, err := connector.Connect(ctx)
	if err != nil {
		return err
	}

	return connection.Close()
}

// A certificate outlives its node: dqlite asks whether the incarnation is in, at each connection and of those that are
// open.
func TestAReplacedMembersCertificateOpensDqliteNoMore(t *testing.T) {
	t.Parallel()

	d := openDoors(t)

	proxy := peerset.Identity{Name: "proxy-1", Role: "proxy", Incarnation: 1}
	old := as(t, ptr(d.issue("test", "proxy", proxy.Name, peerset.KindMember)))

	_, err := d.store.Admit(d.within(10*time.Second), peerset.Join{
		Identity: proxy,
		Address:  d.address(2),
		Kind:     peerset.KindMember,
	})
	require.NoError(t, err)
	require.NoError(t, d.openSQL(d.within(10*time.Second), old), "what a member's certificate opens")

	// Its connection is open when another takes its place.
	open, err := tls.Dial("tcp", d.dqlite(), old)
	require.NoError(t, err)
	defer open.Close()
	require.NoError(t, open.Handshake())

	proxy.Incarnation = 2
	_, err = d.store.Admit(d.within(10*time.Second), peerset.Join{
		Identity: proxy,
		Address:  d.address(3),
		Kind:     peerset.KindMember,
	})
	require.NoError(t, err)

	require.NoError(t, open.SetReadDeadline(time.Now().Add(20*time.Second)))
	_, err = open.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the member ends it")

	for len(d.told) > 0 {
		<-d.told
	}

	require.Error(t, d.openSQL(d.within(5*time.Second), old))
	d.expect("connect to dqlite", peerset.ReasonEvicted)

	pair, err := d.ca.Issue(pki.Name{
		Stack:       "test",
		Role:        proxy.Role,
		Node:        proxy.Name,
		Incarnation: proxy.Incarnation,
		Kind:        peerset.KindMember,
	})
	require.NoError(t, err)
	require.NoError(t, d.knock(as(t, &pair)), "the one that took its place is let in")
}
