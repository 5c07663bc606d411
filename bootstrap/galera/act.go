package galera

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/file"
)

// act does what was decided. Each action can run twice; one that breaks is decided anew.
func (d *Driver) act(ctx context.Context, in Input, action Action) error {
	switch action.Kind {
	case Recover:
		return d.recover(ctx)
	case Bootstrap:
		return d.bootstrap(ctx, action)
	case Conclude:
		return d.conclude(ctx)
	case Reform:
		return d.reform(ctx, action)
	case Join:
		return d.join(ctx, in, action)
	case Stop:
		return d.stop(ctx, action)
	case Serve:
		return d.settle()
	case Watch:
		return d.watch()
	}
	return nil
}

// maxUnread is how many failed recoveries in a row make data unreadable: a dying server may still hold its files.
const maxUnread = 5

func (d *Driver) recover(ctx context.Context) error {
	position, err := d.Data.Recover(ctx)
	if err != nil {
		if d.unread++; ctx.Err() != nil || d.unread < maxUnread {
			return err
		}
	}
	d.unread = 0
	d.update(func(local *Local) {
		local.Position = position
		switch {
		case err != nil:
			local.Content, local.Trouble = ContentUnreadable, err.Error()
		case !position.Named():
			local.Content = ContentBlank
		case !position.Known():
			local.Content = ContentUnreadable
		default:
			local.Content = ContentKnown
		}
	})
	if err != nil {
		return err
	}
	d.Log.Info("recovered the position of a crashed server", "position", position.String())
	return nil
}

// settle forgets earlier trouble: the server serves.
func (d *Driver) settle() error {
	d.update(func(local *Local) { local.Failures, local.Trouble = 0, "" })
	return d.Data.Settle()
}

// watch remembers that a transfer was seen.
func (d *Driver) watch() error {
	if d.Data.Transferring() {
		return d.Data.Begin()
	}
	return nil
}

func (d *Driver) stop(ctx context.Context, action Action) error {
	if time.Since(d.stopping) < d.Times.LeaseTTL {
		return nil
	}
	d.stopping = time.Now()
	d.Log.Info("stop the server", "reason", action.Reason)
	return d.Unit.Stop(ctx)
}

// bootstrap begins a primary component here. The lease is taken, the decision is made again from a snapshot that holds
// everything written before the lease, and written down; only then the server starts.
func (d *Driver) bootstrap(ctx context.Context, decided Action) error {
	return d.under(ctx, peerset.LeaseGaleraBootstrap, func(ctx context.Context, lease peerset.Lease) error {
		action := Decide(d.input())
		if action.Kind != Bootstrap || action.Position != decided.Position {
			return nil
		}
		if err := d.record(ctx, lease, action); err != nil {
			return err
		}
		if err := d.prepare(ctx, d.input(), action); err != nil {
			return err
		}
		d.Log.Info("bootstrap the cluster", "position", action.Position.String(), "epoch", lease.Epoch, "reason", action.Reason)
		return d.start(ctx, action.State, d.Unit.Bootstrap)
	})
}

func (d *Driver) record(ctx context.Context, lease peerset.Lease, action Action) error {
	record := Record{UUID: action.Position.UUID, Epoch: lease.Epoch, Node: d.Node, Incarnation: d.Incarnation, Seqno: action.Position.Seqno,
		Evidence: action.Evidence, Time: time.Now().UTC()}
	if !action.Position.Named() {
		record.UUID = ""
	}
	text, err := record.encode()
	if err != nil {
		return fmt.Errorf("write the decision to bootstrap: %w", err)
	}
	if err := d.Set.Put(ctx, SettingDecision, text, lease); err != nil {
		return fmt.Errorf("write the decision to bootstrap: %w", err)
	}
	return nil
}

// conclude makes the users of a new history and writes its UUID down. Only then the node calls itself synced, and others
// join it.
func (d *Driver) conclude(ctx context.Context) error {
	wsrep := d.known().Wsrep
	if !wsrep.synced() {
		return nil
	}
	return d.under(ctx, peerset.LeaseGaleraBootstrap, func(ctx context.Context, lease peerset.Lease) error {
		if d.GrantsFile != "" {
			if err := d.Database.Apply(ctx, d.GrantsFile); err != nil {
				return err
			}
		}
		record, found, err := recordOf(d.Set.Snapshot())
		if err != nil || !found {
			return err
		}
		record.UUID, record.Seqno, record.Epoch = wsrep.UUID, wsrep.Seqno, lease.Epoch
		text, err := record.encode()
		if err != nil {
			return fmt.Errorf("write the cluster's UUID: %w", err)
		}
		if err := d.Set.Put(ctx, SettingDecision, text, lease); err != nil {
			return fmt.Errorf("write the cluster's UUID: %w", err)
		}
		d.Log.Info("the cluster's history has begun", "uuid", record.UUID, "epoch", record.Epoch)
		return d.await(ctx, func(s peerset.Snapshot) bool { r, _, err := recordOf(s); return err == nil && r.UUID != "" })
	})
}

