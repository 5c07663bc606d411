//go:build root

package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/pki"
)

// edgedStack is a small stack of its own in the same lab: it finds the images of the whole stack there, and the whole
// stack is not touched by it. Its second site is of the same role, by another name and certificate.
const edgedStack = `version: 1
name: edged
cloud: lab
region: nyc3

nodes:
  - {name: db, role: db, count: 1}
  - {name: proxy, role: proxy, count: 1}
  - {name: web, role: web, count: 1}
  - {name: edge, role: edge, count: 2}

roles:
  web:
    title: Edged
    admin_user: admin
    admin_email: admin@example.org

sites:
  - {names: [www.edged.test, edged.test], nodes: web, redirect: true, certificate: acme}
  - {names: [second.edged.test], nodes: web, certificate: second}
`

// thirdSite is added while the others are asked for.
const thirdSite = "  - {names: [third.edged.test], nodes: web, certificate: second}\n"

const (
	edgedNodes = 5
	// edgeLosses is how often the machine of the edge's holder is turned off.
	edgeLosses = 3
)

// edged is the small stack with an edge of its own, as its visitors see it.
type edged struct {
	*stack
	first  *x509.CertPool // who trusts the authority that is asked for the first certificate
	second *x509.CertPool // who trusts the authority of the second certificate

	certificate *x509.Certificate // of the first site
	about       string            // what stack.yaml says of address and authority
}

// anEdgeServesTwoSites launches it, loses the machine of the edge's holder, and adds a site.
func anEdgeServesTwoSites(t *testing.T, whole *stack) {
	e := newEdged(t, whole)
	e.launchEdge()

	e.servesTitle("www.edged.test", e.first)
	e.servesTitle("second.edged.test", e.second)
	e.leadsOn("http://www.edged.test/a?b=c", "https://www.edged.test/a?b=c")
	e.leadsOn("https://edged.test/a?b=c", "https://www.edged.test/a?b=c")
	e.refusesOthers()

	var gaps []time.Duration
	for range edgeLosses {
		gaps = append(gaps, e.losesHolder())
	}

	slices.Sort(gaps)
	t.Logf("machine of the edge's holder lost: its sites without an answer for %s, median %s",
		gaps, gaps[len(gaps)/2])

	e.takesASite()
}

func newEdged(t *testing.T, whole *stack) *edged {
	t.Helper()

	// The lab is found by the same settings; stack.yaml and what lies beside it is the small one's own.
	small := *whole.with(t)
	small.folder = t.TempDir()
	small.file = filepath.Join(small.folder, "stack.yaml")
	small.reserved = ""
	small.env = append(slices.Clone(whole.env), "STACK="+small.file)

	return &edged{stack: &small}
}

// launchEdge brings the small stack up, with a reserved IP and a certificate of the operator's.
func (e *edged) launchEdge() {
	e.t.Helper()

	asked := e.findAuthority()
	e.first = e.roots(asked)

	e.write(edgedStack + asked.key())
	e.reserved = lastLine(e.must("reserved-ip", "create"))
	e.about = e.heldByTheEdge() + asked.key()
	e.write(edgedStack + e.about)

	e.t.Cleanup(func() {
		e.must("destroy", "--yes")
		e.call(http.StatusNoContent, "DELETE", "/v2/reserved_ips/"+e.reserved, nil, nil)
	})

	e.given("digitalocean.reserved_ip_token",
		e.must("lab", "token", "--name", e.lab, "--scope", "reserved_ip:update"))
	e.certify()
	e.nameTheAddress()

	began := time.Now()
	e.must("images", "bake")
	e.t.Logf("bake the role edge: %.1f s", time.Since(began).Seconds())

	began = time.Now()
	e.must("up")
	e.t.Logf("launch: %.1f s", time.Since(began).Seconds())

	e.untilAll()
	e.untilCertified()
}

