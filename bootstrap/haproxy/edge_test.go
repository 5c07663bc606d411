package haproxy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/roles"
)

func TestAnEdgeServesTwoSites(t *testing.T) {
	e := newEdge(
		t,
		testSites(),
		sitePeer("web-1", "web", "NET.31"),
		sitePeer("shop-1", "shop", "NET.41"),
	)
	newSiteNode(t, "web-1", e.network+".31")
	newSiteNode(t, "shop-1", e.network+".41")

	e.answers(
		"serve the first",
		"https://www.example.org/",
		from("web-1"),
	)
	e.answers(
		"serve the second",
		"https://shop.example.org/",
		from("shop-1"),
	)
	e.until("say so", func() bool {
		return e.state().Healthy && e.state().Reason == "serves all sites (2)"
	})

	client := e.client(true)
	first := get(client, "https://www.example.org/")
	second := get(client, "https://shop.example.org/")

	// Each by its own certificate and with what it speaks.
	require.Equal(t, "www.example.org", first.leaf.Subject.CommonName)
	require.Equal(t, "shop.example.org", second.leaf.Subject.CommonName)
	require.Equal(t, "HTTP/2.0", first.proto)
	require.Equal(t, "HTTP/1.1", second.proto)
	require.Equal(t, "max-age=300", first.header.Get("Strict-Transport-Security"))
	require.Empty(t, second.header.Get("Strict-Transport-Security"))

	// To https, and to the first name, with the way and the question kept.
	for address, want := range map[string]string{
		"http://www.example.org/a?b=c":  "https://www.example.org/a?b=c",
		"http://example.org/a?b=c":      "https://www.example.org/a?b=c",
		"https://example.org/a?b=c":     "https://www.example.org/a?b=c",
		"http://EXAMPLE.org:80/a":       "https://www.example.org/a",
		"http://www.example.org//b.org": "https://www.example.org//b.org",
	} {
		got := get(client, address)
		require.NoError(t, got.err)
		require.Equal(t, http.StatusPermanentRedirect, got.status, address)
		require.Equal(t, want, got.location)
	}

	plain := get(client, "http://shop.example.org/")
	require.Equal(t, "shop-1", plain.told["name"], "no redirect was asked for")

	// A name that is no site's.
	plain = get(client, "http://other.example.org/")
	require.Equal(t, http.StatusMisdirectedRequest, plain.status)

	secure := get(client, "https://other.example.org/")
	require.ErrorContains(t, secure.err, "unrecognized name")
	require.Zero(t, e.reloads.Load())
}

// newEdgeOfBoth is an edge with a node behind each of the two sites.
func newEdgeOfBoth(t *testing.T, sites []roles.Site) *edge {
	t.Helper()

	e := newEdge(
		t,
		sites,
		sitePeer("web-1", "web", "NET.31"),
		sitePeer("shop-1", "shop", "NET.41"),
	)
	newSiteNode(t, "web-1", e.network+".31")
	newSiteNode(t, "shop-1", e.network+".41")

	return e
}

// A site that does not send everybody to https leaves a visitor with what he came by.
func TestAnotherNameIsSentToTheFirstByTheSameScheme(t *testing.T) {
	sites := testSites()
	sites[1].Names = append(sites[1].Names, "store.example.org")

	e := newEdgeOfBoth(t, sites)
	e.answers("serve the second", "http://shop.example.org/", from("shop-1"))

	client := e.client(true)

	for _, scheme := range []string{"http", "https"} {
		got := get(client, scheme+"://store.example.org/a?b=c")
		require.NoError(t, got.err)
		require.Equal(t, http.StatusPermanentRedirect, got.status)
		require.Equal(t, scheme+"://shop.example.org/a?b=c", got.location)
	}
}

