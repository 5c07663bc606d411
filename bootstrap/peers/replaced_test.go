package peers_test

import (
	"context"
	"crypto/tls"
	"errors"
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
	old := as(t, ptr(d.incarnation(1)))

	// A busy machine is late for a handshake now and then: what is to be let in tries again.
	d.admitProxy(1, 2)
	d.succeeds(time.Minute, func() error { return d.openSQL(d.within(10*time.Second), old) })

	// Its connection is open when another takes its place.
	var open *tls.Conn
	d.succeeds(time.Minute, func() (err error) {
		open, err = tls.Dial("tcp", d.dqlite(), old)
		return err
	})
	defer open.Close()

	d.admitProxy(2, 3)

	require.NoError(t, open.SetReadDeadline(time.Now().Add(time.Minute)))
	_, err := open.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the member ends it")

	d.succeeds(time.Minute, func() error {
		require.Error(t, d.openSQL(d.within(5*time.Second), old))
		return d.refusedFor(peerset.ReasonEvicted)
	})

	next := as(t, ptr(d.incarnation(2)))
	d.succeeds(time.Minute, func() error { return d.knock(next) })
}

// incarnation is a proxy's certificate.
func (d *doors) incarnation(number int) pki.Pair {
	pair, err := d.ca.Issue(pki.Name{
		Stack:       "test",
		Role:        "proxy",
		Node:        "proxy-1",
		Incarnation: number,
		Kind:        peerset.KindMember,
	})
	require.NoError(d.t, err)

	return pair
}

func (d *doors) admitProxy(incarnation, at int) {
	d.t.Helper()

	d.succeeds(time.Minute, func() error {
		_, err := d.store.Admit(d.within(10*time.Second), peerset.Join{
			Identity: peerset.Identity{
				Name:        "proxy-1",
				Role:        "proxy",
				Incarnation: incarnation,
			},
			Address: d.address(at),
			Kind:    peerset.KindMember,
		})

		return err
	})
}

// refusedFor looks for a refusal among those that were told of.
func (d *doors) refusedFor(reason string) error {
	for len(d.told) > 0 {
		if r := <-d.told; r.Reason == reason {
			return nil
		}
	}

	return errors.New("nobody was refused as " + reason)
}
