package galera

import (
	"context"
	"fmt"
	"time"
)

// minUnread is how many recoveries in a row must have failed, besides for long enough, before data counts as
// unreadable.
const minUnread = 5

// recoveryFailures are recoveries that failed in a row, none of them for a reason that passes.
type recoveryFailures struct {
	times int
	since time.Time
}

func (d *Driver) recover(ctx context.Context) error {
	position, err := d.Data.Recover(ctx)

	// A history without a number tells nobody how far the data got.
	if err == nil && position.Named() && !position.Known() {
		err = fmt.Errorf("recover position: %w", errNoPosition)
	}

	// The directory itself remembers the position, for every look from now on.
	if err == nil {
		err = d.Data.SetPosition(position, false)
	}

	if err != nil {
		// A recovery that the agent itself broke off says nothing of the data.
		if ctx.Err() == nil {
			d.recoveryFailed(err)
		}

		return err
	}

	d.recovery = recoveryFailures{}
	d.update(func(local *Local) { local.RecoveryFailures = 0 })
	d.Log.Info("recovered the position of a crashed server", "position", position.String())

	return nil
}

// recoveryFailed notes a recovery that failed. It is tried again for as long as nothing else is known of the data.
func (d *Driver) recoveryFailed(err error) {
	trouble := troubleOf(err)

	switch {
	// What passes says nothing of the data.
	case trouble.Cause.passing():
		d.recovery = recoveryFailures{}
	case d.recovery.times == 0:
		d.recovery = recoveryFailures{times: 1, since: time.Now()}
	default:
		d.recovery.times++
	}

	d.update(func(local *Local) {
		local.RecoveryFailures++
		local.Cause, local.Trouble = trouble.Cause, trouble.String()
		d.retryAt = time.Now().Add(d.backoff(local.RecoveryFailures))
	})
}

// dataUnreadable tells data of which no position could be recovered although it was tried often, for long, and for no
// reason that passes.
func (d *Driver) dataUnreadable() bool {
	return d.recovery.times >= minUnread && time.Since(d.recovery.since) >= d.Times.Unreadable
}
