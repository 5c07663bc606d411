package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/internal/limit"
	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/roles"
)

const (
	// maxHealthAnswer is how much of a health check's answer is read, in bytes.
	maxHealthAnswer = 64 << 10
	// firstTimeout is for a question that is asked at first only.
	firstTimeout = 15 * time.Second
	// maxCheckHeader is the size of a check's header, in bytes; net/http allows 4 KiB more. HAProxy's has under 100.
	maxCheckHeader = 1 << 10
)

// loopback is where what runs on the node asks it.
const loopback = "127.0.0.1"

// checkLimits are numbers of connections. A check takes a millisecond and has one of its own: an address needs as many
// as it has checks that are answered at the same moment.
var checkLimits = limit.Limits{
	Strangers: limit.Bounds{Each: 32, All: 512},
}

// serveChecks are the last results of the manifest's own health checks.
type serveChecks struct {
	mu     sync.Mutex
	failed map[string]string // by address: why; "" for one that passed
}

func (c *serveChecks) set(check roles.Check, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()

	if c.failed == nil {
		c.failed = map[string]string{}
	}

	c.failed[check.URL] = ""
	if err != nil {
		c.failed[check.URL] = err.Error()
	}
}

// failing tells why the first check that did not pass did not; "" when all passed.
func (c *serveChecks) failing(checks []roles.Check) string {
	c.mu.Lock()
	defer c.mu.Unlock()

	for _, check := range checks {
		reason, asked := c.failed[check.URL]

		switch {
		case !asked:
			return "not checked yet: " + check.URL
		case reason != "":
			return reason
		}
	}

	return ""
}

// keepChecking runs one of the manifest's health checks.
func (a *Agent) keepChecking(ctx context.Context, check roles.Check) {
	// No proxy from the environment may answer in the server's place, and a redirect is an answer.
	client := &http.Client{
		Timeout:   firstTimeout,
		Transport: &http.Transport{Proxy: nil},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}

	// What fails everywhere later must not take every node out: the longer question is asked until it passed once.
	for ctx.Err() == nil && check.First != "" {
		first := check
		first.URL = check.First

		err := checkHealth(ctx, client, first)
		a.checks.set(check, err)

		if err == nil {
			break
		}

		pause.For(ctx, check.Interval)
	}

	client.Timeout = checkTimeout

	for ctx.Err() == nil {
		a.checks.set(check, checkHealth(ctx, client, check))
		pause.For(ctx, check.Interval)
	}
}

func checkHealth(ctx context.Context, client *http.Client, check roles.Check) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, check.URL, nil)
	if err != nil {
		return err
	}

	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	defer response.Body.Close()

	body, err := io.ReadAll(io.LimitReader(response.Body, maxHealthAnswer))
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}

	if response.StatusCode != check.Status || !strings.Contains(string(body), check.Text) {
		return fmt.Errorf("health check: %s: want %d %q, answers %s: %.200s",
			check.URL, check.Status, check.Text, response.Status, body)
	}

	return nil
}

// Health tells whether the node serves, and why not.
func (a *Agent) Health() (bool, string) {
	// These take locks of their own, so they come before the agent's mutex.
	cutOff := a.isCutOff()
	quarantine := a.watch.quarantine()

	a.mu.Lock()
	manifest := a.manifest
	a.mu.Unlock()

	failing := ""
	if manifest != nil {
		failing = a.checks.failing(manifest.Checks())
	}

	a.mu.Lock()
	defer a.mu.Unlock()

	switch {
	case a.phase != PhaseServing:
		return false, a.phase + ": " + a.reason
	case cutOff:
		return false, "evicted: " + a.evicted
	case a.entering && a.reason != "":
		return false, "on its way into consensus: " + a.reason
	case a.entering:
		return false, "on its way into consensus"
	case quarantine != "":
		return false, "quarantined: " + quarantine
	case a.draining:
		return false, "draining"
	case !a.status.Healthy:
		return false, a.status.State + ": " + a.status.Reason
	case failing != "":
		return false, failing
	}

	return true, a.status.State
}

