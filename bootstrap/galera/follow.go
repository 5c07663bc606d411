package galera

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

var (
	errStalled = errors.New("no byte moved for too long")
	errForlorn = errors.New("no primary component is there to join")
)

// start asks for a start and waits, as long as bytes move, until the server serves or has failed.
func (d *Driver) start(ctx context.Context, f *following, begin func(context.Context) error) error {
	f.since, f.moved, f.asked = time.Now(), time.Now(), true
	d.update(func(local *Local) { local.forget() })

	began := make(chan error, 1)
	go func() {
		defer close(began)

		began <- begin(ctx)
	}()

	return d.pursue(ctx, f, began)
}

// withdraw stops a server whose start is no longer this node's to make.
func (d *Driver) withdraw(ctx context.Context, f *following) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.Times.LeaseTTL)
	defer cancel()

	d.Log.Warn("stop the server: the lease under which it was to start is lost")

	return d.end(ctx, f, d.input())
}

// pursue follows a start to its end, and counts it if that is a bad one. began is closed when the start was
// asked for; it is nil for a start that was found.
func (d *Driver) pursue(ctx context.Context, f *following, began <-chan error) error {
	err := d.follow(ctx, f, began)
	if err == nil {
		return nil
	}

	if errors.Is(context.Cause(ctx), errLost) {
		if began != nil {
			for range began { // a start that is asked for later than the stop would win
			}
		}

		return errors.Join(err, d.withdraw(ctx, f))
	}

	if ctx.Err() != nil {
		return err
	}

	d.found = nil

	return d.fail(ctx, f, err)
}

// adopt follows a server that is on its way although this agent did not start it: the agent was restarted in
// the middle of a transfer, somebody else started the server, or it hangs after it served. A transfer is
// followed under the lease of joiners like any other. While that cannot be had the transfer goes on, and is
// followed for a while at a time.
func (d *Driver) adopt(ctx context.Context, in Input, action Action) error {
	now := time.Now()
	if d.found == nil {
		d.found = &following{
			state:    action.State,
			since:    now,
			accepted: now,
			moved:    now,
			seen:     true,
			served:   in.Local.Served,
		}
	}

	f := d.found
	f.until = time.Time{}
	f.unled = false

	if f.state == StateJoining && !f.served && in.Peers.Quorum {
		err := d.under(ctx, peerset.LeaseGaleraJoin, func(ctx context.Context, _ peerset.Lease) error {
			return d.pursue(ctx, f, nil)
		})
		if !errors.Is(err, errNotOurs) {
			return err
		}
	}

	f.until = now.Add(d.Times.LeaseTTL / renewals)

	return d.pursue(ctx, f, nil)
}

// fail counts a start that failed. Only one that went on in sight of the peers, and of which the server said that its
// data is to blame, counts against the data: a node that joins blindly fails because nobody is there.
func (d *Driver) fail(ctx context.Context, f *following, err error) error {
	trouble := d.Unit.Trouble(ctx, f.since)
	if trouble.Said == "" {
		trouble.Said = err.Error()
	}

	d.update(func(local *Local) {
		local.Failures++
		local.Cause, local.Trouble = trouble.Cause, trouble.String()
		if !f.blind && trouble.Cause == CauseData {
			local.Damage++
		}

		d.retryAt = time.Now().Add(d.backoff(local.Failures))
	})

	return fmt.Errorf("start the server: %w: %s", err, trouble)
}

func (d *Driver) backoff(failures int) time.Duration {
	return min(d.Times.Backoff<<min(failures-1, 8), maxBackoff)
}

// errDown says that the server went down while it was starting.
var errDown = errors.New("the server stopped")