func (d *Driver) reform(ctx context.Context, decided Action) error {
	return d.under(ctx, peerset.LeaseGaleraBootstrap, func(ctx context.Context, lease peerset.Lease) error {
		if err := d.look(ctx); err != nil {
			return err
		}
		action := Decide(d.input())
		if action.Kind != Reform || action.Position != decided.Position {
			return nil
		}
		if err := d.record(ctx, lease, action); err != nil {
			return err
		}
		d.Log.Info("form the primary component again", "position", action.Position.String(), "epoch", lease.Epoch)
		return d.Database.Reform(ctx)
	})
}

// join starts the server as a member, in turn with other joiners: a donor serves one at a time, and simultaneous joins
// cost rounds of membership. Without quorum there is no turn to take.
func (d *Driver) join(ctx context.Context, in Input, action Action) error {
	if !in.Peers.Quorum {
		if err := d.prepare(ctx, in, action); err != nil {
			return err
		}
		return d.start(ctx, StateJoining, d.Unit.Start)
	}
	if turn := in.Peers.Holder(peerset.LeaseGaleraJoin); turn != "" && turn != d.Node && time.Since(d.tried) < d.Times.LeaseTTL/renewals {
		return nil
	}
	d.tried = time.Now()
	err := d.under(ctx, peerset.LeaseGaleraJoin, func(ctx context.Context, _ peerset.Lease) error {
		in := d.input()
		if again := Decide(in); again.Kind != Join || again.Wipe != action.Wipe {
			return nil
		}
		if err := d.prepare(ctx, in, action); err != nil {
			return err
		}
		d.Log.Info("join the cluster", "reason", action.Reason, "wipe", action.Wipe)
		if err := d.start(ctx, StateJoining, d.Unit.Start); err != nil {
			return err
		}
		return d.heard(ctx)
	})
	if errors.Is(err, errNotOurs) {
		return nil
	}
	return err
}

// prepare makes the data directory and the server's addresses ready for a start.
func (d *Driver) prepare(ctx context.Context, in Input, action Action) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if action.Wipe {
		d.Log.Warn("wipe the data directory", "content", in.Local.Content, "position", in.Local.Position.String(), "failures", in.Local.Failures)
		if err := d.Data.Wipe(); err != nil {
			return err
		}
	}
	if bootstrap := action.Kind == Bootstrap; bootstrap || in.Local.Content == ContentKnown && !action.Wipe {
		if err := d.Data.Resume(in.Local.Position, bootstrap); err != nil {
			return err
		}
	}
	if d.ClusterFile != "" {
		if _, err := file.Write(d.ClusterFile, []byte(ClusterConfig(in)), file.Options{Mode: 0o644}); err != nil {
			return err
		}
	}
	return d.Data.Touch()
}

// ClusterConfig is the part of the server's configuration that changes with the peers: where the others are, and who
// should give its state. The donor is not the writer when there is another; the empty name at the end allows anybody.
func ClusterConfig(in Input) string {
	var addresses, donors []string
	writer := in.Peers.Holder(peerset.LeaseWriter)
	for _, peer := range in.Peers.Role(Role) {
		if peer.Name == in.Node || peer.Address == "" {
			continue
		}
		addresses = append(addresses, peer.Address)
		if State(peer.State) == StateSynced && peer.Name != writer {
			donors = append(donors, peer.Name)
		}
	}
	slices.Sort(addresses)
	var b strings.Builder
	b.WriteString("# Written by hornero-bootstrap before each start of the server.\n[mariadbd]\n")
	fmt.Fprintf(&b, "wsrep_cluster_address = gcomm://%s\n", strings.Join(addresses, ","))
	if len(donors) > 0 {
		fmt.Fprintf(&b, "wsrep_sst_donor = \"%s,\"\n", strings.Join(donors, ","))
	}
	return b.String()
}

// under runs work while it holds a lease, renewed all the time, and gives it up afterwards. Work begins when the
// snapshot has caught up with the lease: whatever was written before it can be seen.
func (d *Driver) under(ctx context.Context, name string, work func(context.Context, peerset.Lease) error) error {
	lease, ok, err := d.Set.Hold(ctx, name, d.Times.LeaseTTL)
	if err != nil {
		return fmt.Errorf("take lease %s: %w", name, err)
	}
	if !ok {
		return fmt.Errorf("take lease %s: %w", name, errNotOurs)
	}
	ctx, cancel := context.WithCancel(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		d.renew(ctx, lease)
	}()
	defer func() {
		cancel()
		<-renewed
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.Times.LeaseTTL)
		defer cancel()
		if err := d.Set.Release(ctx, lease); err != nil && !errors.Is(err, peerset.ErrStaleEpoch) {
			d.Log.Warn("release lease", "lease", name, "err", err)
		}
	}()
	if err := d.await(ctx, func(s peerset.Snapshot) bool { return s.Leases[name].Epoch >= lease.Epoch }); err != nil {
		return err
	}
	return work(ctx, lease)
}