// isLeaving tells whether the node gives its work up, by request or in quarantine.
func (a *Agent) isLeaving() bool {
	a.mu.Lock()
	draining := a.draining
	a.mu.Unlock()

	return draining || a.watch.quarantine() != ""
}

// unhealthyCode is the answer of a node that serves nobody new: 404 when it is only draining, so that HAProxy's
// "http-check disable-on-404" lets it finish what it has, and 503 when what it has is to be cut off.
func (a *Agent) unhealthyCode() int {
	leaving, cutOff := a.isLeaving(), a.isCutOff()

	a.mu.Lock()
	defer a.mu.Unlock()

	if leaving && !cutOff && a.status.Healthy {
		return http.StatusNotFound
	}

	return http.StatusServiceUnavailable
}

// Ready tells whether the node is complete: healthy, in a peer set that has a quorum, and with
// every template's file up to date. Traffic does not ask for as much (Health does): it goes on while the peer set
// has no quorum.
func (a *Agent) Ready() (bool, string) {
	if healthy, reason := a.Health(); !healthy {
		return false, reason
	}

	a.mu.Lock()
	set, applied := a.set, a.applied
	a.mu.Unlock()

	if set == nil || !set.Snapshot().Quorum {
		return false, "the peer set has no quorum that this node sees"
	}

	if applied != nil {
		return false, "apply templates: " + applied.Error()
	}

	return true, "ready"
}

// withoutDetails is the first words of a reason, which the code here chose. Addresses, paths and what programs said
// come after them, and are for those who may log in: anybody in the VPC may ask for a node's health.
func withoutDetails(reason string) string {
	words, _, _ := strings.Cut(reason, ":")
	return words
}

func (a *Agent) healthHandler() http.Handler {
	mux := http.NewServeMux()

	mux.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {
		healthy, reason := a.Health()
		a.asked.note(r, healthy)

		if !healthy {
			w.WriteHeader(a.unhealthyCode())
		}

		fmt.Fprintln(w, withoutDetails(reason))
	})

	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		ready, reason := a.Ready()
		if !ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}

		fmt.Fprintln(w, withoutDetails(reason))
	})

	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		// Who asks from elsewhere shows a certificate at the metrics port.
		if !isLocal(r) {
			http.NotFound(w, r)
			return
		}

		a.serveMetrics(w, r)
	})

	return mux
}

// isLocal tells whether a request comes from the node itself, by way of a loopback address.
func isLocal(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)

	return err == nil && from.Addr().IsLoopback()
}

// startAnswering serves who asks how the node is. It may be refused: only one that was read has a certificate.
func (a *Agent) startAnswering(ctx context.Context, read bool) {
	if a.address != "" && a.address != loopback {
		a.work.Go(func() {
			a.keepServing(ctx, "health", func(ctx context.Context) error {
				return a.serveHealth(ctx, a.address)
			})
		})
	}

	// A node that was refused before it knew its address answers here only.
	a.work.Go(func() {
		a.keepServing(ctx, "health on loopback", func(ctx context.Context) error {
			return a.serveHealth(ctx, loopback)
		})
	})

	if read {
		a.work.Go(func() { a.keepServing(ctx, "metrics", a.serveMetricsPort) })
	}
}

// serveHealth answers load balancers and HAProxy on the VPC address, and what runs on the node on loopback.
func (a *Agent) serveHealth(ctx context.Context, host string) error {
	listener := a.listen(ctx, roles.HealthPort, host)
	if listener == nil {
		return nil
	}

	limited := limit.New(listener, checkLimits, api.TooManyAt("the health port", a.recordRefusal))

	return serveChecked(ctx, a.healthHandler(), limited)
}

// serveChecked answers short questions until ctx ends. Each is a connection of its own, and nobody is to hold one.
func serveChecked(ctx context.Context, handler http.Handler, listener net.Listener) error {
	server := &http.Server{
		Handler:           handler,
		MaxHeaderBytes:    maxCheckHeader,
		ReadHeaderTimeout: checkTimeout,
		ReadTimeout:       checkTimeout,
		WriteTimeout:      checkTimeout,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	server.SetKeepAlivesEnabled(false)

	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()

	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}

	return nil
}
