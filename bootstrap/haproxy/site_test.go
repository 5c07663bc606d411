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

func TestTheSiteAtTheReservedIP(t *testing.T) {
	n := newNetwork()
	newGreeter(t, "db-1", n+".1")

	one := newWebNode(t, "web-1", n+".31")
	newWebNode(t, "web-2", n+".32")

	web := func(name, address string, incarnation int) peerset.Peer {
		return peerset.Peer{
			Name:        name,
			Role:        "web",
			Address:     address,
			Incarnation: incarnation,
			Healthy:     true,
			Alive:       true,
		}
	}

	ca, err := pki.NewCA("test")
	require.NoError(t, err)

	pair, err := ca.IssueSite("test", "www.example.org")
	require.NoError(t, err)

	database := database("db-1", n+".1", 1)
	start := snapshot("db-1", 1, database, web("web-1", n+".31", 1))
	p := newProxyWith(t, n, []string{"db-1"}, start, func(p *proxy) {
		p.facts.Anchor = n + ".22"
		p.facts.Settings = map[string]string{"reserved_ip.address": "203.0.113.9"}
		p.facts.Expected["web"] = []string{"web-1", "web-2"}

		require.NoError(t, os.WriteFile(
			p.path("site.pem"),
			[]byte(pair.Certificate+"\n"+pair.Key.Reveal()),
			0o600,
		))
	})
	p.serving("db-1")

	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(ca.Certificate)))

	client := &http.Client{
		Timeout: time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: "www.example.org"},
		},
	}

	get := func(url string) map[string]string {
		request, err := http.NewRequest(http.MethodGet, url, nil)
		require.NoError(t, err)
		request.Header.Set("X-Forwarded-For", "192.0.2.1")
		request.Header.Set("X-Forwarded-Proto", "gopher")
		request.Header.Set("Proxy", "192.0.2.1:1")

		response, err := client.Do(request)
		if err != nil {
			return map[string]string{"err": err.Error()}
		}
		defer response.Body.Close()

		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)

		told := map[string]string{}
		if json.Unmarshal(text, &told) != nil {
			told["err"] = response.Status
		}

		return told
	}

	plain, secure := "http://"+n+".22:8080/", "https://"+n+".22:8443/"
	p.until("serve the site", func() bool {
		return get(plain)["name"] == "web-1"
	})

	for url, proto := range map[string]string{plain: "http", secure: "https"} {
		told := get(url)
		require.Equal(t, proto, told["proto"], "%v", told)
		require.NotContains(t, told["for"], "192.0.2.1", "what a visitor says of himself")
		require.Regexp(t, `^127\.`, told["for"])
		require.Empty(t, told["proxy"])
	}

	p.put(snapshot(
		"db-1",
		1,
		database,
		web("web-1", n+".31", 1),
		web("web-2", n+".32", 1),
	))

	p.until("use the second web node", func() bool {
		return get(plain)["name"] == "web-2"
	})
	one.status.Store(http.StatusNotFound)

	p.until("leave alone the one that is to go", func() bool {
		for range 6 {
			if get(plain)["name"] != "web-2" {
				return false
			}
		}

		return true
	})

	// Its successor has another address.
	p.put(snapshot("db-1", 1, database, web("web-1", n+".32", 2)))
	p.until("use the successor", func() bool {
		return get(secure)["name"] == "web-2"
	})
	require.Zero(t, p.reloads.Load(), "the process is told so")
	p.serving("db-1")
}
