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
	errDown      = errors.New("the server stopped")
	errStalled   = errors.New("no byte moved for too long")
	errNoPrimary = errors.New("no primary component is there to join")
)

// startup is what is known of a start that is under way.
type startup struct {
	state    State     // what it is to lead to
	donors   []string  // who is to give the state, as the server was told; empty for whoever can
	since    time.Time // when it was asked for, or found
	asked    bool      // by this agent
	blind    bool      // the peer set had no quorum for a part of it
	unleased bool      // it goes on without a lease, for want of a quorum
	served   bool      // it served before, and hangs: no start
	accepted time.Time // when systemd took the request; zero until then
	seen     bool      // the server was seen starting: if it is down now, it went down

	progress string
	moved    time.Time // when the progress last changed

	// outside is since when the server answers, outside a primary component; zero when it is in one.
	outside time.Time
	// noPrimary is since when the peer set knows of no primary component that it could join; zero when there is one.
	noPrimary time.Time
	// until is when to look around again before it goes on; zero for never.
	until time.Time
}

// start asks for a start and waits, as long as bytes move, until the server serves or has failed.
func (d *Driver) start(ctx context.Context, s *startup, begin func(context.Context) error) error {
	s.since, s.moved, s.asked = time.Now(), time.Now(), true
	d.update(func(local *Local) { local.forgetMember() })

	// A bootstrap returns only when the server is up, and must be watched meanwhile.
	began := make(chan error, 1)
	go func() {
		defer close(began)

		began <- begin(ctx)
	}()

	return d.followToEnd(ctx, s, began)
}

// adopt follows a server that is on its way although this agent did not start it: the agent was restarted in the middle
// of a transfer, somebody else started the server, or it hangs after it served. A transfer is followed under the lease
// of joiners like any other. While that cannot be had the transfer goes on, and is followed for a while at a time.
func (d *Driver) adopt(ctx context.Context, in Input, action Action) error {
	now := time.Now()
	if d.found == nil {
		d.found = &startup{
			state:    action.State,
			since:    now,
			accepted: now,
			moved:    now,
			seen:     true,
			served:   in.Local.Served,
		}
	}

	s := d.found
	s.until = time.Time{}
	s.unleased = false

	if s.state == StateJoining && !s.served && in.Peers.Quorum {
		err := d.withLease(ctx, peerset.LeaseGaleraJoin, func(ctx context.Context, _ peerset.Lease) error {
			return d.followToEnd(ctx, s, nil)
		})
		if !errors.Is(err, errNotOurs) {
			return err
		}
	}

	// Without the turn it is followed for a while only, so that the turn is asked for again.
	s.until = now.Add(d.Times.LeaseTTL / renewals)

	return d.followToEnd(ctx, s, nil)
}

// followToEnd follows a start to its end, and counts it if that is a bad one. began is closed when the start was asked
// for; it is nil for a start that was found.
func (d *Driver) followToEnd(ctx context.Context, s *startup, began <-chan error) error {
	err := d.follow(ctx, s, began)
	if err == nil {
		return nil
	}

	// Another node may start its server by now, so this one must not go on.
	if errors.Is(context.Cause(ctx), errLost) {
		// A start that is asked for later than the stop would win.
		if began != nil {
			for range began {
			}
		}

		return errors.Join(err, d.abort(ctx, s))
	}

	// The agent ends, and the server goes on without it.
	if ctx.Err() != nil {
		return err
	}

	// The next start is another one, and is found anew.
	d.found = nil

	return d.fail(ctx, s, err)
}

// follow watches a start until the server serves, is outside a primary component, went down, or stalls.
func (d *Driver) follow(ctx context.Context, s *startup, began <-chan error) error {
	defer d.noteTransfer("")

	// What ends a start changes the unit: afterwards systemd is asked anew.
	d.unit = unitState{begins: true}
	defer func() { d.unit = unitState{} }()

	for {
		select {
		case <-ctx.Done():
			return ctx.Err()

		case err := <-began:
			if err != nil {
				return err
			}

			s.accepted, began = time.Now(), nil

		case <-time.After(d.Times.Tick):
		}

		err := d.look(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}

		if err != nil {
			d.Log.Warn("look at the starting server", "err", err)
			continue
		}

		if over, err := d.advance(ctx, s); over || err != nil {
			return err
		}

		if !s.until.IsZero() && time.Now().After(s.until) {
			return nil
		}
	}
}

