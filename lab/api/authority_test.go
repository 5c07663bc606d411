package api_test

import (
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
)

// begin is when the clock of these tests starts.
var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// clock is the lab's time, which a test sets.
type clock struct{ now atomic.Pointer[time.Time] }

func newClock() *clock {
	c := &clock{}
	c.set(begin)

	return c
}

func (c *clock) set(now time.Time) { c.now.Store(&now) }

func (c *clock) option(o *api.Options) {
	o.Now = func() time.Time { return *c.now.Load() }
}

// askCertificate asks Let's Encrypt for a certificate.
func (w *world) askCertificate(name string, dnsNames ...string) *godo.Certificate {
	w.t.Helper()

	made, answer, err := w.Certificates.Create(w.t.Context(), &godo.CertificateRequest{
		Name:     name,
		Type:     "lets_encrypt",
		DNSNames: dnsNames,
	})
	require.NoError(w.t, err)
	require.Equal(w.t, 201, answer.StatusCode)
	require.Equal(w.t, "pending", made.State)

	return made
}

// certificateUntil waits until a certificate is in a state.
func (w *world) certificateUntil(id, want string) *godo.Certificate {
	w.t.Helper()
	var certificate *godo.Certificate

	w.eventually("certificate "+want, func() bool {
		got, _, err := w.Certificates.Get(w.t.Context(), id)
		require.NoError(w.t, err)
		certificate = got

		return got.State == want
	})

	return certificate
}

func (w *world) domain(name string) {
	w.t.Helper()
	_, _, err := w.Domains.Create(w.t.Context(), &godo.DomainCreateRequest{Name: name})
	require.NoError(w.t, err)
}

func TestPitfall18LetsEncrypt(t *testing.T) {
	w := newWorld(t, newClock().option)
	w.domain("example.com")

	stranger := w.askCertificate("stranger", "www.example.org")
	w.certificateUntil(stranger.ID, "error")

	asked := w.askCertificate("site", "example.com", "www.example.com")
	site := w.certificateUntil(asked.ID, "verified")
	require.Regexp(t, "^[0-9a-f]{40}$", site.SHA1Fingerprint)
	require.Equal(t, "2026-04-01T00:00:00Z", site.NotAfter)

	_, body, _ := w.raw("GET", "/lab/v1/authority", "")
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(body["certificate"].(string))))

	issued := w.store.View().Certificate(site.ID)
	leaf := parseLeaf(t, issued.Leaf)

	_, err := leaf.Verify(x509.VerifyOptions{
		Roots:       roots,
		DNSName:     "www.example.com",
		CurrentTime: begin.Add(time.Minute),
	})
	require.NoError(t, err, "clients that trust the lab's authority trust it")
}

func TestPitfall18Renewal(t *testing.T) {
	clock := newClock()
	w := newWorld(t, clock.option)
	ctx := t.Context()
	w.domain("example.com")

	asked := w.askCertificate("site", "example.com", "www.example.com")
	first := w.certificateUntil(asked.ID, "verified")

	ask := balancerRequest()
	ask.ForwardingRules = secureRule(first.ID)
	balancer, _, err := w.LoadBalancers.Create(ctx, ask)
	require.NoError(t, err)

	_, err = w.Certificates.Delete(ctx, first.ID)
	refused(t, err, 403, "Make sure the certificate is not in use before deleting it")

	clock.set(begin.Add(61 * 24 * time.Hour))
	w.stop()
	w.start(clock.option)

	named := func() []godo.Certificate {
		found, _, err := w.Certificates.ListByName(ctx, "site", nil)
		require.NoError(t, err)

		return found
	}

	w.eventually("renewed", func() bool {
		found := named()
		return len(found) == 1 && found[0].ID != first.ID && found[0].NotAfter == "2026-06-01T00:00:00Z"
	})

	balancer, _, err = w.LoadBalancers.Get(ctx, balancer.ID)
	require.NoError(t, err)

	require.Equal(
		t,
		named()[0].ID,
		balancer.ForwardingRules[0].CertificateID,
		"its load balancers follow",
	)
}

func TestRequestsForCertificatesAreRefused(t *testing.T) {
	w := newWorld(t)

	for why, sent := range map[string]*godo.CertificateRequest{
		"dns_names are needed": {
			Name: "a",
			Type: "lets_encrypt",
		},
		"no name of a host": {
			Name:     "a",
			Type:     "lets_encrypt",
			DNSNames: []string{"no host"},
		},
		"custom or lets_encrypt": {
			Name: "a",
			Type: "other",
		},
	} {
		_, _, err := w.Certificates.Create(t.Context(), sent)
		refused(t, err, 422, why)
	}
}

func parseLeaf(t *testing.T, text string) *x509.Certificate {
	block, _ := pem.Decode([]byte(text))
	require.NotNil(t, block)

	leaf, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)

	return leaf
}

// The lab's own servers are trusted by who trusts its authority, and by the same one after each start.
func TestTheLabsServersAreOfItsAuthority(t *testing.T) {
	w := newWorld(t)
	gateway := netip.MustParseAddr("198.51.100.1")

	for range 2 {
		certificate, err := api.ServerCertificate(w.store, time.Now(), gateway)
		require.NoError(t, err)

		_, body, _ := w.raw("GET", "/lab/v1/authority", "")
		roots := x509.NewCertPool()
		require.True(t, roots.AppendCertsFromPEM([]byte(body["certificate"].(string))))

		_, err = certificate.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "198.51.100.1"})
		require.NoError(t, err)
	}
}
