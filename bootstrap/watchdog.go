package bootstrap

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/hornero/hornero/internal/pause"
)

// hungAfter is how long heartbeats may stand still: each gives up after seconds, with a quorum or without.
const hungAfter = time.Minute

// notifyWatchdog notifies systemd that the agent works, three times within what the unit's WatchdogSec= is. An agent
// that hangs does so no more: systemd has it write down where each of its goroutines stands, and starts another
// (systemd.service(5)). Without a watchdog it returns.
func (a *Agent) notifyWatchdog(ctx context.Context) {
	within, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		a.Log.Warn("systemd's watchdog", "err", err)
	}

	if within == 0 {
		return
	}

	for working := true; working; working = pause.For(ctx, within/3) {
		if since := a.sinceHeartbeat(); since > hungAfter {
			a.Log.Error("hangs: no heartbeat ended", "for", since.Round(time.Second))
			continue
		}

		if _, err := daemon.SdNotify(false, daemon.SdNotifyWatchdog); err != nil {
			a.Log.Warn("tell systemd's watchdog", "err", err)
		}
	}
}

// sinceHeartbeat is how long ago a heartbeat was begun; none before the first. It takes the agent's own lock: an agent
// that is stuck on it hangs as well.
func (a *Agent) sinceHeartbeat() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()

	if a.beat.IsZero() {
		return 0
	}

	return time.Since(a.beat)
}
