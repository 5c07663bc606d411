package haproxy_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/roles"
)

// webNode is a web node: it answers with its name and what it was told of the visitor, and health checks with a
// status.
type webNode struct{ status atomic.Int32 }

func newWebNode(t *testing.T, name, address string) *webNode {
	node := &webNode{}
	node.status.Store(http.StatusOK)

	site := &http.Server{
		Addr: address + ":8080",
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			json.NewEncoder(w).Encode(map[string]string{
				"name":  name,
				"for":   r.Header.Get("X-Forwarded-For"),
				"proto": r.Header.Get("X-Forwarded-Proto"),
				"proxy": r.Header.Get("Proxy"),
			})
		}),
	}

	health := &http.Server{
		Addr: address + ":9200",
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(int(node.status.Load()))
		}),
	}

	for _, server := range []*http.Server{site, health} {
		go server.ListenAndServe()
		t.Cleanup(func() { server.Close() })
	}

	return node
}

func webPeer(name, address string, incarnation int) peerset.Peer {
	return peerset.Peer{
		Name:        name,
		Role:        "web",
		Address:     address,
		Incarnation: incarnation,
		Healthy:     true,
		Alive:       true,
	}
}

// siteCertificate is the site's, as the proxy reads it, and a client's configuration that trusts it.
func siteCertificate(t *testing.T) (pem string, trusting *tls.Config) {
	ca, err := pki.NewCA("test")
	require.NoError(t, err)

	pair, err := ca.IssueSite("test", "www.example.org")
	require.NoError(t, err)

	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(ca.Certificate)))

	return pair.Certificate + "\n" + pair.Key.Reveal(), &tls.Config{
		RootCAs:    roots,
		ServerName: "www.example.org",
	}
}

// visitor says wrong things of himself.
type visitor struct {
	t      *testing.T
	client *http.Client
}

func newVisitor(t *testing.T, trusting *tls.Config) visitor {
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: trusting}

	return visitor{
		t: t,
		client: &http.Client{
			Timeout:   time.Second,
			Transport: transport,
		},
	}
}

// get returns what a web node was told of the visitor, or what went wrong as err.
func (v visitor) get(url string) map[string]string {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(v.t, err)

	request.Header.Set("X-Forwarded-For", "192.0.2.1")
	request.Header.Set("X-Forwarded-Proto", "gopher")
	request.Header.Set("Proxy", "192.0.2.1:1")

	response, err := v.client.Do(request)
	if err != nil {
		return map[string]string{"err": err.Error()}
	}
	defer response.Body.Close()

	text, err := io.ReadAll(response.Body)
	require.NoError(v.t, err)

	told := map[string]string{}
	if json.Unmarshal(text, &told) != nil {
		told["err"] = response.Status
	}

	return told
}

func TestTheSiteAtTheReservedIP(t *testing.T) {
	n := newNetwork()
	newGreeter(t, "db-1", n+".1")

	one := newWebNode(t, "web-1", n+".31")
	newWebNode(t, "web-2", n+".32")

	pem, trusting := siteCertificate(t)
	visitor := newVisitor(t, trusting)

	database := database("db-1", n+".1", 1)
	first := webPeer("web-1", n+".31", 1)
	second := webPeer("web-2", n+".32", 1)

	p := newProxyWith(t, n, []string{"db-1"}, snapshot(
		"db-1",
		1,
		database,
		first,
	), func(p *proxy) {
		p.facts.Anchor = n + ".22"
		p.facts.Settings[roles.SettingReservedIP] = "203.0.113.9"
		p.facts.Expected["web"] = []string{"web-1", "web-2"}

		require.NoError(t, os.WriteFile(p.path("site.pem"), []byte(pem), 0o600))
	})
	p.serving("db-1")

	plain, secure := "http://"+n+".22:8080/", "https://"+n+".22:8443/"
	p.until("serve the site", func() bool {
		return visitor.get(plain)["name"] == "web-1"
	})

	for url, proto := range map[string]string{plain: "http", secure: "https"} {
		told := visitor.get(url)
		require.Equal(t, proto, told["proto"], "%v", told)
		require.NotContains(t,
			told["for"],
			"192.0.2.1",
			"what a visitor says of himself",
		)
		require.Regexp(t, `^127\.`, told["for"])
		require.Empty(t, told["proxy"])
	}

	p.put(snapshot("db-1", 1, database, first, second))
	p.until("use the second web node", func() bool {
		return visitor.get(plain)["name"] == "web-2"
	})

	one.status.Store(http.StatusNotFound)
	p.until("leave alone the one that is to go", func() bool {
		for range 6 {
			if visitor.get(plain)["name"] != "web-2" {
				return false
			}
		}

		return true
	})

	// Its successor has another address.
	p.put(snapshot("db-1", 1, database, webPeer("web-1", n+".32", 2)))
	p.until("use the successor", func() bool {
		return visitor.get(secure)["name"] == "web-2"
	})

	require.Zero(t, p.reloads.Load(), "the process is told so")
	p.serving("db-1")
}