// certify gives the second site, and the third to come, a certificate of an authority that the stack does not know.
func (e *edged) certify() {
	e.t.Helper()

	authority, err := pki.NewCA("elsewhere")
	require.NoError(e.t, err)

	pair, err := authority.IssueSite("elsewhere", "second.edged.test", "third.edged.test")
	require.NoError(e.t, err)

	e.given("site_second.certificate", pair.Certificate)
	e.given("site_second.key", pair.Key.Reveal())

	e.second = x509.NewCertPool()
	require.True(e.t, e.second.AppendCertsFromPEM([]byte(authority.Certificate)))
}

// heldByTheEdge gives the address of both sites to the edge.
func (e *edged) heldByTheEdge() string {
	return fmt.Sprintf("\nreserved_ip: {nodes: edge, address: %s}\n", e.reserved)
}

func (e *edged) write(text string) {
	e.t.Helper()
	require.NoError(e.t, os.WriteFile(e.file, []byte(text), 0o600))
}

// given puts a secret into the stack's file.
func (e *edged) given(name, value string) {
	e.t.Helper()
	out, err := e.tryWith(value, "secrets", "set", name)
	require.NoError(e.t, err, out)
}

// untilAll waits until every node serves and a node of the edge holds the address.
func (e *edged) untilAll() {
	e.t.Helper()

	require.Eventually(e.t, func() bool {
		found, err := e.look()
		held := found.ReservedIP

		return err == nil && len(found.Nodes) == edgedNodes &&
			!slices.ContainsFunc(found.Nodes, func(n node) bool { return !n.Healthy }) &&
			held.Holder != "" && held.AssignedTo == held.Holder
	}, 2*time.Minute, time.Second, "all nodes healthy")
}

// comes is a visitor who finds every name at the reserved IP, and makes a connection for each request.
func (e *edged) comes(trusting *x509.CertPool) *http.Client {
	dialer := &net.Dialer{Timeout: 2 * time.Second}

	return &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{RootCAs: trusting},
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				_, port, _ := net.SplitHostPort(address)
				return dialer.DialContext(ctx, network, net.JoinHostPort(e.reserved, port))
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// servesTitle asks for the front page by a name. The certificate is for that name and of that authority, or the client
// would not have it.
func (e *edged) servesTitle(name string, trusting *x509.CertPool) {
	e.t.Helper()

	response, err := e.comes(trusting).Get("https://" + name + "/")
	require.NoError(e.t, err)
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	require.NoError(e.t, err)
	require.Equal(e.t, http.StatusOK, response.StatusCode, string(body))
	require.Contains(e.t, string(body), "<title>Edged</title>")
	require.Contains(e.t, string(body), "https://"+name, "links are to the address that was asked for")
}

func (e *edged) leadsOn(from, to string) {
	e.t.Helper()

	response, err := e.comes(e.first).Get(from)
	require.NoError(e.t, err)
	response.Body.Close()
	require.Equal(e.t, http.StatusPermanentRedirect, response.StatusCode)
	require.Equal(e.t, to, response.Header.Get("Location"))
}

// refusesOthers asks by a name that is no site's, and for a site with the wrong authority.
func (e *edged) refusesOthers() {
	e.t.Helper()

	response, err := e.comes(e.first).Get("http://other.edged.test/")
	require.NoError(e.t, err)
	response.Body.Close()
	require.Equal(e.t, http.StatusMisdirectedRequest, response.StatusCode)

	_, err = e.comes(e.first).Get("https://other.edged.test/")
	require.ErrorContains(e.t, err, "unrecognized name")

	_, err = e.comes(e.first).Get("https://second.edged.test/")
	require.ErrorContains(e.t, err, "unknown authority")
}

// asked is a request for a site, when it began and when it ended.
type asked struct {
	began, ended time.Time
	err          error
}

// asks asks for a site twenty times a second, each time over a connection of its own, until stop is called.
func (e *edged) asks(name string, trusting *x509.CertPool) (stop func() []asked) {
	ctx, cancel := context.WithCancel(context.Background())
	e.t.Cleanup(cancel)

	var all []asked
	var mu sync.Mutex
	var running sync.WaitGroup

	ask := func() {
		one := asked{began: time.Now()}
		response, err := e.comes(trusting).Get("https://" + name + "/wp-includes/images/blank.gif")

		if err == nil {
			response.Body.Close()

			if response.StatusCode != http.StatusOK {
				err = &unexpectedAnswer{status: response.Status}
			}
		}

		one.ended = time.Now()
		one.err = err

		mu.Lock()
		defer mu.Unlock()

		all = append(all, one)
	}

	running.Go(func() {
		ticks := time.NewTicker(50 * time.Millisecond)
		defer ticks.Stop()

		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
				// Those that hang hold nobody up.
				running.Go(ask)
			}
		}
	})

	return func() []asked {
		cancel()
		running.Wait()

		return all
	}
}