// renewals is how often a lease is renewed in its time to live.
const renewals = 4

func (d *Driver) renew(ctx context.Context, lease peerset.Lease) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(d.Times.LeaseTTL / renewals):
		}
		if _, ok, err := d.Set.Hold(ctx, lease.Name, d.Times.LeaseTTL); ctx.Err() == nil && (err != nil || !ok) {
			d.Log.Warn("renew lease", "lease", lease.Name, "held", ok, "err", err)
		}
	}
}

// await waits until the snapshot is as wanted.
func (d *Driver) await(ctx context.Context, wanted func(peerset.Snapshot) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d.Times.LeaseTTL, errors.New("the snapshot did not catch up"))
	defer cancel()
	for {
		changed := d.Set.Changed()
		if wanted(d.Set.Snapshot()) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the peer set: %w", context.Cause(ctx))
		case <-changed:
		case <-time.After(d.Times.Tick):
		}
	}
}

var errStalled = errors.New("no byte moved for too long")

// start asks for a start and waits, as long as bytes move, until the server serves or has failed.
func (d *Driver) start(ctx context.Context, state State, begin func(context.Context) error) error {
	began := make(chan error, 1)
	go func() { began <- begin(ctx) }()
	err := d.follow(ctx, state, began)
	if err == nil || ctx.Err() != nil {
		return err
	}
	trouble := cmp.Or(d.Unit.Trouble(ctx), err.Error())
	d.inspected = false
	d.update(func(local *Local) {
		local.Failures++
		local.Trouble = trouble
		d.retryAt = time.Now().Add(min(d.Times.Backoff<<min(local.Failures-1, 8), maxBackoff))
	})
	return fmt.Errorf("start the server: %w: %s", err, trouble)
}

// errDown says that the server went down while it was starting.
var errDown = errors.New("the server stopped")

// following is what is known of a start that is under way.
type following struct {
	accepted time.Time // when systemd took the request; zero until then
	seen     bool      // the server was seen starting: if it is down now, it went down
	outside  time.Time // since when it answers, outside a primary component; zero when it is in one
	progress string
	moved    time.Time
}

// follow watches a start until the server serves, is outside a primary component, went down, or stalls.
func (d *Driver) follow(ctx context.Context, state State, began <-chan error) error {
	f := following{moved: time.Now()}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-began:
			if err != nil {
				return err
			}
			f.accepted, began = time.Now(), nil
		case <-time.After(d.Times.Tick):
		}
		if err := d.look(ctx); err != nil {
			d.Log.Warn("look at the starting server", "err", err)
			continue
		}
		in := d.input()
		action := Decide(in)
		if ended, err := d.ended(&f, in.Local); ended {
			d.tell(in, action)
			return err
		}
		if in.Leave && action.Kind == Stop {
			return d.stop(ctx, action)
		}
		if err := d.moving(ctx, &f); err != nil {
			return err
		}
		if in.Local.Process != ProcessRunning || !in.Local.Wsrep.primary() {
			action = Action{Kind: Watch, State: state, Reason: d.progress(f.progress)}
		}
		d.tell(in, action)
	}
}

func (d *Driver) ended(f *following, local Local) (bool, error) {
	switch local.Process {
	case ProcessRunning:
		f.seen = true
		if local.Wsrep.primary() {
			f.outside = time.Time{}
			return local.Wsrep.synced(), nil
		}
		if f.outside.IsZero() {
			f.outside = time.Now()
		}
		return time.Since(f.outside) > d.Times.Grace, nil
	case ProcessStopped, ProcessFailed:
		down := !f.accepted.IsZero() && (f.seen || time.Since(f.accepted) > d.Times.Grace)
		if down {
			return true, errDown
		}
		return false, nil
	}
	f.seen = true
	return false, nil
}

// moving stops a start that shows no moving byte for too long, and marks a transfer when it sees one.
func (d *Driver) moving(ctx context.Context, f *following) error {
	now, err := d.Data.Progress()
	if err != nil {
		return err
	}
	if now != f.progress {
		f.progress, f.moved = now, time.Now()
	}
	if time.Since(f.moved) > d.Times.Stall {
		return errors.Join(errStalled, d.Unit.Stop(ctx))
	}
	return d.watch()
}

// progress says how a start goes on.
func (d *Driver) progress(progress string) string {
	if !d.Data.Transferring() {
		return "the server is starting"
	}
	size, _, _ := strings.Cut(progress, ",")
	return "receives the state of a donor: " + size
}

// heard waits a little until the peers know that this node is synced: the next joiner may want it for a donor.
func (d *Driver) heard(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.Times.WriterTTL)
	defer cancel()
	err := d.await(ctx, func(s peerset.Snapshot) bool {
		peer, ok := s.Peer(d.Node)
		return ok && peer.State == string(d.Status().State)
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}
