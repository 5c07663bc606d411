package haproxy_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/haproxy"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// These tests run the real HAProxy with the configuration of the role edge, and web nodes written in Go.

const edgeRole = "edge"

// The ports of the edge in tests: 80 and 443 are root's.
const (
	edgeHTTP  = "9080"
	edgeHTTPS = "9443"
	edgeProxy = "8083" // by the PROXY protocol
)

// fitEdge writes what an edge's configuration reads beside it, and has it listen where a test may.
func (p *proxy) fitEdge(manifest *roles.Manifest, config string) string {
	paths := map[string]string{}
	for _, template := range manifest.Templates {
		paths[template.Path] = p.path(filepath.Base(template.Path))
	}

	moved := func(text string) string {
		for from, to := range paths {
			text = strings.ReplaceAll(text, from, to)
		}

		return text
	}

	for _, template := range manifest.Templates {
		if strings.HasSuffix(template.Path, "/haproxy.cfg") {
			continue
		}

		text, err := manifest.Render(template, p.facts)
		require.NoError(p.t, err)
		require.NoError(p.t, os.WriteFile(paths[template.Path], []byte(moved(string(text))), 0o600))
	}

	address := p.facts.Address

	return strings.NewReplacer(
		"bind :80\n", "bind "+address+":"+edgeHTTP+"\n",
		"bind :443 ", "bind "+address+":"+edgeHTTPS+" ",
	).Replace(moved(config))
}

// edge is a proxy that is one, with two sites and their certificates.
type edge struct {
	*proxy
	trusting *x509.CertPool
}

// testSites are two that have little in common.
func testSites() []roles.Site {
	first := roles.Site{
		Names:       []string{"www.example.org", "example.org"},
		Role:        "web",
		Port:        8080,
		Certificate: "site",
		Redirect:    true,
		HSTS:        300,
		Balance:     "roundrobin",
		Timeout:     10,
		Tunnel:      60,
		SlowStart:   1,
	}

	second := first
	second.Names = []string{"shop.example.org"}
	second.Role = "shop"
	second.Certificate = "site_shop"
	second.HTTP1 = true
	second.Redirect = false
	second.HSTS = 0

	return []roles.Site{first, second}
}

func newEdge(t *testing.T, sites []roles.Site, start ...peerset.Peer) *edge {
	return newEdgeOn(t, newNetwork(), sites, start...)
}

func newEdgeOn(t *testing.T, network string, sites []roles.Site, start ...peerset.Peer) *edge {
	ca, err := pki.NewCA("test")
	require.NoError(t, err)

	return newEdgeAt(t, network, edgeNode{name: "edge-1", host: ".21", by: ca}, sites, start...)
}

func newEdgeAt(t *testing.T, network string, node edgeNode, sites []roles.Site, start ...peerset.Peer) *edge {
	return newEdgeWith(
		t,
		network,
		node,
		func(*proxy) {},
		sites,
		start...,
	)
}

// newEdgeWith is an edge whose facts are changed before it starts.
func newEdgeWith(
	t *testing.T,
	network string,
	node edgeNode,
	with func(*proxy),
	sites []roles.Site,
	start ...peerset.Peer,
) *edge {
	e := &edge{trusting: x509.NewCertPool()}

	for at, peer := range start {
		start[at].Address = strings.ReplaceAll(peer.Address, "NET", network)
	}

	e.proxy = newProxyWith(t, network, nil, snapshot("", 0, start...), func(p *proxy) {
		p.role = edgeRole
		p.roles = haproxy.Roles{Sites: map[string]string{}}
		p.facts.Role = edgeRole
		p.facts.Node = node.name
		p.facts.Address = network + node.host
		p.facts.PKI = node.identity(t)
		p.facts.Expected = map[string][]string{
			"web":  {"web-1", "web-2"},
			"shop": {"shop-1"},
		}
		p.facts.Secrets = map[string]report.Secret{
			"edge.stats_password": "secret",
		}
		p.facts.Settings[roles.SettingSites] = roles.SitesText(sites)

		for _, site := range sites {
			for _, key := range site.Keys() {
				p.roles.Sites[key] = site.Role
			}

			e.certify(t, p, site)
		}

		with(p)
	})

	return e
}

// certify gives a site a certificate of an authority of its own.
func (e *edge) certify(t *testing.T, p *proxy, site roles.Site) {
	ca, err := pki.NewCA("test")
	require.NoError(t, err)
	require.True(t, e.trusting.AppendCertsFromPEM([]byte(ca.Certificate)))

	pair, err := ca.IssueSite(site.Names[0], site.Names...)
	require.NoError(t, err)

	p.facts.Secrets[site.Certificate+".certificate"] = report.Secret(pair.Certificate)
	p.facts.Secrets[site.Certificate+".key"] = pair.Key
}