// following is what is known of a start that is under way.
type following struct {
	state    State     // what it is to lead to
	donors   []string  // who is to give the state, as the server was told; empty for whoever can
	since    time.Time // when it was asked for, or found
	asked    bool      // by this agent
	blind    bool      // the peer set had no quorum for a part of it
	accepted time.Time // when systemd took the request; zero until then
	seen     bool      // the server was seen starting: if it is down now, it went down
	outside  time.Time // since when it answers, outside a primary component; zero when it is in one
	// since when there is no primary component that it could join, as far as the peer set knows; zero when there is
	forlorn  time.Time
	progress string
	moved    time.Time
	unled    bool      // it goes on without a lease, for want of a quorum
	served   bool      // it served before, and hangs: no start
	until    time.Time // when to look around again before it goes on; zero for never
}

// follow watches a start until the server serves, is outside a primary component, went down, or stalls.
func (d *Driver) follow(ctx context.Context, f *following, began <-chan error) error {
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
		f.blind = f.blind || !in.Peers.Quorum
		action := Decide(in)

		if ended, err := d.ended(f, in.Local); ended {
			d.tell(in, action)
			return err
		}

		if action.Kind == Stop && (in.Leave || in.gone() != "") {
			d.Log.Info("end the start of the server", "reason", action.Reason)
			return d.end(ctx, f, in)
		}

		if f.unled && f.seen && in.Peers.Quorum {
			d.found = f // it goes on in its turn, like one that was found
			return nil
		}

		if ended, err := d.misdirected(ctx, f, in); ended {
			return err
		}

		if err := errors.Join(
			d.moving(ctx, f, in),
			d.joinable(ctx, f, in),
		); err != nil {
			return err
		}

		if !f.served && (in.Local.Process != ProcessRunning || !in.Local.Wsrep.primary()) {
			action = Action{
				Kind:   Watch,
				State:  f.state,
				Reason: d.progress(f.progress),
			}
		}

		d.tell(in, action)

		if !f.until.IsZero() && time.Now().After(f.until) {
			return nil
		}
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
		if f.served {
			return true, nil
		}

		down := !f.accepted.IsZero() && (f.seen || time.Since(f.accepted) > d.Times.Grace)
		if down {
			return true, errDown
		}

		return false, nil
	}

	f.seen = true

	return false, nil
}

// end ends a start. A server that answers already is stopped, like any other, and so is one that may only not
// answer now.
func (d *Driver) end(ctx context.Context, f *following, in Input) error {
	if f.asked && in.Local.Process == ProcessStarting && !in.Local.Served {
		return d.Unit.Kill(ctx)
	}

	return d.Unit.Stop(ctx)
}

// moving stops a start that shows no moving byte for too long, and marks a transfer when it sees one.
func (d *Driver) moving(ctx context.Context, f *following, in Input) error {
	now, err := d.Data.Progress()
	if err != nil {
		return err
	}
	if now != f.progress {
		f.progress, f.moved = now, time.Now()
	}
	if time.Since(f.moved) > d.Times.Stall {
		return errors.Join(errStalled, d.end(ctx, f, in))
	}
	if d.Data.Transferring() {
		return d.Data.Begin()
	}

	return nil
}

// joinable stops a start that nobody is there for. A server that waits for the members of its last view, whom
// it does not meet, would wait for ever, and its node's evidence would be missing to those that could decide
// who bootstraps.
func (d *Driver) joinable(ctx context.Context, f *following, in Input) error {
	if f.state != StateJoining ||
		f.served ||
		!in.Peers.Quorum ||
		len(in.otherPrimaries()) > 0 ||
		in.Local.Wsrep.primary() ||
		d.Data.Transferring() {
		f.forlorn = time.Time{}
		return nil
	}

	if f.forlorn.IsZero() {
		f.forlorn = time.Now()
	}

	if time.Since(f.forlorn) > d.Times.Forlorn {
		return errors.Join(errForlorn, d.end(ctx, f, in))
	}

	return nil
}

// progress says how a start goes on.
func (d *Driver) progress(progress string) string {
	if !d.Data.Transferring() {
		return "the server is starting"
	}

	size, _, _ := strings.Cut(progress, ",")

	return "receives the state of a donor: " + size
}
