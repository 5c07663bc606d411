package galera

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Local is what the node knows of itself without asking anybody.
type Local struct {
	Process      Process
	Content      Content // of a stopped server's data directory
	Position     Position
	Seed         string // names a pristine directory and those that are equal to it
	InspectError string // why the data directory could not be looked at; Content is empty then
	Gone         string // why this incarnation is to take no part any more, as the directory remembers it

	Wsrep  Wsrep     // of a running server
	Served bool      // the server answered before and was not seen down since
	Synced bool      // the server was synced, and in the primary component ever since
	Member string    // of Galera's views: the server that runs or ran last
	Ended  time.Time // when that server was seen to have ended; zero while it was not, or another was started since

	Failures         int    // starts that failed in a row while nothing else changed
	Damage           int    // those among them that spoke of the data itself
	RecoveryFailures int    // recoveries of the position that failed in a row
	Cause            Cause  // of the last failure
	Trouble          string // the last failure
	Disconnected     bool   // the node leaves and has no client left

	Space Space // of the data directory's file system; zero when nobody knows
	Short bool  // there is too little of it to take writes
}

// down tells that no server runs.
func (l Local) down() bool {
	return l.Process == ProcessStopped || l.Process == ProcessFailed
}

// look finds out what the server and the data directory are like.
func (d *Driver) look(ctx context.Context) error {
	local := d.known()
	d.measure(&local)

	gone, goneErr := d.Data.GoneReason(d.Incarnation)
	if goneErr == nil {
		local.Gone = gone
	}

	wsrep, err := d.Database.Probe(ctx)
	if err == nil {
		d.remember(d.answered(local, wsrep))
		return nil
	}

	local.Wsrep = Wsrep{}
	d.polling.changed = time.Now()
	local.Process, err = d.unitState(ctx, local.Served)

	// Questions that the agent itself broke off say nothing of the server. An agent that is stopped in the middle of
	// a probe would leave its peers with a report that its server does not answer.
	if ctx.Err() != nil {
		return fmt.Errorf("look at the server: %w", context.Cause(ctx))
	}

	// A server that nobody can see is not synced, whatever it was before: it must not stay the writer.
	if err != nil {
		local.Process, local.Synced = ProcessUnknown, false
		d.remember(local)

		return err
	}

	// systemd may not have noticed yet that the process has ended.
	if local.Process == ProcessStarting && local.Served && time.Since(local.Ended) < d.Times.ViewTimeout {
		local.Process = ProcessStopping
	}

	if local.down() {
		local.Served, local.Synced = false, false
		local.markEnded()
		d.inspect(&local, goneErr)
	}

	d.remember(local)

	return nil
}

// answered is what the node knows of itself once its server has answered a probe.
func (d *Driver) answered(local Local, wsrep Wsrep) Local {
	if local.Process != ProcessRunning || !wsrep.likeBefore(local.Wsrep) {
		d.polling.observed(d.Times.IdleAfter)
	}

	local.Process = ProcessRunning
	local.Wsrep = wsrep
	local.Served = true
	local.Synced = wsrep.synced() || local.Synced && wsrep.primary()
	local.Member, local.Ended = wsrep.Member, time.Time{}

	return local
}

// inspect reads the data directory anew at every look. It is cheap, and between two looks a wipe may have broken off or
// an operator may have emptied it. What cannot be read is evidence of nothing.
func (d *Driver) inspect(local *Local, goneErr error) {
	content, position, err := d.Data.Inspect()
	err = cmp.Or(goneErr, err)

	local.Content = content
	local.Position = position
	local.Seed = ""
	local.InspectError = ""

	if err == nil && content == ContentPristine {
		local.Seed, err = d.Data.Seed()
	}

	switch {
	case err != nil:
		local.Content, local.Position, local.InspectError = "", Position{}, err.Error()
	case content == ContentCrashed && d.dataUnreadable():
		local.Content = ContentUnreadable
	// Whatever is there now, the recoveries that failed were of something else.
	case content != ContentCrashed:
		d.recovery, local.RecoveryFailures = recoveryFailures{}, 0
	}
}

func (d *Driver) known() Local {
	d.mu.Lock()
	defer d.mu.Unlock()

	return d.local
}

func (d *Driver) remember(local Local) {
	d.mu.Lock()
	before := d.local.Wsrep
	d.local = local
	d.mu.Unlock()

	// The writer lease depends on the view and on whether this server is synced.
	now := local.Wsrep
	if !slices.Equal(before.Incoming, now.Incoming) || before.synced() != now.synced() {
		d.seen.Ring()
	}
}

func (d *Driver) update(change func(*Local)) {
	d.mu.Lock()
	defer d.mu.Unlock()

	change(&d.local)
}
