package api_test

import (
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

// secureRule is a rule for HTTPS with a certificate.
func secureRule(certificate string) []godo.ForwardingRule {
	return []godo.ForwardingRule{{
		EntryProtocol:  "https",
		EntryPort:      443,
		TargetProtocol: "http",
		TargetPort:     80,
		CertificateID:  certificate,
	}}
}

// addresses are the A records of a domain, by name.
func (w *world) addresses(domain string) map[string]string {
	w.t.Helper()

	page := &godo.ListOptions{PerPage: 200}
	all, _, err := w.Domains.Records(w.t.Context(), domain, page)
	require.NoError(w.t, err)

	found := map[string]string{}

	for _, record := range all {
		if record.Type == "A" {
			found[record.Name] = record.Data
		}
	}

	return found
}

func TestNamesOfACertificateLeadToItsLoadBalancer(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()

	_, _, err := w.Domains.Create(ctx, &godo.DomainCreateRequest{
		Name:      "shop.example",
		IPAddress: "203.0.113.9",
	})
	require.NoError(t, err)

	issued := func(name string, names ...string) string {
		asked := w.askCertificate(name, names...)
		return w.certificateUntil(asked.ID, "verified").ID
	}

	quiet := balancerRequest()
	quiet.Name = "quiet"
	quiet.ForwardingRules = secureRule(issued("quiet", "quiet.shop.example"))
	quiet.DisableLetsEncryptDNSRecords = godo.PtrTo(true)
	w.balancer(quiet)

	none := map[string]string{"@": "203.0.113.9"}
	require.Equal(t, none, w.addresses("shop.example"), "none when it is told not to")

	ask := balancerRequest()
	ask.ForwardingRules = secureRule(issued("site", "shop.example", "www.shop.example", "*.api.shop.example"))
	made := w.balancer(ask)

	added := map[string]string{
		"@":     "203.0.113.9",
		"www":   made.IP,
		"*.api": made.IP,
	}
	require.Equal(t, added, w.addresses("shop.example"), "what is there is left alone")

	more := secureRule(issued("more", "more.shop.example"))[0]
	more.EntryPort = 8443

	_, err = w.LoadBalancers.AddForwardingRules(ctx, made.ID, more)
	require.NoError(t, err)
	require.Equal(t, made.IP, w.addresses("shop.example")["more"])
}
