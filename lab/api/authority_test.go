package api_test

import (
	"crypto/x509"
	"encoding/pem"
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
)

func TestPitfall18LetsEncrypt(t *testing.T) {
	var now atomic.Pointer[time.Time]
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now.Store(&begin)

	clock := func(o *api.Options) {
		o.Now = func() time.Time { return *now.Load() }
	}
	w := newWorld(t, clock)
	ctx := t.Context()
	_, _, err := w.client.Domains.Create(ctx, &godo.DomainCreateRequest{Name: "example.com"})
	require.NoError(t, err)

	until := func(id, want string) *godo.Certificate {
		t.Helper()
		var certificate *godo.Certificate
		w.eventually(want, func() bool {
			got, _, err := w.client.Certificates.Get(ctx, id)
			require.NoError(t, err)
			certificate = got

			return got.State == want
		})

		return certificate
	}

	ask := func(name string, names ...string) *godo.Certificate {
		t.Helper()

		made, answer, err := w.client.Certificates.Create(ctx, &godo.CertificateRequest{
			Name:     name,
			Type:     "lets_encrypt",
			DNSNames: names,
		})
		require.NoError(t, err)
		require.Equal(t, []any{201, "pending"}, []any{answer.StatusCode, made.State})

		return made
	}
	until(ask("stranger", "www.example.org").ID, "error")

	first := until(ask("site", "example.com", "www.example.com").ID, "verified")
	require.Regexp(t, "^[0-9a-f]{40}$", first.SHA1Fingerprint)
	require.Equal(t, "2026-04-01T00:00:00Z", first.NotAfter)

	_, body, _ := w.raw("GET", "/lab/v1/authority", "")
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(body["certificate"].(string))))

	issued := w.store.View().Certificate(first.ID)
	leaf := parseLeaf(t, issued.Leaf)
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots:       roots,
		DNSName:     "www.example.com",
		CurrentTime: begin.Add(time.Minute),
	})
	require.NoError(t, err, "clients that trust the lab's authority trust it")

	balancer, _, err := w.client.LoadBalancers.Create(ctx, &godo.LoadBalancerRequest{
		Name:   "lb",
		Region: "nyc3",
		Tag:    "web",
		ForwardingRules: []godo.ForwardingRule{{
			EntryProtocol:  "https",
			EntryPort:      443,
			TargetProtocol: "http",
			TargetPort:     80,
			CertificateID:  first.ID,
		}},
	})
	require.NoError(t, err)

	_, err = w.client.Certificates.Delete(ctx, first.ID)
	refused(t, err, 403, "Make sure the certificate is not in use before deleting it")

	later := begin.Add(61 * 24 * time.Hour)
	now.Store(&later)
	w.stop()
	w.start(clock)

	w.eventually("renewed", func() bool {
		named, _, err := w.client.Certificates.ListByName(ctx, "site", nil)
		require.NoError(t, err)
		return len(named) == 1 && named[0].ID != first.ID && named[0].NotAfter == "2026-06-01T00:00:00Z"
	})

	named, _, err := w.client.Certificates.ListByName(ctx, "site", nil)
	require.NoError(t, err)

	balancer, _, err = w.client.LoadBalancers.Get(ctx, balancer.ID)
	require.NoError(t, err)

	require.Equal(t,
		named[0].ID,
		balancer.ForwardingRules[0].CertificateID,
		"its load balancers follow",
	)

	for why, sent := range map[string]*godo.CertificateRequest{
		"dns_names are needed": {Name: "a", Type: "lets_encrypt"},
		"no name of a host": {
			Name:     "a",
			Type:     "lets_encrypt",
			DNSNames: []string{"no host"},
		},
		"custom or lets_encrypt": {Name: "a", Type: "other"},
	} {
		_, _, err := w.client.Certificates.Create(ctx, sent)
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
