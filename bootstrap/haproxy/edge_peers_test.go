package haproxy_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/haproxy"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/roles"
)

// sessionCookie is how the application of these tests knows a visitor.
const sessionCookie = "SESSION"

// edgePeersPort is where nodes of the edge talk to each other.
const edgePeersPort = "8444"

// edgeNode is one of the nodes of an edge: its name, the end of its address, and who says that it is one.
type edgeNode struct {
	name, host string
	by         pki.Pair
}

func (n edgeNode) pair(t *testing.T) pki.Pair {
	pair, err := n.by.Issue(pki.Name{
		Stack:       "test",
		Role:        edgeRole,
		Node:        n.name,
		Incarnation: 1,
		Kind:        roles.Client,
	})
	require.NoError(t, err)

	return pair
}

func (n edgeNode) identity(t *testing.T) map[string]string {
	pair := n.pair(t)

	return map[string]string{
		"ca":          n.by.Certificate,
		"certificate": pair.Certificate,
		"key":         pair.Key.Reveal(),
	}
}

// visitorOf is somebody with a session of the application.
type visitorOf struct {
	node   string // that began his session
	cookie string
}

// begin begins a session.
func (e *edge) begin() visitorOf {
	e.t.Helper()

	got := get(e.client(false), "https://shop.example.org/begin")
	require.Equal(
		e.t,
		http.StatusOK,
		got.status,
		"%v",
		got.err,
	)

	cookie, _, _ := strings.Cut(got.header.Get("Set-Cookie"), ";")

	return visitorOf{
		node:   got.told["name"],
		cookie: cookie,
	}
}

// keeps tells whether the edge sends a visitor to his node.
func (e *edge) keeps(v visitorOf) bool {
	client := e.client(false)

	for range 4 {
		got := get(client, "https://shop.example.org/", "Cookie", "other=1; "+v.cookie)
		if got.told["name"] != v.node {
			return false
		}
	}

	return true
}

// dies ends the node's processes at once.
func (e *edge) dies() {
	e.t.Helper()

	workers, err := e.workers()
	require.NoError(e.t, err)

	for _, pid := range append(workers, e.master.Process.Pid) {
		require.NoError(e.t, syscall.Kill(pid, syscall.SIGKILL))
	}
}

// runtime is the node's HAProxy.
func (e *edge) runtime() haproxy.Socket { return haproxy.Socket{Path: e.path("admin.sock")} }

// passed tells whether a node behind the second site has passed a check.
func (e *edge) passed(name string) bool {
	servers, err := e.runtime().State(e.t.Context())
	if err != nil {
		return false
	}

	return slices.ContainsFunc(servers, func(s haproxy.Server) bool {
		return s.Backend == "site-shop.example.org" && s.Name == name && s.Passed
	})
}

// entries is how many sessions of the second site the node knows.
func (e *edge) entries() int {
	text, err := e.runtime().Tell(e.t.Context(), []string{"show table site-shop.example.org"})
	if err != nil {
		return 0
	}

	return strings.Count(text, "server_key=")
}

// dies ends a node behind a site at once.
func (n *siteNode) dies() {
	n.site.Close()
	n.checks.Close()
}

// twoEdges are the nodes of an edge whose second site keeps visitors by the application's cookie.
func twoEdges(t *testing.T) (first, second *edge, by pki.Pair) {
	by, err := pki.NewCA("test")
	require.NoError(t, err)

	sites := testSites()
	sites[1].Affinity = "application"
	sites[1].Cookie = sessionCookie

	network := newNetwork()
	newSiteNode(t, "shop-1", network+".41")
	newSiteNode(t, "shop-2", network+".42")

	one := newEdgeAt(t, network, edgeNode{"edge-1", ".21", by}, sites, edgePeers(network)...)
	two := newEdgeAt(t, network, edgeNode{"edge-2", ".22", by}, sites, edgePeers(network)...)

	for _, e := range []*edge{one, two} {
		e.answers(
			"use the first",
			"https://shop.example.org/",
			from("shop-1"),
		)
		e.answers(
			"use the second",
			"https://shop.example.org/",
			from("shop-2"),
		)
	}

	return one, two, by
}

