package bootstrap

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/hornero/hornero/internal/pause"
)

// hungAfter is how long heartbeats may stand still: each gives up after seconds, with a quorum or without.
const hungAfter = time.Minute

// keepWatched tells systemd that the agent works, three times within what the unit's WatchdogSec= is. An agent
// that hangs says nothing more: systemd has it write down where each of its goroutines stands, and starts
// another (systemd.service(5)). Without a watchdog it returns.
func (a *Agent) keepWatched(ctx context.Context) {
	within, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		a.Log.Warn("systemd's watchdog", "err", err)
	}

	if within == 0 {
		return
	}

	for working := true; working; working = pause.For(ctx, within/3) {
		if still := a.standsStill(); still > hungAfter {
			a.Log.Error("hangs: no heartbeat ended", "for", still.Round(time.Second))
			continue
		}

		if _, err := daemon.SdNotify(false, daemon.SdNotifyWatchdog); err != nil {
			a.Log.Warn("tell systemd's watchdog", "err", err)
		}
	}
}

// standsStill is how long ago a heartbeat was begun; none before the first. It waits for the agent's own lock.
func (a *Agent) standsStill() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()

	if a.beat.IsZero() {
		return 0
	}

	return time.Since(a.beat)
}