// gapOf is the longest time between two answers. No request may fail that began after it, or ended before it: those in
// it were on their way to the lost node.
func (e *edged) gapOf(all []asked) time.Duration {
	e.t.Helper()
	last, next := longestGapOf(all)

	for _, one := range all {
		if one.err != nil {
			within := one.ended.After(last) && one.began.Before(next)
			require.True(e.t, within, "a request of %s to %s, where no answer came from %s to %s: %v",
				wallTime(one.began), wallTime(one.ended), wallTime(last), wallTime(next), one.err)
		}
	}

	return next.Sub(last).Round(time.Millisecond)
}

func wallTime(moment time.Time) string { return moment.UTC().Format("15:04:05.000") }

// losesHolder turns the machine off that holds the address, and on again.
func (e *edged) losesHolder() time.Duration {
	e.t.Helper()

	holder := e.heldBy("")
	id := e.nodes()[holder].DropletID
	stop := e.asks("www.edged.test", e.first)

	require.Equal(e.t, http.StatusCreated, e.power(id, "power_off"))

	e.heldBy(holder)
	e.servesTitle("www.edged.test", e.first)
	e.servesTitle("second.edged.test", e.second)
	require.NoError(e.t, e.showsTheSame(e.reserved))

	gap := e.gapOf(stop())
	require.Less(e.t, gap, longestMove)

	require.Equal(e.t, http.StatusCreated, e.power(id, "power_on"))
	e.untilAll()
	e.showTheSame()

	return gap
}

// takesASite adds a site by stack.yaml, while the others are asked for: the edge's nodes are replaced one after the
// other, and hand the address over.
func (e *edged) takesASite() {
	e.t.Helper()

	visited := map[string]func() []asked{
		"www.edged.test":    e.asks("www.edged.test", e.first),
		"second.edged.test": e.asks("second.edged.test", e.second),
	}

	e.write(edgedStack + thirdSite + e.about)
	began := time.Now()
	e.must("up", "--yes")
	e.t.Logf("a site more: %.1f s", time.Since(began).Seconds())

	e.servesTitle("third.edged.test", e.second)

	for name, stop := range visited {
		all := stop()
		failed := slices.DeleteFunc(slices.Clone(all), func(a asked) bool { return a.err == nil })
		e.t.Logf("%s: %d requests meanwhile, %d failed", name, len(all), len(failed))

		// The address moves from one to the other, and what is on its way then may be lost.
		last, next := longestGapOf(all)
		e.t.Logf("%s: %s without an answer", name, next.Sub(last).Round(time.Millisecond))
		require.Less(e.t, next.Sub(last), longestHandOver, name)
	}

	require.Contains(e.t, e.must("plan"), "Nothing to do")
	require.Contains(e.t, inOneLine(e.must("status")), "third.edged.test")
	e.showTheSame()
	e.tellOfIt()
}

// longestGapOf finds the two answers with the longest time between them.
func longestGapOf(all []asked) (last, next time.Time) {
	var ends []time.Time
	for _, one := range all {
		if one.err == nil {
			ends = append(ends, one.ended)
		}
	}

	slices.SortFunc(ends, time.Time.Compare)

	for at := 1; at < len(ends); at++ {
		if ends[at].Sub(ends[at-1]) > next.Sub(last) {
			last, next = ends[at-1], ends[at]
		}
	}

	return last, next
}
