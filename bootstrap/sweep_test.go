package bootstrap_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
)

// between are the addresses of one /16 from one to the other.
func between(from, to string) []netip.Addr {
	var list []netip.Addr
	for address := netip.MustParseAddr(from); ; address = address.Next() {
		list = append(list, address)
		if address == netip.MustParseAddr(to) {
			return list
		}
	}
}

func TestTheOrderOfASweep(t *testing.T) {
	for _, c := range []struct {
		what         string
		own, network string
		round        int
		want         []netip.Addr // the node's own among them, too
	}{{
		what:    "a /24 whole",
		own:     "10.1.2.9",
		network: "10.1.2.0/24",
		want:    between("10.1.2.1", "10.1.2.254"),
	}, {
		what:    "a /24 whole, in each round",
		own:     "10.1.2.9",
		network: "10.1.2.0/24",
		round:   7,
		want:    between("10.1.2.1", "10.1.2.254"),
	}, {
		what:    "a small one whole",
		own:     "10.1.2.18",
		network: "10.1.2.16/28",
		want:    between("10.1.2.17", "10.1.2.30"),
	}, {
		what:    "of a large one the first 256, those around, and a slice",
		own:     "10.1.8.0",
		network: "10.1.0.0/20",
		want: slices.Concat(
			between("10.1.0.1", "10.1.0.255"),
			between("10.1.7.128", "10.1.8.128"),
			between("10.1.1.0", "10.1.4.255"),
		),
	}, {
		what:    "those around are left out of their slice",
		own:     "10.1.8.0",
		network: "10.1.0.0/20",
		round:   1,
		want: slices.Concat(
			between("10.1.0.1", "10.1.0.255"),
			between("10.1.7.128", "10.1.8.128"),
			between("10.1.5.0", "10.1.7.127"),
			between("10.1.8.129", "10.1.8.255"),
		),
	}, {
		what:    "the last slice ends with the subnet",
		own:     "10.1.0.5",
		network: "10.1.0.0/20",
		round:   3,
		want: slices.Concat(
			between("10.1.0.1", "10.1.0.255"),
			between("10.1.13.0", "10.1.15.254"),
		),
	}, {
		what:    "and then comes the first again",
		own:     "10.1.0.200",
		network: "10.1.0.0/20",
		round:   4,
		want: slices.Concat(
			between("10.1.0.1", "10.1.0.255"),
			between("10.1.1.0", "10.1.1.72"),
			between("10.1.1.73", "10.1.4.255"),
		),
	}, {
		what:    "around the end of the largest",
		own:     "10.1.255.250",
		network: "10.1.0.0/16",
		round:   63,
		want: slices.Concat(
			between("10.1.0.1", "10.1.0.255"),
			between("10.1.255.122", "10.1.255.254"),
			between("10.1.253.0", "10.1.255.121"),
		),
	}} {
		want := slices.DeleteFunc(c.want, func(address netip.Addr) bool {
			return address.String() == c.own
		})
		require.Equal(t, want, bootstrap.SweepRound(c.own, c.network, c.round), c.what)
	}

	rounds := map[netip.Addr]bool{}

	for round := range 4 {
		for _, address := range bootstrap.SweepRound("10.1.8.0", "10.1.0.0/20", round) {
			rounds[address] = true
		}
	}

	require.Len(t, rounds, 4096-3, "all but the node, the subnet and everybody")
}

func TestTheNearestAddresses(t *testing.T) {
	require.Equal(t,
		slices.Concat(
			between("10.1.2.1", "10.1.2.63"),
			between("10.1.2.184", "10.1.2.199"),
			between("10.1.2.201", "10.1.2.216"),
		),
		bootstrap.Nearest("10.1.2.200", "10.1.2.0/24"),
	)
	require.Equal(t,
		slices.Concat(between("10.1.0.1", "10.1.0.63"), between("10.1.255.238", "10.1.255.253")),
		bootstrap.Nearest("10.1.255.254", "10.1.0.0/16"),
	)
}

// loopback is an address of this test process' own, on loopback: others may run the same test.
func loopback(host int) string {
	return fmt.Sprintf("127.%d.%d.%d", 100+os.Getpid()>>8%100, os.Getpid()%256, host)
}

// stackOf is a stack with an authority of its own.
type stackOf struct {
	*testing.T
	ca pki.Pair
}

func newStack(t *testing.T) stackOf {
	ca, err := pki.NewCA("blog")
	require.NoError(t, err)

	return stackOf{t, ca}
}

func (s stackOf) issue(node string, incarnation int, kind string) pki.Pair {
	pair, err := s.ca.Issue(pki.Name{
		Stack:       "blog",
		Role:        "db",
		Node:        node,
		Incarnation: incarnation,
		Kind:        kind,
	})
	require.NoError(s, err)

	return pair
}

// tls is a node's configuration towards members.
func (s stackOf) tls(node string) *tls.Config {
	pair := s.issue(node, 1, peerset.KindMember)
	member := func(name pki.Name) error { return peerset.MemberOnly(name.Kind, name.Role) }

	config, err := pki.PeerTLS(s.ca.Certificate, pair, "blog", member)
	require.NoError(s, err)

	return config
}

// answer accepts connections at an address, with a configuration or without TLS, and returns the port.
func answer(t *testing.T, address string, port int, config *tls.Config) int {
	listener, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })

	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}

			go func() {
				defer connection.Close()

				if config == nil {
					_, _ = connection.Write([]byte("220 no TLS here\r\n"))
					return
				}

				// It lasts until the other side has seen enough.
				_, _ = tls.Server(connection, config).Read(make([]byte, 1))
			}()
		}
	}()

	return listener.Addr().(*net.TCPAddr).Port
}

func TestASweepFindsTheStacksOwn(t *testing.T) {
	s, foreign := newStack(t), newStack(t)
	port := answer(t, loopback(2), 0, foreign.tls("db-1"))
	answer(t, loopback(3), port, nil)

	client, err := pki.PeerTLS(s.ca.Certificate, s.issue("web-1", 1, peerset.KindClient), "blog")
	require.NoError(t, err)
	answer(t, loopback(4), port, client)

	var met []string
	sweep := func(enough int) (over, slow bool) {
		met = nil
		own, network := loopback(9), loopback(0)+"/24"

		return bootstrap.Sweep(
			t.Context(), s.tls("db-9"), own, port, bootstrap.SweepRound(own, network, 0),
			func(node, address string) bool {
				met = append(met, node+" "+address)
				return len(met) == enough
			},
		)
	}

	over, slow := sweep(1)
	require.False(t, over, "strangers are passed over")
	require.False(t, slow)
	require.Empty(t, met)

	answer(t, loopback(200), port, s.tls("db-2"))
	answer(t, loopback(100), port, s.tls("db-3"))

	over, _ = sweep(1)
	require.True(t, over, "the first ends it")
	require.Len(t, met, 1)

	over, _ = sweep(3)
	require.False(t, over)
	require.ElementsMatch(t, []string{"db-2 " + loopback(200), "db-3 " + loopback(100)}, met)

	// The kernel takes connections also for a program that is too busy.
	busy, err := net.Listen("tcp", net.JoinHostPort(loopback(5), strconv.Itoa(port)))
	require.NoError(t, err)
	t.Cleanup(func() { busy.Close() })

	_, slow = sweep(3)
	require.True(t, slow)
}
