package galera

import "time"

// polling is how closely the driver looks at its server. Only the loop touches it.
type polling struct {
	lastNotified time.Time // when the server last told of a change
	missedSince  time.Time // since when a change is known that it did not tell of; zero while there is none
	changed      time.Time // the last change, told or seen
}

// notified notes that the server told of a change.
func (p *polling) notified() {
	now := time.Now()
	p.lastNotified, p.missedSince, p.changed = now, time.Time{}, now
}

// observed notes a change that the driver saw itself. A server that did not tell of it may not tell of the next one.
func (p *polling) observed(within time.Duration) {
	p.changed = time.Now()
	if time.Since(p.lastNotified) > within {
		p.missedSince = time.Now()
	}
}

// idle tells whether nothing changed for a while, and the server is known to tell when something does.
func (p *polling) idle(after time.Duration) bool {
	return !p.lastNotified.IsZero() && p.missedSince.IsZero() && time.Since(p.changed) >= after
}

// pollInterval is how long the loop may wait for somebody to wake it. A server that serves, and that tells of changes,
// is looked at only because it may hang.
func (d *Driver) pollInterval() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()

	// The server tells of a change before all of it can be seen.
	if time.Since(d.polling.lastNotified) < 2*d.Times.Tick {
		return d.Times.Tick / 5
	}

	serves := d.pending.Kind == Serve && d.status.State == StateSynced && d.status.Healthy
	if serves && d.leave.IsZero() && d.polling.idle(d.Times.IdleAfter) {
		return d.Times.IdlePoll
	}

	return d.Times.Tick
}
