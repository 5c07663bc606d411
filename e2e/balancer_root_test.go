//go:build root

package e2e_test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// changeWithin is how long an up may take to change a load balancer: it comes before all nodes.
const changeWithin = 60 * time.Second

// theBalancerChanges rotates the site's certificate, then moves HTTPS to another port, while clients ask by HTTP and
// HTTPS.
func theBalancerChanges(t *testing.T, s *stack) {
	site, err := url.Parse(s.address)
	require.NoError(t, err)

	usual := net.JoinHostPort(site.Hostname(), "443")
	moved := net.JoinHostPort(site.Hostname(), "8443")

	s.must("secrets", "rotate", "site.certificate")
	s.bringsAbout(s.siteCertificate(), usual, s.address, "https://"+usual+"/")

	t.Cleanup(func() {
		s.editFile("https: 8443", "https: 443")
		s.must("up", soak, "--yes")
	})
	s.editFile("https: 443", "https: 8443")

	// Who asks at the port that goes is not answered any more.
	s.bringsAbout(s.siteCertificate(), moved, s.address)
	require.Error(t, secured("https://"+usual+"/"))
}

// bringsAbout runs up while clients ask for pages, until a certificate is served at an address.
func (s *stack) bringsAbout(certificate, at string, pages ...string) {
	s.t.Helper()
	before := s.balancers()

	var loads []func() (int, []string)
	for _, page := range pages {
		loads = append(loads, repeat(s.t, func() error {
			return secured(page)
		}))
	}

	type result struct {
		out string
		err error
	}

	// Proxies have the certificate, too, and are replaced for it: that comes after what is looked at here.
	done := make(chan result, 1)
	go func() {
		out, err := s.try("up", soak, "--yes")
		done <- result{out, err}
	}()

	require.Eventually(s.t,
		func() bool {
			return served(at) == certificate
		},
		changeWithin,
		100*time.Millisecond,
		"the new certificate at "+at,
	)
	time.Sleep(2 * time.Second) // of requests to what is new

	for i, stop := range loads {
		asked, failed := stop()
		s.t.Logf("%s: %d requests, %d failed", pages[i], asked, len(failed))
		require.Empty(s.t, failed, pages[i])
	}

	r := <-done
	require.NoError(s.t, r.err, r.out)
	require.Contains(s.t, s.must("plan"), "Nothing to do")
	require.Equal(s.t, before, s.balancers(), "it is the same, at the same address")
	require.Len(s.t, s.certificates(), 1, "the old one is gone")
}

// secured asks for a page, and takes the stack's own certificate.
func secured(page string) error {
	response, err := browser().Get(page)
	if err != nil {
		return err
	}
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = &unexpectedAnswer{response.Status, string(body)}
	}

	return err
}

// served is the SHA-256 of the certificate that is served at an address; "" when none is.
func served(at string) string {
	dialer := &net.Dialer{
		Timeout: 2 * time.Second,
	}

	connection, err := tls.DialWithDialer(dialer, "tcp", at, &tls.Config{
		InsecureSkipVerify: true,
	})
	if err != nil {
		return ""
	}
	defer connection.Close()

	sum := sha256.Sum256(connection.ConnectionState().PeerCertificates[0].Raw)

	return hex.EncodeToString(sum[:])
}

// siteCertificate is the SHA-256 of the certificate in the secrets file.
func (s *stack) siteCertificate() string {
	s.t.Helper()

	block, _ := pem.Decode([]byte(s.must("secrets", "show", "site.certificate")))
	require.NotNil(s.t, block)
	sum := sha256.Sum256(block.Bytes)

	return hex.EncodeToString(sum[:])
}

// accountBalancer is a load balancer of the account.
type accountBalancer struct {
	ID string
	IP string
}

func (s *stack) balancers() []accountBalancer {
	s.t.Helper()

	var all struct {
		LoadBalancers []accountBalancer `json:"load_balancers"`
	}
	s.call(http.StatusOK, "GET", "/v2/load_balancers?per_page=200", nil, &all)

	return all.LoadBalancers
}

// certificates are the names of those of the account.
func (s *stack) certificates() []string {
	s.t.Helper()

	var all struct {
		Certificates []struct {
			Name string
		}
	}
	s.call(http.StatusOK, "GET", "/v2/certificates?per_page=200", nil, &all)

	var names []string
	for _, one := range all.Certificates {
		names = append(names, one.Name)
	}

	return names
}

// editFile changes the stack's file.
func (s *stack) editFile(from, to string) {
	s.t.Helper()

	text, err := os.ReadFile(s.file)
	require.NoError(s.t, err)
	require.Contains(s.t, string(text), from)

	changed := strings.Replace(string(text), from, to, 1)
	require.NoError(s.t, os.WriteFile(s.file, []byte(changed), 0o600))
}
