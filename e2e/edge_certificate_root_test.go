//go:build root

package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	edgedDomain = "edged.test"
	// longestOrder is how long a certificate may take that is asked for while the stack starts: the first try may come
	// before the address is held, and the next one is a minute later.
	longestOrder = 3 * time.Minute
)

// authority is the lab's server of ACME, as stack.yaml names it.
type authority struct {
	url      string // its directory, for this computer
	inside   string // the same, for Droplets
	vouching string // PEM: who vouches for the directory's host
}

// findAuthority asks the lab.
func (e *edged) findAuthority() authority {
	e.t.Helper()

	var status struct {
		URL    string `json:"acme_url"`
		Inside string `json:"acme_droplet_url"`
	}

	out := e.must("lab", "status", "--json", "--name", e.lab)
	require.NoError(e.t, json.Unmarshal([]byte(out), &status), out)

	var answer struct{ Certificate string }
	e.call(http.StatusOK, "GET", "/lab/v1/authority", nil, &answer)

	return authority{
		url:      status.URL,
		inside:   status.Inside,
		vouching: answer.Certificate,
	}
}

// key is the authority's part of stack.yaml.
func (a authority) key() string {
	pem := strings.ReplaceAll(strings.TrimSpace(a.vouching), "\n", "\n    ")

	return fmt.Sprintf(
		"\nacme:\n  email: admin@example.org\n  directory: %s\n  authority: |\n    %s\n",
		a.inside,
		pem,
	)
}

// roots are those who trust what the authority issues.
func (e *edged) roots(a authority) *x509.CertPool {
	e.t.Helper()

	vouching := x509.NewCertPool()
	require.True(e.t, vouching.AppendCertsFromPEM([]byte(a.vouching)))

	client := &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: vouching}},
	}

	root, err := url.Parse(a.url)
	require.NoError(e.t, err)

	root.Path = "/roots/0"

	response, err := client.Get(root.String())
	require.NoError(e.t, err)
	defer response.Body.Close()

	text, err := io.ReadAll(response.Body)
	require.NoError(e.t, err)

	pool := x509.NewCertPool()
	require.True(e.t, pool.AppendCertsFromPEM(text), string(text))

	return pool
}

// nameTheAddress has the account's domain lead to the stack, as its owner would before he asks for a certificate.
func (e *edged) nameTheAddress() {
	e.t.Helper()

	const domains = "/v2/domains"
	const own = domains + "/" + edgedDomain

	made := map[string]any{
		"name":       edgedDomain,
		"ip_address": e.reserved,
	}
	e.call(http.StatusCreated, "POST", domains, made, nil)

	e.t.Cleanup(func() {
		e.call(http.StatusNoContent, "DELETE", own, nil, nil)
	})

	alias := map[string]any{
		"type": "CNAME",
		"name": "www",
		"data": "@",
		"ttl":  60,
	}
	e.call(http.StatusCreated, "POST", own+"/records", alias, nil)
}

// shownAt is the certificate that an address shows for the first site, to who trusts the authority alone.
func (e *edged) shownAt(address string) (*x509.Certificate, error) {
	dialer := &net.Dialer{Timeout: 2 * time.Second}

	config := &tls.Config{
		ServerName: "www." + edgedDomain,
		RootCAs:    e.first,
	}

	connection, err := tls.DialWithDialer(
		dialer,
		"tcp",
		net.JoinHostPort(address, "443"),
		config,
	)
	if err != nil {
		return nil, err
	}
	defer connection.Close()

	return connection.ConnectionState().PeerCertificates[0], nil
}

// edges are the addresses of the edge's nodes.
func (e *edged) edges() (addresses []string) {
	e.t.Helper()

	for _, n := range e.nodes() {
		if n.Role == "edge" {
			addresses = append(addresses, n.Addresses.Public)
		}
	}

	require.Len(e.t, addresses, 2)

	return addresses
}

// redirectsAt wants an address to send who comes by http to https.
func (e *edged) redirectsAt(address string) error {
	request, err := http.NewRequest(http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return err
	}

	request.Host = "www." + edgedDomain

	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()

	if response.StatusCode != http.StatusPermanentRedirect {
		return &unexpectedAnswer{status: response.Status}
	}

	return nil
}

// untilCertified waits until both nodes of the edge show a certificate of the authority, for both names of the site.
func (e *edged) untilCertified() {
	e.t.Helper()

	began := time.Now()
	addresses := e.edges()

	certified := func(c *assert.CollectT) {
		for _, address := range addresses {
			_, err := e.shownAt(address)
			require.NoError(c, err, address)

			err = e.redirectsAt(address)
			require.NoError(c, err, address)
		}
	}

	require.EventuallyWithT(
		e.t,
		certified,
		longestOrder,
		time.Second,
		"both nodes of the edge show a certificate of the authority, and redirect to https",
	)

	e.t.Logf("certificate of the authority shown %.1f s after the launch", time.Since(began).Seconds())

	var err error
	e.certificate, err = e.shownAt(e.reserved)
	require.NoError(e.t, err)
	require.ElementsMatch(e.t, []string{"www." + edgedDomain, edgedDomain}, e.certificate.DNSNames)

	e.showTheSame()
	e.tellOfIt()
}

// showsTheSame wants an address to show the certificate that was got: another would be paid for once more.
func (e *edged) showsTheSame(address string) error {
	shown, err := e.shownAt(address)
	if err == nil && shown.SerialNumber.Cmp(e.certificate.SerialNumber) != 0 {
		err = fmt.Errorf("another certificate: %s", shown.SerialNumber)
	}

	return err
}

// showTheSame waits until all nodes of the edge show that certificate, whatever became of who ordered it.
func (e *edged) showTheSame() {
	e.t.Helper()

	addresses := append(e.edges(), e.reserved)

	same := func(c *assert.CollectT) {
		for _, address := range addresses {
			err := e.showsTheSame(address)
			require.NoError(c, err, address)
		}
	}

	require.EventuallyWithT(
		e.t,
		same,
		30*time.Second,
		time.Second,
		"all nodes of the edge show the certificate that was got",
	)
}

// tellOfIt wants the operator to hear when it ends, and that both nodes show it.
func (e *edged) tellOfIt() {
	e.t.Helper()

	ends := e.certificate.NotAfter.UTC().Format(time.DateOnly)
	line := fmt.Sprintf(
		"https://www.%s of role web, by edge-1, edge-2 certificate ends %s, is renewed ",
		edgedDomain,
		ends,
	)
	require.Contains(e.t, inOneLine(e.must("status")), line)

	told := inOneLine(e.must("certificates"))
	require.Equal(e.t, 2, strings.Count(told, " "+ends+" "), told)
	require.Equal(e.t, 2, strings.Count(told, " yes "), told)
}

// inOneLine is a text without its columns and lines.
func inOneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
