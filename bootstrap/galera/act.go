package galera

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/pause"
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
	case Dismiss:
		return d.dismiss(ctx)

	case Serve:
		if err := d.settle(); err != nil {
			return err
		}

		return d.regrant(ctx, in)

	case Watch:
		return d.adopt(ctx, in, action)
	}

	return nil
}

// minUnread is how many recoveries in a row must have failed, besides for long enough, before data counts as
// unreadable.
const minUnread = 5

func (d *Driver) recover(ctx context.Context) error {
	position, err := d.Data.Recover(ctx)
	if err == nil && position.Named() && !position.Known() {
		err = fmt.Errorf("recover position: %w", errNoPosition)
	}

	if err == nil {
		// The directory itself remembers, for every look from now on.
		err = d.Data.Resume(position, false)
	}

	if err != nil {
		if ctx.Err() == nil {
			d.unread(err)
		}

		return err
	}

	d.lasting = lasting{}
	d.update(func(local *Local) { local.Unread = 0 })
	d.Log.Info("recovered the position of a crashed server", "position", position.String())

	return nil
}

// lasting are recoveries that failed in a row, none of them for a reason that passes.
type lasting struct {
	times int
	since time.Time
}

// unread notes a recovery that failed. It is tried again for as long as nothing else is known of the data.
func (d *Driver) unread(err error) {
	trouble := troubleOf(err)
	switch {
	case trouble.Cause.passing():
		d.lasting = lasting{}
	case d.lasting.times == 0:
		d.lasting = lasting{1, time.Now()}
	default:
		d.lasting.times++
	}

	d.update(func(local *Local) {
		local.Unread++
		local.Cause, local.Trouble = trouble.Cause, trouble.String()
		d.retryAt = time.Now().Add(d.backoff(local.Unread))
	})
}

// unreadable tells data of which no position could be recovered although it was tried often, for long, and for no
// reason that passes.
func (d *Driver) unreadable() bool {
	return d.lasting.times >= minUnread && time.Since(d.lasting.since) >= d.Times.Unreadable
}

// settle forgets earlier trouble: the server serves.
func (d *Driver) settle() error {
	d.update(func(local *Local) { local.forgive() })
	return d.Data.Settle()
}

// dismissEvery is how often the clients of a node that leaves are looked at: most transactions are shorter.
const dismissEvery = 10 * time.Millisecond

