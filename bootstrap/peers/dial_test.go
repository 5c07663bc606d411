package peers_test

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peers"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// TestNobodyConnectsToAMemberThatIsGone: libdqlite would do so for ever, and each attempt keeps the process from
// making another connection.
func TestNobodyConnectsToAMemberThatIsGone(t *testing.T) {
	t.Parallel()

	c := newCluster(t)
	listener, err := net.Listen("tcp", net.JoinHostPort(c.address(2), "0"))
	require.NoError(t, err)
	defer listener.Close()

	endpoint := listener.Addr().String()
	config := c.config("test", "db-1", 1, 1)
	among := func(peers ...peerset.Peer) peerset.Snapshot {
		return peerset.Snapshot{Peers: peers}
	}

	member := peerset.Peer{
		Name:    "db-2",
		Kind:    peerset.KindMember,
		Address: c.address(2),
	}

	successor := peerset.Peer{
		Name:        "db-2",
		Kind:        peerset.KindMember,
		Incarnation: 2,
		Address:     c.address(3),
	}

	proxy := peerset.Peer{
		Name:    "proxy-1",
		Kind:    peerset.KindMember,
		Address: c.address(2),
	}

	for name, change := range map[string]struct {
		was, now peerset.Snapshot
		gone     bool
	}{
		"it is there": {
			was:  among(member),
			now:  among(member),
			gone: false,
		},
		"it was replaced": {
			was:  among(member),
			now:  among(successor),
			gone: true,
		},
		"it was declared gone": {
			was:  among(member),
			now:  among(),
			gone: true,
		},
		"it comes": {
			was:  among(),
			now:  among(member),
			gone: false,
		},
		"another has the address since": {
			was:  among(member),
			now:  among(proxy),
			gone: false,
		},
	} {
		conn, err := peers.Dial(
			c.within(2*time.Second),
			config,
			endpoint,
			change.was,
			change.now,
		)
		if change.gone {
			require.ErrorIs(t, err, peers.ErrDeparted, name)
			continue
		}

		require.NoError(t, err, name)
		conn.Close()
	}
}

// go-dqlite takes a statement's deadline back before it commits.
func TestADeadlineStandsUntilThereIsAnother(t *testing.T) {
	t.Parallel()

	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()

	plain, err := net.Dial("tcp", silent.Addr().String())
	require.NoError(t, err)
	defer plain.Close()

	connection := peers.Bound(plain)
	late := time.AfterFunc(10*time.Second, func() { plain.Close() })
	defer late.Stop()

	for range 2 {
		require.NoError(t,
			connection.SetDeadline(time.Now().Add(50*time.Millisecond)),
		)
		require.NoError(t, connection.SetDeadline(time.Time{}))
		_, err = connection.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	}
}
