package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/roles"
)

// serve keeps the node true to the peer set, runs its driver and tasks, and says how it is, until ctx ends.
func (a *Agent) serve(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()

	if err := a.startDriver(ctx, &work); err != nil {
		return err
	}

	a.startKeeper(ctx, &work)

	for _, task := range a.manifest.Tasks {
		work.Go(func() { a.runTask(ctx, task) })
	}

	work.Go(func() { a.keepChecking(ctx) })
	work.Go(func() { a.keepReporting(ctx) })
	work.Go(func() { a.keepTrue(ctx) })

	for {
		changed := a.set.Changed()
		var again <-chan time.Time

		if err := a.apply(ctx, true); err != nil && ctx.Err() == nil {
			a.Log.Warn("apply templates", "err", err)
			again = time.After(a.Retry)
		}

		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-again:
		}
	}
}

func (a *Agent) startDriver(ctx context.Context, work *sync.WaitGroup) error {
	if a.manifest.Driver == "" {
		a.say(Word{State: "serving", Healthy: true})
		return nil
	}

	driver, err := a.Drivers[a.manifest.Driver](Env{
		Node:     a.node,
		Address:  a.address,
		Manifest: a.manifest,
		Set:      a.set,
		Facts:    a.facts,
		Say:      a.say,
		Note:     a.note,
		Metrics:  a.Metrics,
		Log:      a.Log,
	})
	if err != nil {
		return err
	}

	a.mu.Lock()
	a.driver = driver
	a.mu.Unlock()

	work.Go(func() {
		if err := driver.Run(ctx); err != nil && ctx.Err() == nil {
			a.Log.Error("driver ended", "driver", a.manifest.Driver, "err", err)
		}
	})

	return nil
}

// say records a driver's word and sends it on at once when it matters.
func (a *Agent) say(word Word) {
	a.mu.Lock()
	defer a.mu.Unlock()

	if a.word.State != word.State || a.word.Healthy != word.Healthy {
		a.Log.Info("state",
			"from", a.word.State,
			"to", word.State,
			"healthy", word.Healthy,
			"reason", word.Reason,
		)
	}

	if a.word.State != word.State {
		a.counted.transitions.Add(1, a.word.State, word.State)
	}

	if a.word.State != word.State || a.word.Healthy != word.Healthy || !maps.Equal(
		a.word.Facts,
		word.Facts,
	) {
		a.news.Ring()
	}

	a.word = word
}

// keepChecking runs the manifest's own health check.
func (a *Agent) keepChecking(ctx context.Context) {
	if a.manifest.Health.URL == "" {
		return
	}

	client := &http.Client{
		Timeout:   checkTimeout,
		Transport: &http.Transport{Proxy: nil},
	}

	for ctx.Err() == nil {
		err := ask(ctx, client, a.manifest.Health)
		a.mu.Lock()
		a.web = check{asked: true, ok: err == nil}
		if err != nil {
			a.web.reason = err.Error()
		}

		a.mu.Unlock()

		select {
		case <-ctx.Done():
		case <-time.After(a.Heartbeat):
		}
	}
}

func ask(ctx context.Context, client *http.Client, health roles.Health) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, health.URL, nil)
	if err != nil {
		return err
	}

	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	defer response.Body.Close()

	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}

	if response.StatusCode != http.StatusOK || !strings.Contains(string(body), health.Expect) {
		return fmt.Errorf(
			"health check: %s: %s answers %s: %.200s",
			health.URL,
			"want "+strconv.Quote(health.Expect),
			response.Status,
			body,
		)
	}

	return nil
}

// keepReporting sends heartbeats.
func (a *Agent) keepReporting(ctx context.Context) {
	for ctx.Err() == nil {
		healthy, _ := a.Health()
		a.mu.Lock()
		a.beat = time.Now()

		report := peerset.Report{
			State:    a.word.State,
			Healthy:  healthy,
			Draining: a.leaving(),
			Facts:    a.factsTold(),
		}

		a.mu.Unlock()

		err := a.set.Report(ctx, report)
		a.counted.reports.Add(1, resultOfReport(err))
		a.reported(ctx, err)

		select {
		case <-ctx.Done():
		case <-a.news:
		case <-time.After(a.Heartbeat):
		}
	}
}