func TestAnEdgeTellsNodesWhoCameAndNotWhatHeSays(t *testing.T) {
	sites := testSites()
	sites[1].Trusted = []string{"127.0.0.0/8"}

	e := newEdgeOfBoth(t, sites)
	e.answers("serve the first", "https://www.example.org/", from("web-1"))
	e.answers("serve the second", "https://shop.example.org/", from("shop-1"))

	forged := []string{
		"X-Forwarded-For", "192.0.2.1, 192.0.2.2",
		"X-Forwarded-For", "192.0.2.3, 127.0.0.9",
		"X-Forwarded-Proto", "gopher",
		"X-Forwarded-Host", "evil.example.org",
		"X-Real-Ip", "192.0.2.1",
		"Forwarded", "for=192.0.2.1",
		"Proxy", "192.0.2.1:1",
	}

	told := get(e.client(true), "https://www.example.org/", forged...).told
	require.Equal(t, "web-1", told["name"])
	require.Regexp(t, `^127\.[0-9.]+$`, told["X-Forwarded-For"], "the visitor's own address alone")
	require.Equal(t, "https", told["X-Forwarded-Proto"])
	require.Equal(t, "443", told["X-Forwarded-Port"])

	for _, key := range []string{"X-Forwarded-Host", "X-Real-Ip", "Forwarded", "Proxy"} {
		require.NotContains(t, told, key)
	}

	// From a front end it is believed: the last address that is no front end's.
	told = get(e.client(false), "http://shop.example.org/", forged...).told
	require.Equal(t, "192.0.2.3", told["X-Forwarded-For"])
	require.Equal(t, "http", told["X-Forwarded-Proto"])
	require.NotContains(t, told, "X-Forwarded-Host")

	told = get(e.client(false), "http://shop.example.org/", "X-Forwarded-Proto", "https").told
	require.Equal(t, "https", told["X-Forwarded-Proto"], "the front end's visitor came by TLS")

	// By the PROXY protocol.
	connection, err := net.Dial("tcp", e.facts.Address+":"+edgeProxy)
	require.NoError(t, err)
	defer connection.Close()

	connection.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(connection, "PROXY TCP4 192.0.2.77 192.0.2.88 4711 80\r\n"+
		"GET / HTTP/1.1\r\nHost: shop.example.org\r\nX-Forwarded-For: 192.0.2.1\r\nConnection: close\r\n\r\n")

	text, err := io.ReadAll(connection)
	require.NoError(t, err)
	require.Contains(t, string(text), `"X-Forwarded-For":"192.0.2.77"`)
}

func TestAnEdgeFollowsItsNodesWithoutAReload(t *testing.T) {
	one := sitePeer("web-1", "web", "NET.31")
	e := newEdge(t, testSites(), one)
	first := newSiteNode(t, "web-1", e.network+".31")
	newSiteNode(t, "web-2", e.network+".32")
	newSiteNode(t, "web-3", e.network+".33")
	newSiteNode(t, "web-1 anew", e.network+".34")
	e.answers("serve", "https://www.example.org/", from("web-1"))

	visits := e.visitAll("https://www.example.org/")

	// One that was expected, and one that nobody expected.
	one = sitePeer("web-1", "web", e.network+".31")
	two := sitePeer("web-2", "web", e.network+".32")
	three := sitePeer("web-3", "web", e.network+".33")
	e.put(snapshot("", 0, one, two, three))
	e.answers("use the second", "https://www.example.org/", from("web-2"))
	e.answers("use the third", "https://www.example.org/", from("web-3"))

	// One that is to go answers its check with 404, and then it is gone.
	first.health.Store(http.StatusNotFound)
	e.until("leave it alone", func() bool {
		for range 6 {
			if get(e.client(false), "https://www.example.org/").told["name"] == "web-1" {
				return false
			}
		}

		return true
	})
	e.put(snapshot("", 0, two, three))

	// Its successor has its name and another address.
	e.put(snapshot("", 0, sitePeer("web-1", "web", e.network+".34"), two, three))
	e.answers("use the successor", "https://www.example.org/", from("web-1 anew"))

	visits.end(t)
	require.Zero(t, e.reloads.Load(), "the process is told so")
}

