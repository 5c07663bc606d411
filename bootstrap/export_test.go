package bootstrap

import (
	"context"
	"net/http"
	"time"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// What the tests of one part reach without a whole node around it.

func (a *Agent) Owe(template roles.Template) error {
	return a.owe(template)
}

func (a *Agent) Settle(ctx context.Context) error {
	return a.settle(ctx)
}

func (a *Agent) StartServices(ctx context.Context, services ...roles.Service) error {
	a.manifest = &roles.Manifest{Services: services}
	return a.startServices(ctx)
}

func (a *Agent) Find(ctx context.Context) error {
	return a.find(ctx)
}

// Among makes the agent one of this peer set, in a stack that is to have these nodes.
func (a *Agent) Among(set peerset.Set, expected map[string][]string) {
	a.set, a.node.Expected = set, expected
}

func (a *Agent) HealthHandler() http.Handler {
	return a.healthHandler()
}

func (a *Agent) RefuseStranger(refusal peerset.Refusal) {
	a.refuseStranger(refusal)
}

// Served makes the agent one that serves, with this peer set.
func (a *Agent) Served(set peerset.Set, node string) {
	a.manifest, a.phase, a.set = &roles.Manifest{}, PhaseServing, set
	a.node.Node = node
	a.node.Role = "db"
	a.node.Incarnation = 1
	a.say(Word{State: "synced", Healthy: true})
}

// Check checks a text as a node with this secret.
func (a *Agent) Check(ctx context.Context, secret report.Secret, checker []string, text string) error {
	a.node.Secrets = map[string]report.Secret{"password": secret}
	return a.checkText(ctx,
		roles.Template{Path: "/etc/checked", Check: checker},
		[]byte(text),
		0o600,
	)
}

// ServedClient makes the agent a client that serves, with this peer set.
func (a *Agent) ServedClient(set peerset.Set, node string, rejoin func(context.Context) error) {
	a.Served(set, node)
	a.manifest, a.rejoin = &roles.Manifest{Peers: roles.Client}, rejoin
}

// KeepWatched tells systemd's watchdog until ctx ends.
func (a *Agent) KeepWatched(ctx context.Context) {
	a.keepWatched(ctx)
}

// Beat says when the last heartbeat was begun.
func (a *Agent) Beat(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()

	a.beat = at
}

// Stuck holds the agent's lock until it is released.
func (a *Agent) Stuck() (release func()) {
	a.mu.Lock()
	return a.mu.Unlock
}

func (a *Agent) KeepReporting(ctx context.Context) {
	a.keepReporting(ctx)
}

func (a *Agent) Attempt(ctx context.Context, task roles.Task, lease peerset.Lease) bool {
	return a.attempt(ctx, task, lease)
}

// Applied is what a round of templates ended with.
func (a *Agent) Applied(err error) { a.applied = err }

// Noted runs the agent's events against these, until ctx ends.
func (a *Agent) Noted(ctx context.Context, events peerset.Events) {
	a.setEvents(events)
	a.keepNoting(ctx)
}

// KeepRecent remembers these events until ctx ends.
func (a *Agent) KeepRecent(ctx context.Context, events peerset.Events) {
	a.setEvents(events)
	a.keepRecent(ctx)
}

func (a *Agent) Note(kind, text string) {
	a.note(kind, text)
}

func (a *Agent) LocalHandler() http.Handler {
	return a.localHandler()
}

// WatchEra runs until ctx ends or the agent leaves, and returns why.
func (a *Agent) WatchEra(
	ctx context.Context,
	client *api.Client,
	member Member,
	remembered peerset.Snapshot,
) error {
	ctx, a.leave = context.WithCancelCause(ctx)
	a.watchEra(ctx, client, member, remembered)
	return context.Cause(ctx)
}

// Couriers are an agent's couriers: tell sends them, and dismiss ends their work.
func Couriers(send func(ctx context.Context, member string)) (tell func(context.Context, []string), dismiss func()) {
	c := &couriers{
		send: send,
		to:   map[string]pause.Bell{},
	}

	return c.tell, c.dismiss
}

// Entrance is the peer set of a node on its way into consensus; enter makes it the member's own.
func Entrance(outside view) (set peerset.Set, enter func(view)) {
	e := newEntrance(outside)
	return e, e.enter
}

// Relay passes changes on to an entrance until ctx ends.
func Relay(ctx context.Context, set peerset.Set, outside peerset.Set) {
	set.(*entrance).relay(ctx, outside)
}