// advance judges a start by what is there now. It is over when the server needs no more watching.
func (d *Driver) advance(ctx context.Context, s *startup) (over bool, err error) {
	in := d.input()
	action := Decide(in)
	s.blind = s.blind || !in.Peers.Quorum

	if over, err := d.outcome(s, in.Local); over {
		d.publish(in, action)
		return true, err
	}

	if action.Kind == Stop && (in.Leave || in.gone() != "") {
		d.Log.Info("end the start of the server", "reason", action.Reason)
		return true, d.end(ctx, s, in)
	}

	// There are turns again now that the peer set has its quorum. The start goes on in its turn, like one that was
	// found.
	if s.unleased && s.seen && in.Peers.Quorum {
		d.found = s
		return true, nil
	}

	if over, err := d.endIfDonorWrites(ctx, s, in); over {
		return true, err
	}

	err = errors.Join(d.checkProgress(ctx, s, in), d.checkJoinable(ctx, s, in))
	if err != nil {
		return true, err
	}

	inPrimary := in.Local.Process == ProcessRunning && in.Local.Wsrep.primary()
	if !s.served && !inPrimary {
		action = Action{Kind: Watch, State: s.state, Reason: d.progress(s.progress)}
	}

	d.publish(in, action)

	return false, nil
}

// outcome tells whether a start is over, and how it ended.
func (d *Driver) outcome(s *startup, local Local) (over bool, err error) {
	switch local.Process {
	case ProcessRunning:
		s.seen = true

		if local.Wsrep.primary() {
			s.outside = time.Time{}
			return local.Wsrep.synced(), nil
		}

		if s.outside.IsZero() {
			s.outside = time.Now()
		}

		return time.Since(s.outside) > d.Times.Grace, nil

	case ProcessStopped, ProcessFailed:
		// It hung after it had served: its end is no start that failed.
		if s.served {
			return true, nil
		}

		// systemd takes a moment from the request to the first process.
		if !s.accepted.IsZero() && (s.seen || time.Since(s.accepted) > d.Times.Grace) {
			return true, errDown
		}

		return false, nil
	}

	s.seen = true

	return false, nil
}

// fail counts a start that failed. Only one that went on in sight of the peers, and of which the server said that its
// data is to blame, counts against the data: a node that joins blindly fails because nobody is there.
func (d *Driver) fail(ctx context.Context, s *startup, err error) error {
	trouble := d.Unit.Trouble(ctx, s.since)
	if trouble.Said == "" {
		trouble.Said = err.Error()
	}

	d.update(func(local *Local) {
		local.Failures++
		local.Cause, local.Trouble = trouble.Cause, trouble.String()

		if !s.blind && trouble.Cause == CauseData {
			local.Damage++
		}

		d.retryAt = time.Now().Add(d.backoff(local.Failures))
	})

	return fmt.Errorf("start the server: %w: %s", err, trouble)
}

func (d *Driver) backoff(failures int) time.Duration {
	return min(d.Times.Backoff<<min(failures-1, 8), maxBackoff)
}

// abort stops a server whose start is no longer this node's to make.
func (d *Driver) abort(ctx context.Context, s *startup) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.Times.LeaseTTL)
	defer cancel()

	d.Log.Warn("stop the server: the lease under which it was to start is lost")

	return d.end(ctx, s, d.input())
}

// end ends a start. A server that answers already is stopped, like any other, and so is one that may only not answer
// now.
func (d *Driver) end(ctx context.Context, s *startup, in Input) error {
	defer func() { d.unit = unitState{} }()

	// A server that does not serve yet hears no request to stop, and may hang at one for ever.
	if s.asked && in.Local.Process == ProcessStarting && !in.Local.Served {
		return d.Unit.Kill(ctx)
	}

	return d.Unit.Stop(ctx)
}

// checkProgress stops a start that shows no moving byte for too long, and marks a transfer when it sees one.
func (d *Driver) checkProgress(ctx context.Context, s *startup, in Input) error {
	now, err := d.Data.Progress()
	if err != nil {
		return err
	}

	if now != s.progress {
		s.progress, s.moved = now, time.Now()
	}

	if time.Since(s.moved) > d.Times.Stall {
		return errors.Join(errStalled, d.end(ctx, s, in))
	}

	if !d.Data.Transferring() {
		d.noteTransfer("")
		return nil
	}

	d.noteTransfer(s.progress)

	// Galera's scripts drop their own mark even when the transfer broke.
	return d.Data.BeginTransfer()
}

// checkJoinable ends a start when there is nothing to join. The server would wait for ever for the members of its last
// view, and its node's evidence would be missing to those that decide who bootstraps.
func (d *Driver) checkJoinable(ctx context.Context, s *startup, in Input) error {
	joins := s.state == StateJoining && !s.served && !in.Local.Wsrep.primary()
	nobody := in.Peers.Quorum && len(in.otherPrimaries()) == 0

	if !joins || !nobody || d.Data.Transferring() {
		s.noPrimary = time.Time{}
		return nil
	}

	if s.noPrimary.IsZero() {
		s.noPrimary = time.Now()
	}

	if time.Since(s.noPrimary) > d.Times.NoPrimary {
		return errors.Join(errNoPrimary, d.end(ctx, s, in))
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