func resultOfReport(err error) string {
	if errors.Is(err, peerset.ErrEvicted) {
		return "evicted"
	}

	return resultOf(err)
}

// Health tells whether the node serves, and why not.
func (a *Agent) Health() (bool, string) {
	a.mu.Lock()
	defer a.mu.Unlock()

	switch {
	case a.phase != PhaseServing:
		return false, a.phase + ": " + a.reason
	case a.cutOff():
		return false, "evicted: " + a.evicted
	case a.entering:
		return false, a.onItsWay()
	case a.truth.image.Quarantine != "":
		return false, "quarantined: " + a.truth.image.Quarantine
	case a.draining:
		return false, "draining"
	case !a.word.Healthy:
		return false, a.word.State + ": " + a.word.Reason
	case a.manifest.Health.URL != "" && !a.web.ok:
		return false, "not checked yet or failing: " + a.web.reason
	}

	return true, a.word.State
}

// leaving tells whether the node gives its work up, by request or in quarantine. The caller holds the mutex.
func (a *Agent) leaving() bool {
	return a.draining || a.truth.image.Quarantine != ""
}

// unfit is the answer of a node that serves nobody new: 404 when it is only draining, so that HAProxy's
// "http-check disable-on-404" lets it finish what it has, and 503 when what it has is to be cut off.
func (a *Agent) unfit() int {
	a.mu.Lock()
	defer a.mu.Unlock()

	if a.leaving() && !a.cutOff() && a.word.Healthy {
		return http.StatusNotFound
	}

	return http.StatusServiceUnavailable
}

// Ready tells whether the node is all that it is to be: healthy, in a peer set that has a quorum, and with
// every template true. Traffic does not ask for as much (Health does): it goes on while the peer set has no
// quorum.
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

func (a *Agent) healthHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		healthy, reason := a.Health()
		if !healthy {
			w.WriteHeader(a.unfit())
		}

		fmt.Fprintln(w, reason)

		if drift := a.imageStatus().DriftFiles; drift > 0 {
			fmt.Fprintf(w,
				"drift: %d files are not as they were baked or written; `hornero-bootstrap drift` lists them\n",
				drift,
			)
		}
	})

	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		ready, reason := a.Ready()
		if !ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}

		fmt.Fprintln(w, reason)
	})

	mux.HandleFunc("GET /metrics", a.serveMetrics)

	return mux
}

// idleTimeout is longer than the pause of anybody who asks regularly.
const idleTimeout = 2 * time.Minute

// again serves until ctx ends: a door that closed by an error opens anew.
func (a *Agent) again(ctx context.Context, what string, serve func(context.Context) error) {
	for ctx.Err() == nil {
		if err := serve(ctx); err != nil && ctx.Err() == nil {
			a.Log.Error("serve "+what, "err", err)
			pause.For(ctx, a.Retry)
		}
	}
}

// serveHealth answers load balancers, HAProxy and Prometheus on the VPC address.
func (a *Agent) serveHealth(ctx context.Context) error {
	host := a.address
	if host == "" {
		host = "127.0.0.1"
	}

	listener := a.listen(ctx, roles.HealthPort, host)
	if listener == nil {
		return nil
	}

	server := &http.Server{
		Handler:           a.healthHandler(),
		ReadHeaderTimeout: checkTimeout,
		IdleTimeout:       idleTimeout,
	}

	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()

	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}

	return nil
}

// listen tries until the port is free; nil when ctx ended first.
func (a *Agent) listen(ctx context.Context, port int, host string) net.Listener {
	// Checks come several times a second, each in a connection of its own, and end with it: none is to be kept alive.
	config := net.ListenConfig{}
	if port == roles.HealthPort {
		config.KeepAlive = -1
	}

	for ctx.Err() == nil {
		listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			return listener
		}

		a.Log.Warn("listen", "port", port, "err", err)

		select {
		case <-ctx.Done():
		case <-time.After(a.Retry):
		}
	}

	return nil
}

func (a *Agent) serveAPI(ctx context.Context, registry peerset.Registry) error {
	config, err := a.peerTLS()
	if err != nil {
		return err
	}

	listener := a.listen(ctx, roles.AgentPort, a.address)
	if listener == nil {
		return nil
	}

	return api.Server{
		Registry: registry,
		Refused:  a.refuseStranger,
		Log:      a.Log,
	}.Serve(ctx,
		listener,
		config,
	)
}