// dismiss lets each client come to the end of its transaction and ends its session then. By now all proxies
// send whoever comes anew to the new writer. A commit that is cut off is one whose fate its client does not
// know.
func (d *Driver) dismiss(ctx context.Context) error {
	for end := time.Now().Add(d.Times.Tick); time.Now().Before(end); {
		left, err := d.Database.Dismiss(ctx)
		if err != nil {
			return err
		}
		if left == 0 {
			d.update(func(local *Local) { local.Dismissed = true })
			return nil
		}

		if !pause.For(ctx, dismissEvery) {
			return nil
		}
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

// bootstrap begins a primary component here. The lease is taken, the decision is made again from a snapshot
// that holds everything written before the lease, and written down; only then the server starts.
func (d *Driver) bootstrap(ctx context.Context, decided Action) error {
	return d.under(ctx, peerset.LeaseGaleraBootstrap, func(ctx context.Context, lease peerset.Lease) error {
		if err := d.look(ctx); err != nil {
			return err
		}

		in := d.input()
		action := Decide(in)
		if action.Kind != Bootstrap || action.Position != decided.Position {
			return nil
		}

		record, err := d.record(ctx, lease, in, action)
		if err != nil {
			return err
		}

		if err := d.prepare(ctx, in, action); err != nil {
			return err
		}

		d.Log.Info("bootstrap the cluster",
			"position", action.Position.String(),
			"epoch", lease.Epoch,
			"reason", action.Reason,
		)

		if err := d.start(ctx,
			&following{state: action.State},
			d.Unit.Bootstrap,
		); err != nil || action.Position.Named() || !d.known().Wsrep.synced() {
			return err
		}

		if err := d.invite(ctx, lease, &record); err != nil {
			return err
		}

		return d.furnish(ctx, lease, record)
	})
}

func (d *Driver) record(ctx context.Context, lease peerset.Lease, in Input, action Action) (Record, error) {
	record := Record{
		UUID:        action.Position.UUID,
		Epoch:       lease.Epoch,
		Node:        d.Node,
		Incarnation: d.Incarnation,
		Seqno:       action.Position.Seqno,
		Evidence:    action.Evidence,
		Time:        time.Now().UTC(),
	}
	if !action.Position.Named() {
		record.UUID, record.Seed = "", in.Local.Seed
	}

	if err := d.rewrite(ctx, lease, record); err != nil {
		return record, fmt.Errorf("write the decision to bootstrap: %w", err)
	}

	return record, nil
}

// conclude makes the users of a new history and writes its UUID down. Only then the node calls itself synced,
// and others join it.
func (d *Driver) conclude(ctx context.Context) error {
	if !d.known().Wsrep.synced() {
		return nil
	}

	return d.under(ctx, peerset.LeaseGaleraBootstrap, func(ctx context.Context, lease peerset.Lease) error {
		record, found, err := recordOf(d.Set.Snapshot())
		if err != nil || !found || record.UUID != "" {
			return err
		}

		return d.furnish(ctx, lease, record)
	})
}

func (d *Driver) furnish(ctx context.Context, lease peerset.Lease, record Record) error {
	if d.GrantsFile != "" {
		text, err := os.ReadFile(d.GrantsFile)
		if err != nil {
			return fmt.Errorf("read users and grants: %w", err)
		}

		if err := d.Database.Apply(ctx, d.GrantsFile); err != nil {
			return err
		}

		if err := d.granted(ctx, string(text), lease); err != nil {
			return err
		}
	}

	wsrep := d.known().Wsrep
	record.UUID, record.Seqno, record.Epoch = wsrep.UUID, wsrep.Seqno, lease.Epoch

	if err := d.rewrite(ctx, lease, record); err != nil {
		return fmt.Errorf("write the cluster's UUID: %w", err)
	}

	d.Log.Info("the cluster's history has begun", "uuid", record.UUID, "epoch", record.Epoch)

	return d.await(ctx, func(s peerset.Snapshot) bool {
		r, _, err := recordOf(s)
		return err == nil && r.UUID != ""
	})
}

func (d *Driver) rewrite(ctx context.Context, lease peerset.Lease, record Record) error {
	text, err := record.encode()
	if err != nil {
		return err
	}

	return d.Set.Put(ctx, SettingDecision, text, lease)
}

func (d *Driver) reform(ctx context.Context, decided Action) error {
	return d.under(ctx, peerset.LeaseGaleraBootstrap, func(ctx context.Context, lease peerset.Lease) error {
		if err := d.look(ctx); err != nil {
			return err
		}

		in := d.input()
		action := Decide(in)
		if action.Kind != Reform || action.Position != decided.Position {
			return nil
		}

		if _, err := d.record(ctx, lease, in, action); err != nil {
			return err
		}

		d.Log.Info("form the primary component again",
			"position", action.Position.String(),
			"epoch", lease.Epoch,
		)

		return d.Database.Reform(ctx)
	})
}

// join starts the server as a member, in turn with other joiners: a donor serves one at a time, and
// simultaneous joins cost rounds of membership. Without quorum there is no turn to take.
func (d *Driver) join(ctx context.Context, in Input, action Action) error {
	if !in.Peers.Quorum {
		if err := d.prepare(ctx, in, action); err != nil {
			return err
		}

		return d.start(ctx, &following{state: StateJoining, unled: true}, d.Unit.Start)
	}

	if action.Position.Named() {
		return d.accept(ctx, in, action)
	}

	if turn := in.Peers.Holder(peerset.LeaseGaleraJoin); turn != "" &&
		turn != d.Node &&
		time.Since(d.tried) < d.Times.LeaseTTL/renewals {
		return nil
	}

	d.tried = time.Now()

	err := d.under(ctx, peerset.LeaseGaleraJoin, func(ctx context.Context, _ peerset.Lease) error {
		if err := d.look(ctx); err != nil {
			return err
		}

		in := d.input()

		if again := Decide(in); again.Kind != Join || again.Wipe != action.Wipe {
			return nil
		}

		if err := d.prepare(ctx, in, action); err != nil {
			return err
		}

		d.Log.Info("join the cluster", "reason", action.Reason, "wipe", action.Wipe)

		if err := d.start(ctx,
			&following{
				state:  StateJoining,
				donors: in.donors(),
			},
			d.Unit.Start,
		); err != nil {
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
		d.Log.Warn("wipe the data directory",
			"content", in.Local.Content,
			"position", in.Local.Position.String(),
			"failures", in.Local.Failures,
			"damage", in.Local.Damage,
			"trouble", in.Local.Trouble,
		)

		if err := d.Data.Wipe(); err != nil {
			return err
		}
	}

	if bootstrap := action.Kind == Bootstrap; bootstrap || in.Local.Content == ContentKnown && !action.Wipe {
		if err := d.Data.Resume(in.Local.Position, bootstrap); err != nil {
			return err
		}
	}

	if action.Kind == Join && action.Position.Named() {
		if err := d.Data.Resume(action.Position, false); err != nil {
			return err
		}
	}

	if action.Kind == Join && len(in.otherPrimaries()) > 0 {
		if err := d.Data.ForgetView(); err != nil {
			return err
		}
	}

	if d.ClusterFile != "" {
		if _, err := file.Write(
			d.ClusterFile,
			[]byte(ClusterConfig(in)),
			file.Options{Mode: 0o644},
		); err != nil {
			return err
		}
	}

	return d.Data.Touch()
}

// ClusterConfig is the part of the server's configuration that changes with the peers: where the others are, and who
// is to give its state.
func ClusterConfig(in Input) string {
	var addresses []string
	for _, peer := range in.Peers.Role(Role) {
		if peer.Name == in.Node || peer.Address == "" {
			continue
		}

		addresses = append(addresses, peer.Address)
	}

	slices.Sort(addresses)
	var b strings.Builder
	b.WriteString("# Written by hornero-bootstrap before each start of the server.\n[mysqld]\n")
	fmt.Fprintf(&b, "wsrep_cluster_address = gcomm://%s\n", strings.Join(addresses, ","))
	b.WriteString(in.donorLine())

	return b.String()
}
