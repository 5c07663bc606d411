package bootstrap

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/netip"
	"time"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/immutable"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// What the tests of one part reach without a whole node around it.

// AddPending notes the units that must read a template's file.
func (a *Agent) AddPending(template roles.Template) error {
	return a.pending.add(template)
}

// ApplyPending reloads or restarts the units that are pending.
func (a *Agent) ApplyPending(ctx context.Context) error {
	return a.pending.apply(ctx)
}

func (a *Agent) StartServices(ctx context.Context, services ...roles.Service) error {
	return a.pending.start(ctx, services)
}

func (a *Agent) Find(ctx context.Context) error {
	return a.find(ctx)
}

// ServeAs configures and serves as a node of a peer set, without looking for its document.
func (a *Agent) ServeAs(ctx context.Context, role, name string, settings map[string]string, set peerset.Set) error {
	manifest, err := roles.Load(a.Roles, role)
	if err != nil {
		return err
	}

	a.mu.Lock()
	a.manifest, a.set, a.address = manifest, set, "127.0.0.1"
	a.node.Node = name
	a.node.Role = role
	a.node.Settings = settings
	a.mu.Unlock()

	if err := a.apply(ctx, false); err != nil {
		return err
	}

	a.enterPhase(PhaseServing, "")

	return a.serve(ctx)
}

// Among makes the agent one of this peer set, in a stack that is to have these nodes.
func (a *Agent) Among(set peerset.Set, expected map[string][]string) {
	a.set, a.node.Expected = set, expected
}

// KeepsAs makes the agent a node of a role, with this peer set.
func (a *Agent) KeepsAs(node, role string, set peerset.Set) {
	a.set, a.node.Node, a.node.Role = set, node, role
}

// IsNode makes the agent the node of a document.
func (a *Agent) IsNode(document cloudinit.Node) { a.node, a.rights = document, rightsOf(document) }

// TaskLease names the lease of a task in the peer set.
func (a *Agent) TaskLease(task string) string { return a.taskLease(task) }

// Rights are those that the agent knows.
func (a *Agent) Rights() peerset.Rights { return a.rights }

// databaseRights are those of a database role whose leases have the names that older members know.
var databaseRights = peerset.Rights{"db": {Driver: "galera", Leases: map[string]string{
	peerset.LeaseWriter:          peerset.LeaseWriter,
	peerset.LeaseGaleraBootstrap: peerset.LeaseGaleraBootstrap,
	peerset.LeaseGaleraJoin:      peerset.LeaseGaleraJoin,
}}}

// Served makes the agent one that serves, with this peer set.
func (a *Agent) Served(set peerset.Set, node string) {
	a.manifest, a.phase, a.set = &roles.Manifest{}, PhaseServing, set
	a.node.Node = node
	a.node.Role = "db"
	a.rights = databaseRights
	a.node.Incarnation = 1
	a.setStatus(DriverStatus{State: "synced", Healthy: true})
}

// ServedClient makes the agent a client that serves, with this peer set.
func (a *Agent) ServedClient(set peerset.Set, node string, rejoin func(context.Context) error) {
	a.Served(set, node)
	a.manifest, a.rejoin = &roles.Manifest{Peers: roles.Client}, rejoin
}

func (a *Agent) HealthHandler() http.Handler {
	return a.healthHandler()
}

func (a *Agent) ReportedFacts() map[string]string {
	return a.reportedFacts()
}

func (a *Agent) LocalHandler() http.Handler {
	return a.localHandler()
}

func (a *Agent) UnhealthyCode() int {
	return a.unhealthyCode()
}

func (a *Agent) RecordRefusal(refusal peerset.Refusal) {
	a.recordRefusal(refusal)
}

// Check checks a text as a node with this secret.
func (a *Agent) Check(ctx context.Context, secret report.Secret, checker []string, text string) error {
	a.node.Secrets = map[string]report.Secret{"password": secret}
	template := roles.Template{Path: "/etc/checked", Check: checker}

	return a.checkText(ctx, template, []byte(text), 0o600)
}

// NotifyWatchdog notifies systemd's watchdog until ctx ends.
func (a *Agent) NotifyWatchdog(ctx context.Context) {
	a.notifyWatchdog(ctx)
}

// Beat sets when the last heartbeat was begun.
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

// Applied sets what the last round of templates ended with.
func (a *Agent) Applied(err error) { a.applied = err }

func (a *Agent) Note(kind, text string) {
	a.note(kind, text)
}

// UseEvents makes the agent one of this peer set's events.
func (a *Agent) UseEvents(events peerset.Events) {
	a.events.use(events)
}

// SendEvents gives the agent's events to this peer set, until ctx ends.
func (a *Agent) SendEvents(ctx context.Context, events peerset.Events) {
	a.events.use(events)
	a.events.send(ctx)
}

