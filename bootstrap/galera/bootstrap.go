package galera

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// bootstrap begins a primary component here. The lease is taken, and the decision is made again from a snapshot that
// holds everything written before the lease, and written down. Only then the server starts.
func (d *Driver) bootstrap(ctx context.Context, decided Action) error {
	return d.withLease(ctx, peerset.LeaseGaleraBootstrap, func(ctx context.Context, lease peerset.Lease) error {
		in, action, err := d.decideAgain(ctx)
		if err != nil {
			return err
		}

		// Another node may have begun a component before it gave the lease up, or one with more data may be back.
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

		if err := d.start(ctx, &startup{state: action.State}, d.Unit.Bootstrap); err != nil {
			return err
		}

		// A history that goes on has its users. A new one that is not synced yet is concluded at a later look.
		begunAnew := !action.Position.Named()
		if !begunAnew || !d.known().Wsrep.synced() {
			return nil
		}

		// Nodes can be invited only as long as nothing is written, and the users are the first write.
		if err := d.invite(ctx, lease, &record); err != nil {
			return err
		}

		return d.finishBootstrap(ctx, lease, record)
	})
}

// decideAgain decides under a lease, from what is there now.
func (d *Driver) decideAgain(ctx context.Context) (Input, Action, error) {
	if err := d.look(ctx); err != nil {
		return Input{}, Action{}, err
	}

	in := d.input()

	return in, Decide(in), nil
}

// record writes the decision to the store.
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

	// A new history has no UUID yet: the server draws it.
	if !action.Position.Named() {
		record.UUID, record.Seed = "", in.Local.Seed
	}

	if err := d.rewrite(ctx, lease, record); err != nil {
		return record, fmt.Errorf("write the decision to bootstrap: %w", err)
	}

	return record, nil
}

func (d *Driver) rewrite(ctx context.Context, lease peerset.Lease, record Record) error {
	text, err := record.encode()
	if err != nil {
		return err
	}

	return d.Set.Put(ctx, SettingDecision, text, lease)
}

// conclude makes the users of a new history and writes its UUID down. Only then the node calls itself synced, and
// others join it.
func (d *Driver) conclude(ctx context.Context) error {
	if !d.known().Wsrep.synced() {
		return nil
	}

	return d.withLease(ctx, peerset.LeaseGaleraBootstrap, func(ctx context.Context, lease peerset.Lease) error {
		// Another node may have made the users since.
		record, found, err := recordOf(d.Set.Snapshot())
		if err != nil || !found || record.UUID != "" {
			return err
		}

		return d.finishBootstrap(ctx, lease, record)
	})
}

// finishBootstrap makes the users, and then records the UUID. A node that is interrupted in between does both again.
func (d *Driver) finishBootstrap(ctx context.Context, lease peerset.Lease, record Record) error {
	// The UUID comes last: it tells the others that they may serve.
	if err := d.makeUsers(ctx, lease); err != nil {
		return err
	}

	wsrep := d.known().Wsrep
	record.UUID = wsrep.UUID
	record.Seqno = wsrep.Seqno
	record.Epoch = lease.Epoch

	if err := d.rewrite(ctx, lease, record); err != nil {
		return fmt.Errorf("write the cluster's UUID: %w", err)
	}

	d.Log.Info("the cluster's history has begun", "uuid", record.UUID, "epoch", record.Epoch)

	// Until the snapshot has the UUID, the next look would decide to conclude once more.
	return d.waitFor(ctx, func(s peerset.Snapshot) bool {
		r, _, err := recordOf(s)
		return err == nil && r.UUID != ""
	})
}

func (d *Driver) makeUsers(ctx context.Context, lease peerset.Lease) error {
	if d.GrantsFile == "" {
		return nil
	}

	text, err := os.ReadFile(d.GrantsFile)
	if err != nil {
		return fmt.Errorf("read users and grants: %w", err)
	}

	if err := d.Database.Apply(ctx, d.GrantsFile); err != nil {
		return err
	}

	// This keeps the next writer from applying the same statements again.
	return d.granted(ctx, string(text), lease)
}

// reform makes the running component primary, by a decision that is recorded like a bootstrap.
func (d *Driver) reform(ctx context.Context, decided Action) error {
	return d.withLease(ctx, peerset.LeaseGaleraBootstrap, func(ctx context.Context, lease peerset.Lease) error {
		in, action, err := d.decideAgain(ctx)
		if err != nil {
			return err
		}

		if action.Kind != Reform || action.Position != decided.Position {
			return nil
		}

		// Like a bootstrap, it is on record before the server does it.
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
