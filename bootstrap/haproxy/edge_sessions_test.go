package haproxy_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/pki"
)

// sessions are those of an application: in the memory of one node, or where all nodes find them.
type sessions struct {
	mu      sync.Mutex
	visited map[string]int
}

func newSessions() *sessions { return &sessions{visited: map[string]int{}} }

// count counts the visits of a session, as a page with $_SESSION does. Who has none gets one.
func (s *sessions) count(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()

		id := ""
		if cookie, err := r.Cookie(sessionCookie); err == nil {
			id = cookie.Value
		}

		// An id that the application did not make is not taken.
		if s.visited[id] == 0 {
			id = rand.Text()
			http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: id, Path: "/"})
		}

		s.visited[id]++
		json.NewEncoder(w).Encode(visitCount{Node: name, Count: s.visited[id]})
	}
}

type visitCount struct {
	Node  string
	Count int
}

// browserAt is a visitor with an address and cookies of his own, who comes to one edge and then to another.
type browserAt struct {
	client *http.Client
	edge   *atomic.Pointer[edge]
	last   visitCount
}

func newBrowserAt(t *testing.T, address string, at *atomic.Pointer[edge]) *browserAt {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)

	b := &browserAt{
		client: at.Load().client(false),
		edge:   at,
	}

	b.client.Jar = jar
	transport := b.client.Transport.(*http.Transport)

	// A connection would hold a visitor to a process that is dead.
	transport.DisableKeepAlives = true
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		return dialer.DialContext(ctx, "tcp", net.JoinHostPort(b.edge.Load().facts.Address, edgeHTTP))
	}

	return b
}

// visits asks for the page, and tells whether the session went on.
func (b *browserAt) visits(t *testing.T) (kept bool) {
	t.Helper()

	response, err := b.client.Get("http://shop.example.org/count")
	require.NoError(t, err)
	defer response.Body.Close()

	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(
		t,
		http.StatusOK,
		response.StatusCode,
		string(text),
	)

	before := b.last
	b.last = visitCount{}
	require.NoError(
		t,
		json.Unmarshal(text, &b.last),
		string(text),
	)

	return b.last.Count == before.Count+1
}

const (
	browsers = 10
	rounds   = 10 // of a visit each: a hundred requests
)

// lostOf has everybody visit, and counts the sessions that did not go on.
func lostOf(t *testing.T, all []*browserAt) (lost int) {
	t.Helper()
	gone := map[*browserAt]bool{}

	for range rounds {
		for _, b := range all {
			if !b.visits(t) {
				gone[b] = true
			}
		}
	}

	return len(gone)
}

// sessionWay is a way to keep a session, as docs/sessions.md lists them.
type sessionWay struct {
	affinity, balance string
	shared            bool // all nodes find each session
}

// What each way promises when nothing happens, when the edge is lost and when a node with sessions is: the table of
// docs/sessions.md.
func TestSessionsByEachWay(t *testing.T) {
	ways := map[string]sessionWay{
		"source":      {affinity: "source", balance: "source"},
		"cookie":      {affinity: "cookie", balance: "roundrobin"},
		"application": {affinity: "application", balance: "roundrobin"},
		"database":    {balance: "roundrobin", shared: true},
	}

	for _, name := range slices.Sorted(maps.Keys(ways)) {
		t.Run(name, func(t *testing.T) { ways[name].promises(t) })
	}
}

func (way sessionWay) promises(t *testing.T) {
	network := newNetwork()
	nodes := way.nodes(t, network)
	first, second := way.edges(t, network)

	var at atomic.Pointer[edge]
	at.Store(first)

	var all []*browserAt
	for number := range browsers {
		all = append(all, newBrowserAt(t, fmt.Sprintf("%s.%d", network, 101+number), &at))
		all[number].visits(t)
	}

	require.Zero(
		t,
		lostOf(t, all),
		"calm",
	)

	if way.affinity == "application" {
		second.until("hear of the sessions", func() bool { return second.entries() >= browsers })
	}

	first.dies()
	at.Store(second)
	require.Zero(
		t,
		lostOf(t, all),
		"the edge is lost",
	)

	// The node of the last visitor.
	lost := all[browsers-1].last.Node
	its := 0

	for _, b := range all {
		if b.last.Node == lost {
			its++
		}
	}

	nodes[lost].dies()

	if way.shared {
		its = 0
	}

	require.Equal(
		t,
		its,
		lostOf(t, all),
		"%s is lost, and what it alone knew",
		lost,
	)
}

// nodes are two behind the site.
func (way sessionWay) nodes(t *testing.T, network string) map[string]*siteNode {
	nodes := map[string]*siteNode{}
	kept := newSessions()

	for name, host := range map[string]string{"shop-1": ".41", "shop-2": ".42"} {
		if !way.shared {
			kept = newSessions()
		}

		nodes[name] = newSiteNode(t, name, network+host)
		nodes[name].mux.HandleFunc("/count", kept.count(name))
	}

	return nodes
}

// edges are the two nodes of the edge, once they send to both.
func (way sessionWay) edges(t *testing.T, network string) (first, second *edge) {
	by, err := pki.NewCA("test")
	require.NoError(t, err)

	sites := testSites()
	sites[1].Affinity = way.affinity
	sites[1].Balance = way.balance

	if way.affinity == "application" {
		sites[1].Cookie = sessionCookie
	}

	one := newEdgeAt(t, network, edgeNode{"edge-1", ".21", by}, sites, edgePeers(network)...)
	two := newEdgeAt(t, network, edgeNode{"edge-2", ".22", by}, sites, edgePeers(network)...)

	for _, e := range []*edge{one, two} {
		e.until("send to both", func() bool {
			return e.passed("shop-1") && e.passed("shop-2")
		})
	}

	return one, two
}