// edgePeers are the stack's nodes, and others more.
func edgePeers(network string, more ...peerset.Peer) []peerset.Peer {
	return append([]peerset.Peer{
		sitePeer("edge-1", edgeRole, network+".21"),
		sitePeer("edge-2", edgeRole, network+".22"),
		sitePeer("shop-1", "shop", network+".41"),
		sitePeer("shop-2", "shop", network+".42"),
	}, more...)
}

func TestASessionStaysWithItsNodeWhenTheEdgeIsLost(t *testing.T) {
	first, second, _ := twoEdges(t)

	var all []visitorOf
	for range 6 {
		all = append(all, first.begin())
	}

	keeps := func(e *edge) func() bool {
		return func() bool {
			for _, v := range all {
				if !e.keeps(v) {
					return false
				}
			}

			return true
		}
	}

	require.True(
		t,
		keeps(first)(),
		"the node that began them has them",
	)

	// What the second knows, the first has told it.
	second.until("hear of the sessions", keeps(second))

	first.dies()
	require.True(
		t,
		keeps(second)(),
		"the first is lost",
	)

	// The lost one's successor has another address, of which a running process cannot be told. The next one learns
	// the sessions from it.
	before := second.reloads.Load()
	successor := edgePeers(second.network)
	successor[0].Address = second.network + ".23"
	second.put(snapshot("", 0, successor...))
	second.until("know the successor", func() bool { return second.reloads.Load() > before })
	second.until("keep the sessions", keeps(second))
}

func TestASessionWhoseNodeIsGoneStaysWithTheNextOne(t *testing.T) {
	first, second, _ := twoEdges(t)
	v := first.begin()

	left := edgePeers(first.network)[:3]
	if v.node == "shop-1" {
		left[2] = sitePeer("shop-2", "shop", first.network+".42")
	}

	for _, e := range []*edge{first, second} {
		e.put(snapshot("", 0, left...))
	}

	moved := visitorOf{
		node:   left[2].Name,
		cookie: v.cookie,
	}
	first.until("go on with the other", func() bool { return first.keeps(moved) })

	// His old node is back: he does not go to and fro.
	for _, e := range []*edge{first, second} {
		e.put(snapshot("", 0, edgePeers(first.network)...))
		e.answers(
			"use it again",
			"https://shop.example.org/",
			from(v.node),
		)
	}

	require.True(t, first.keeps(moved))
	second.until("hear of it", func() bool { return second.keeps(moved) })
}

// Only nodes of the edge have a certificate of its authority: a web node that was broken into writes nobody's session.
func TestOnlyNodesOfTheEdgeTellItOfSessions(t *testing.T) {
	first, _, by := twoEdges(t)

	stranger, err := pki.NewCA("test")
	require.NoError(t, err)

	says := func(node edgeNode) error {
		pair := node.pair(t)
		certificate, err := tls.X509KeyPair([]byte(pair.Certificate), []byte(pair.Key.Reveal()))
		require.NoError(t, err)

		trusting := x509.NewCertPool()
		require.True(t, trusting.AppendCertsFromPEM([]byte(by.Certificate)))

		address := net.JoinHostPort(first.facts.Address, edgePeersPort)
		dialer := &net.Dialer{Timeout: patience}

		connection, err := tls.DialWithDialer(dialer, "tcp", address, &tls.Config{
			RootCAs:    trusting,
			ServerName: "edge-1",
			// It is shown whatever authority was asked for.
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &certificate, nil
			},
		})
		if err != nil {
			return err
		}
		defer connection.Close()

		// Who speaks first: protocol and version, whom it means, who it is.
		_, err = connection.Write([]byte("HAProxyS 2.1\nedge-1\nedge-2 1 1\n"))
		require.NoError(t, err)

		connection.SetDeadline(time.Now().Add(patience))
		_, err = connection.Read(make([]byte, 1))

		return err
	}

	require.NoError(t, says(edgeNode{name: "edge-2", by: by}))
	require.ErrorContains(
		t,
		says(edgeNode{name: "edge-2", by: stranger}),
		"unknown certificate authority",
	)
}
