package haproxy_test

import (
	"crypto/rand"
	"crypto/x509"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/haproxy"
	"github.com/hornero/hornero/internal/derived"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

const (
	renewalSecret = report.Secret("q7Y2mB0cV5xN8zK3aL6dF9gH1jP4rT7wE2uI5oS8vX")
	challenge     = "/.well-known/acme-challenge/"
)

// renewingEdge is an edge whose first site has a certificate that renews itself, and whose second has not.
func renewingEdge(t *testing.T) (*edge, string) {
	t.Helper()

	thumbprint, err := derived.Thumbprint(renewalSecret)
	require.NoError(t, err)

	sites := testSites()
	sites[0].Certificate = roles.RenewedCertificate("www.example.org")

	ca, err := pki.NewCA("test")
	require.NoError(t, err)

	with := func(p *proxy) {
		p.facts.Settings[roles.SettingAccount] = thumbprint
		p.facts.Secrets[roles.SecretRenewal] = renewalSecret

		own := sites[0]
		own.Certificate = "site"
		(&edge{trusting: x509.NewCertPool()}).certify(
			t,
			p,
			own,
		)
	}

	e := newEdgeWith(
		t,
		newNetwork(),
		edgeNode{"edge-1", ".21", ca},
		with,
		sites,
		sitePeer("web-1", "web", "NET.31"),
		sitePeer("shop-1", "shop", "NET.41"),
	)

	newSiteNode(
		t,
		"web-1",
		e.network+".31",
	)
	newSiteNode(
		t,
		"shop-1",
		e.network+".41",
	)

	return e, thumbprint
}

// An authority asks any node of the edge, with a token that nobody was told of, and by http.
func TestAnEdgeAnswersForTheAccountWhateverTheToken(t *testing.T) {
	e, thumbprint := renewingEdge(t)
	client := e.client(true)

	e.answers("serve by http", "http://www.example.org/", from("web-1"))

	for range 1000 {
		token := rand.Text() + "_-"

		for _, name := range []string{"www.example.org", "example.org"} {
			got := get(
				client,
				"http://"+name+challenge+token,
			)
			require.NoError(t, got.err)
			require.Equal(
				t,
				http.StatusOK,
				got.status,
			)
			require.Equal(
				t,
				token+"."+thumbprint,
				got.text,
			)
		}
	}

	token := rand.Text()

	for what, address := range map[string]string{
		"a site whose certificate is given": "http://shop.example.org" + challenge + token,
		"a short token":                     "http://www.example.org" + challenge + "short",
		"another path below":                "http://www.example.org" + challenge + token + "/more",
		"a path above":                      "http://www.example.org/a" + challenge + token,
		"a name of nobody's":                "http://other.example.org" + challenge + token,
		"what is no token":                  "http://www.example.org" + challenge + token + "%0a",
	} {
		got := get(client, address)
		require.NotContains(
			t,
			got.text,
			thumbprint,
			what,
		)
	}
}

// Until there is a certificate browsers must not be told to come by https alone. One reload begins that.
func TestASiteRedirectsOnceItHasACertificate(t *testing.T) {
	e, _ := renewingEdge(t)
	e.answers(
		"serve by http",
		"http://www.example.org/",
		from("web-1"),
	)

	// A master that is still on its way loses the signal for a reload. It answers when it is there.
	e.until("have a master", func() bool {
		_, err := haproxy.Socket{Master: e.path("master.sock")}.Left(t.Context())
		return err == nil
	})

	ca, err := pki.NewCA("authority")
	require.NoError(t, err)

	pair, err := ca.IssueSite(
		"www.example.org",
		"www.example.org",
		"example.org",
	)
	require.NoError(t, err)
	require.True(
		t,
		e.trusting.AppendCertsFromPEM([]byte(ca.Certificate)),
	)

	name := roles.RenewedCertificate("www.example.org")
	sealed, err := derived.Seal(
		renewalSecret,
		name,
		derived.Pack([]byte(pair.Certificate+pair.Key.Reveal())),
	)
	require.NoError(t, err)

	e.facts.Kept = map[string]string{name: sealed}
	e.put(snapshot("", 0,
		sitePeer("web-1", "web", e.network+".31"),
		sitePeer("shop-1", "shop", e.network+".41"),
	))

	e.until("redirect", func() bool {
		// Who came before stays with the process that he came to.
		visitor := e.client(true)
		defer visitor.CloseIdleConnections()

		return get(visitor, "http://www.example.org/").status == http.StatusPermanentRedirect
	})

	got := get(e.client(true), "https://www.example.org/")
	require.NoError(
		t,
		got.err,
		"the reload has read the certificate that was kept",
	)
	require.Equal(
		t,
		"max-age=300",
		got.header.Get("Strict-Transport-Security"),
	)
	require.Equal(
		t,
		int32(1),
		e.reloads.Load(),
	)
}