// client comes to the edge by any name, and follows no redirect.
func (e *edge) client(http2 bool) *http.Client {
	dial := func(ctx context.Context, _, address string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(address)

		own := map[string]string{
			"80":  edgeHTTP,
			"443": edgeHTTPS,
		}
		address = net.JoinHostPort(e.facts.Address, own[port])

		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}

	return &http.Client{
		Timeout: patience,
		Transport: &http.Transport{
			DialContext:       dial,
			ForceAttemptHTTP2: http2,
			TLSClientConfig:   &tls.Config{RootCAs: e.trusting},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// answer is what came back: a node's word of what it was told, or the edge's own.
type answer struct {
	status   int
	proto    string
	location string
	header   http.Header
	told     map[string]string
	text     string
	leaf     *x509.Certificate
	err      error
}

func get(client *http.Client, address string, header ...string) answer {
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return answer{err: err}
	}

	for at := 0; at+1 < len(header); at += 2 {
		request.Header.Add(header[at], header[at+1])
	}

	response, err := client.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()

	text, err := io.ReadAll(response.Body)
	got := answer{
		status:   response.StatusCode,
		proto:    response.Proto,
		location: response.Header.Get("Location"),
		header:   response.Header,
		text:     string(text),
		err:      err,
	}

	if response.TLS != nil {
		got.leaf = response.TLS.PeerCertificates[0]
	}

	_ = json.Unmarshal(text, &got.told) // the edge's own answers are no JSON

	return got
}

// siteNode is a node behind a site: it tells what it was told, echoes what comes by a WebSocket, and answers checks.
type siteNode struct {
	health atomic.Int32
	logins atomic.Int32 // that are being answered
	mux    *http.ServeMux
	site   *http.Server
	checks *http.Server
}

func newSiteNode(t *testing.T, name, address string) *siteNode {
	mux := http.NewServeMux()
	node := &siteNode{mux: mux}
	node.health.Store(http.StatusOK)

	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		told := map[string]string{
			"name": name,
			"host": r.Host,
		}

		for key := range r.Header {
			told[key] = strings.Join(r.Header[key], ",")
		}

		json.NewEncoder(w).Encode(told)
	})
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("/login", node.login)
	mux.HandleFunc("/begin", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", sessionCookie+"="+rand.Text()+"; Path=/; HttpOnly")
		json.NewEncoder(w).Encode(map[string]string{"name": name})
	})

	node.site = &http.Server{Addr: address + ":8080", Handler: mux}
	node.checks = &http.Server{
		Addr: address + ":9200",
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(int(node.health.Load()))
		}),
	}

	for _, server := range []*http.Server{node.site, node.checks} {
		listener, err := net.Listen("tcp", server.Addr)
		require.NoError(t, err)

		go server.Serve(listener)
		t.Cleanup(func() { server.Close() })
	}

	return node
}

// echo takes a connection over as a WebSocket does, and sends back what comes.
func echo(w http.ResponseWriter, _ *http.Request) {
	connection, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer connection.Close()

	// The answer to the key of RFC 6455, 1.3.
	fmt.Fprint(connection, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
	io.Copy(connection, buffered)
}

// sitePeer is a healthy node of a role. NET stands for the test's network.
func sitePeer(name, role, address string) peerset.Peer {
	return peerset.Peer{
		Name:        name,
		Role:        role,
		Address:     address,
		Incarnation: 1,
		Healthy:     true,
		Alive:       true,
	}
}

// answers waits until the edge answers as asked.
func (e *edge) answers(what, address string, ok func(answer) bool) {
	e.t.Helper()
	client := e.client(true)

	e.until(what, func() bool { return ok(get(client, address)) })
}

func from(name string) func(answer) bool {
	return func(a answer) bool { return a.told["name"] == name }
}

// visits are those of visitors who never stop.
type visits struct {
	stop   context.CancelFunc
	failed chan string
	count  atomic.Int64
	done   chan struct{}
}

const visitors = 4

func (e *edge) visitAll(address string) *visits {
	ctx, cancel := context.WithCancel(context.Background())
	v := &visits{
		stop:   cancel,
		failed: make(chan string, visitors),
		done:   make(chan struct{}, visitors),
	}
	e.t.Cleanup(cancel)

	for at := range visitors {
		client := e.client(at%2 == 0)

		go func() {
			defer func() { v.done <- struct{}{} }()

			for ctx.Err() == nil {
				if got := get(client, address); got.status != http.StatusOK {
					v.failed <- fmt.Sprint(got.status, got.err, got.text)
					return
				}

				v.count.Add(1)
			}
		}()
	}

	return v
}

// end ends the visits, of which none may have failed.
func (v *visits) end(t *testing.T) {
	t.Helper()
	v.stop()

	for range visitors {
		<-v.done
	}

	select {
	case why := <-v.failed:
		t.Fatalf("a visit of %d failed: %s", v.count.Load(), why)
	default:
		t.Logf("%d visits, none failed", v.count.Load())
	}
}
