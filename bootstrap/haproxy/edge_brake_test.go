package haproxy_test

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

const (
	shopAddress = "https://shop.example.org"
	mostFailed  = 5
)

// login answers as one of a site: the form to who only looks and to who is wrong, and a way on to who is right. It
// takes its time over who waits.
func (n *siteNode) login(w http.ResponseWriter, r *http.Request) {
	n.logins.Add(1)
	defer n.logins.Add(-1)

	switch {
	case r.URL.Query().Has("right"):
		w.WriteHeader(http.StatusFound)
	case r.URL.Query().Has("wait"):
		<-r.Context().Done()
	}
}

// guesser comes to the edge from an address of his own.
type guesser struct {
	t      *testing.T
	client *http.Client
}

func (e *edge) guesser(host string) guesser {
	client := e.client(false)
	transport := client.Transport.(*http.Transport)

	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(e.network + host)}}
		return dialer.DialContext(ctx, "tcp", net.JoinHostPort(e.facts.Address, edgeHTTPS))
	}

	return guesser{
		t:      e.t,
		client: client,
	}
}

func (g guesser) post(path string) int {
	g.t.Helper()

	response, err := g.client.Post(shopAddress+path, "text/plain", nil)
	require.NoError(g.t, err)
	response.Body.Close()

	return response.StatusCode
}

// newBrakedEdge is an edge whose second site has two ways in that are guessed at.
func newBrakedEdge(t *testing.T) (*edge, *siteNode) {
	sites := testSites()
	sites[1].Failures = mostFailed
	sites[1].Brakes = []roles.Brake{{Path: "/login", Failed: http.StatusOK}, {Path: "/door"}}

	e := newEdge(t, sites, sitePeer("shop-1", "shop", "NET.41"))
	node := newSiteNode(t, "shop-1", e.network+".41")
	e.answers(
		"serve",
		shopAddress+"/",
		from("shop-1"),
	)

	return e, node
}

func TestWhoGuessesPasswordsIsHeldOffThere(t *testing.T) {
	e, _ := newBrakedEdge(t)
	office, guesser := e.guesser(".101"), e.guesser(".102")

	// Whoever is right may come as often as he likes.
	for range 4 * mostFailed {
		require.Equal(
			t,
			http.StatusFound,
			office.post("/login?right"),
		)
	}

	for range mostFailed {
		require.Equal(
			t,
			http.StatusOK,
			guesser.post("/login"),
		)
	}

	require.Equal(
		t,
		http.StatusTooManyRequests,
		guesser.post("/login"),
	)
	require.Equal(
		t,
		http.StatusTooManyRequests,
		guesser.post("/login?right"),
		"a guess that is right is one, too",
	)
	require.Equal(
		t,
		http.StatusTooManyRequests,
		guesser.post("/door"),
	)

	// Other spellings that a server takes for the same.
	for _, path := range []string{"//login", "/a/..%2flogin", "/%6cogin", "/login/", "/./login"} {
		require.Equal(
			t,
			http.StatusTooManyRequests,
			guesser.post(path),
			path,
		)
	}

	// All else is his, and all of it is everybody else's.
	require.Equal(
		t,
		http.StatusOK,
		guesser.post("/search"),
	)
	require.Equal(
		t,
		http.StatusOK,
		get(guesser.client, shopAddress+"/login").status,
	)
	require.Equal(
		t,
		http.StatusFound,
		office.post("/login?right"),
	)
}

func TestEachPostCountsWhereAnAnswerTellsNothing(t *testing.T) {
	e, _ := newBrakedEdge(t)
	guesser := e.guesser(".102")

	for range mostFailed {
		require.Equal(
			t,
			http.StatusOK,
			guesser.post("/door"),
		)
	}

	require.Equal(
		t,
		http.StatusTooManyRequests,
		guesser.post("/door"),
	)
}

// Answers come late: who guesses a hundred times at once has not failed yet.
func TestGuessesThatRunAreCounted(t *testing.T) {
	e, node := newBrakedEdge(t)
	guesser := e.guesser(".102")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	for range mostFailed {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, shopAddress+"/login?wait", nil)
		require.NoError(t, err)

		go func() {
			if response, err := guesser.client.Do(request); err == nil {
				response.Body.Close()
			}
		}()
	}

	e.until("have them all run", func() bool { return node.logins.Load() == mostFailed })
	require.Equal(
		t,
		http.StatusTooManyRequests,
		guesser.post("/login?right"),
	)

	cancel()
	e.until("forget them", func() bool { return guesser.post("/login?right") == http.StatusFound })
}
