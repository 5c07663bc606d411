package galera

import (
	"context"
	"time"
)

// unitHolds is for how many ticks what systemd said of the server's unit is taken for true. Each question starts a
// program: ten in a second cost a small Droplet a quarter of its processor, while a node may wait for others for
// minutes, or for a state transfer. A server that is up by then answers, and nobody asks systemd.
const unitHolds = 10

// unitState is what systemd said of the server's unit, and when.
type unitState struct {
	process Process
	asked   time.Time
	begins  bool // a start is followed: what was stopped may run the next moment
}

// holds is for how long it is taken for true.
func (u unitState) holds(tick time.Duration) time.Duration {
	down := u.process == ProcessStopped || u.process == ProcessFailed
	if u.process == ProcessStarting || down && !u.begins {
		return unitHolds * tick
	}

	return 0
}

// unitState tells what the server's unit does. A server that answered before may have died this moment: then systemd is
// asked each time.
func (d *Driver) unitState(ctx context.Context, served bool) (Process, error) {
	if !served && time.Since(d.unit.asked) < d.unit.holds(d.Times.Tick) {
		return d.unit.process, nil
	}

	process, err := d.Unit.State(ctx)
	d.unit.process, d.unit.asked = process, time.Now()

	return process, err
}