func TestASiteWithoutNodesSaysSo(t *testing.T) {
	e := newEdge(t, testSites(), sitePeer("shop-1", "shop", "NET.41"))
	newSiteNode(t, "shop-1", e.network+".41")
	e.answers("serve the other", "https://shop.example.org/", from("shop-1"))

	got := get(e.client(true), "https://www.example.org/")
	require.Equal(t, http.StatusServiceUnavailable, got.status)
	require.Contains(t, got.text, "Back in a moment")
	require.Equal(t, "30", got.header.Get("Retry-After"))
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	e.until("say so", func() bool {
		return e.state().Reason == "no node serves www.example.org"
	})
	require.True(t, e.state().Healthy, "another edge would have no more")

	newSiteNode(t, "web-1", e.network+".31")
	e.put(snapshot(
		"",
		0,
		sitePeer("web-1", "web", e.network+".31"),
		sitePeer("shop-1", "shop", e.network+".41"),
	))
	e.answers("serve it", "https://www.example.org/", from("web-1"))
}

func TestAWebSocketOutlivesAChangeOfNodes(t *testing.T) {
	e := newEdge(t, testSites(), sitePeer("shop-1", "shop", "NET.41"))
	newSiteNode(t, "shop-1", e.network+".41")
	e.answers("serve", "https://shop.example.org/", from("shop-1"))

	connection, err := tls.Dial("tcp", e.facts.Address+":"+edgeHTTPS, &tls.Config{
		RootCAs:    e.trusting,
		ServerName: "shop.example.org",
	})
	require.NoError(t, err)
	defer connection.Close()

	connection.SetDeadline(time.Now().Add(2 * patience))
	fmt.Fprint(connection, "GET /echo HTTP/1.1\r\nHost: shop.example.org\r\n"+
		"Connection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")

	reader := bufio.NewReader(connection)
	response, err := http.ReadResponse(reader, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)

	echoes := func() {
		fmt.Fprintln(connection, "ping")
		line, err := reader.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "ping\n", line)
	}
	echoes()

	newSiteNode(t, "shop-2", e.network+".42")
	e.put(snapshot(
		"",
		0,
		sitePeer("shop-1", "shop", e.network+".41"),
		sitePeer("shop-2", "shop", e.network+".42"),
	))
	e.answers("use the second", "https://shop.example.org/", from("shop-2"))
	echoes()
}

func TestACookieKeepsAVisitorWithANode(t *testing.T) {
	sites := testSites()
	sites[1].Affinity = "cookie"

	two := []peerset.Peer{
		sitePeer("shop-1", "shop", "NET.41"),
		sitePeer("shop-2", "shop", "NET.42"),
	}
	e := newEdge(t, sites, two...)
	newSiteNode(t, "shop-1", e.network+".41")
	newSiteNode(t, "shop-2", e.network+".42")
	e.answers("use the first", "https://shop.example.org/", from("shop-1"))
	e.answers("use the second", "https://shop.example.org/", from("shop-2"))

	client := e.client(false)
	got := get(client, "https://shop.example.org/")
	cookie := got.header.Get("Set-Cookie")
	require.Regexp(t, `^hornero_node=shop-[12]; .*HttpOnly.*SameSite=Lax`, cookie)

	own, _, _ := strings.Cut(cookie, ";")

	for range 8 {
		again := get(client, "https://shop.example.org/", "Cookie", own)
		require.Equal(t, got.told["name"], again.told["name"])
		require.NotContains(t, again.told, "Cookie", "the application does not see it")
	}

	// The node goes: another has the visitor, with a cookie of its own.
	left := sitePeer("shop-2", "shop", e.network+".42")
	if got.told["name"] == "shop-2" {
		left = sitePeer("shop-1", "shop", e.network+".41")
	}

	e.put(snapshot("", 0, left))
	e.until("go on with the other", func() bool {
		return get(client, "https://shop.example.org/", "Cookie", own).told["name"] == left.Name
	})
}

func TestAFloodOfOneSiteLeavesTheOtherServed(t *testing.T) {
	sites := testSites()
	sites[0].Redirect = false
	sites[0].Requests = 20

	e := newEdgeOfBoth(t, sites)
	e.answers("serve the second", "https://shop.example.org/", from("shop-1"))

	client := e.client(true)
	e.until("refuse a flood", func() bool {
		return get(client, "https://www.example.org/").status == http.StatusTooManyRequests
	})

	got := get(client, "https://www.example.org/")
	require.Equal(t, "10", got.header.Get("Retry-After"))
	require.Equal(t, "shop-1", get(client, "https://shop.example.org/").told["name"])
}