// RememberEvents remembers these events until ctx ends.
func (a *Agent) RememberEvents(ctx context.Context, events peerset.Events) {
	a.events.use(events)
	a.events.remember(ctx, a.set)
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

// Notifier is an agent's notifier of changes; stop ends its work.
func Notifier(send func(ctx context.Context, member string)) (notify func(context.Context, []string), stop func()) {
	n := newNotifier(send)
	return n.notify, n.stop
}

// JoiningSet is the peer set of a node on its way into consensus; enter makes it the member's own.
func JoiningSet(outside view) (set peerset.Set, enter func(view)) {
	j := newJoiningSet(outside, databaseRights)
	return j, j.enter
}

// Relay passes changes on to a joining set until ctx ends.
func Relay(ctx context.Context, set peerset.Set, outside peerset.Set) {
	set.(*joiningSet).relay(ctx, outside)
}

// SweepRound is the addresses of a subnet that one round of a sweep dials.
func SweepRound(own, network string, round int) []netip.Addr {
	return sweepRound(netip.MustParseAddr(own), netip.MustParsePrefix(network), round)
}

// Nearest is the addresses of a subnet at which a node of the stack most likely is.
func Nearest(own, network string) []netip.Addr {
	return nearest(netip.MustParseAddr(own), netip.MustParsePrefix(network))
}

// Sweep dials addresses until met, which gets the node and where it answered, returns true. It tells whether met did,
// and whether somebody was too busy to say who it is.
func Sweep(
	ctx context.Context,
	config *tls.Config,
	from string,
	port int,
	addresses []netip.Addr,
	met func(node, address string) bool,
) (over, slow bool) {
	s := &sweeper{
		tls:  config,
		from: from,
		port: port,
	}

	over = s.sweep(ctx, addresses, func(_ context.Context, seen sighting) bool {
		return met(seen.name.Node, seen.address)
	})

	return over, s.slow.Load()
}

// Join joins the peer set, and does what follows of it until ctx ends.
func (a *Agent) Join(ctx context.Context) {
	if err := a.join(ctx); err == nil {
		<-ctx.Done()
	}

	a.work.Wait()
}

// JoinsAs is the kind of peer as which the agent asks to be let in.
func (a *Agent) JoinsAs() string { return a.joining().Kind }

// Placed makes the agent a member with this document, on a Droplet at this address.
func (a *Agent) Placed(node cloudinit.Node, droplet int, address, network string) {
	a.node, a.droplet, a.address, a.network = node, droplet, address, network
	a.manifest = &roles.Manifest{Peers: roles.Member}
	a.origin.First = time.Now()
}

// FindEntry looks for a way into the peer set, and tells whether the agent is to found it.
func (a *Agent) FindEntry(ctx context.Context) (peerset.Welcome, bool, error) {
	config, err := a.memberTLS()
	if err != nil {
		return peerset.Welcome{}, false, err
	}

	client := api.NewClient(config, a.address, roles.AgentPort, a.candidates(peerset.Snapshot{}))
	welcome, err := a.findEntry(ctx, entry{tls: config, client: client})

	return welcome, a.founding, err
}

// ServeAPI serves the agents' API until ctx ends.
func (a *Agent) ServeAPI(ctx context.Context, registry peerset.Registry) error {
	return a.serveAPI(ctx, registry)
}

// ServedBy makes the agent one that serves what a manifest says, in no peer set.
func (a *Agent) ServedBy(manifest *roles.Manifest) {
	a.manifest, a.phase = manifest, PhaseServing
	a.setStatus(DriverStatus{State: "serving", Healthy: true})
}

// KeepChecking runs the first of the manifest's health checks.
func (a *Agent) KeepChecking(ctx context.Context) {
	a.keepChecking(ctx, a.manifest.Checks()[0])
}

// ExpiryNotices returns what tells, for a moment, whether the end of a certificate is told of then.
func ExpiryNotices(ends time.Time) func(now time.Time) bool {
	told := map[string]time.Duration{}

	return func(now time.Time) bool {
		return len(dueNotices([]expiring{{stackAuthority, ends}}, told, now)) > 0
	}
}

// At gives the agent its address.
func (a *Agent) At(address string) {
	a.address = address
}

// ServeHealth serves the health port until ctx ends.
func (a *Agent) ServeHealth(ctx context.Context) error {
	return a.serveHealth(ctx, a.address)
}

// ServeMetricsPort serves the metrics with a certificate until ctx ends.
func (a *Agent) ServeMetricsPort(ctx context.Context, stack string, identity cloudinit.TLS) error {
	a.node.Stack, a.node.TLS = stack, identity

	return a.serveMetricsPort(ctx)
}

// FailLooks makes every look at a file that the agent wrote ask a fault first.
func (a *Agent) FailLooks(faults immutable.Faults) {
	a.files.mu.Lock()
	defer a.files.mu.Unlock()

	a.files.faults = faults
}

// WallPeers tells, after one snapshot and the next, whom the walls take for nodes.
func WallPeers() (after func(peers []peerset.Peer, now time.Time) []peerset.Peer) {
	return new(wallPeers).of
}

// KeepWalls has the walls of a role's node follow a peer set until ctx ends.
func (a *Agent) KeepWalls(ctx context.Context, role string, set peerset.Set) {
	manifest, err := roles.Load(a.Roles, role)
	if err != nil {
		panic(err)
	}

	a.mu.Lock()
	a.manifest, a.node.Role, a.network = manifest, role, "10.1.0.0/24"
	a.node.Settings = map[string]string{"pay": "https://pay.example.org:8443/v2"}
	a.mu.Unlock()

	a.keepWalls(ctx, set)
}

// ServesAt makes the agent one that serves at these ports.
func (a *Agent) ServesAt(ports ...int) {
	a.manifest, a.phase = &roles.Manifest{}, PhaseServing

	for _, port := range ports {
		a.manifest.Serves = append(a.manifest.Serves, roles.Serve{Port: port})
	}

	a.setStatus(DriverStatus{State: "serving", Healthy: true})
}
