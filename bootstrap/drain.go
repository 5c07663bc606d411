package bootstrap

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/hornero/hornero/internal/pause"
)

const (
	// longestNotice bounds what an operator may ask for.
	longestNotice = 10 * time.Minute
	// busyPause is between two looks at what is still being answered.
	busyPause = 250 * time.Millisecond
)

// Drain gives the node's work up: health checks fail first, then its driver hands over, or what was asked of it is
// answered. Whoever checks its health may take as long as notice to see that it fails, and asks on until then.
func (a *Agent) Drain(ctx context.Context, notice time.Duration) error {
	a.mu.Lock()
	driver, keeper := a.driver, a.keeper
	first := !a.draining

	// With a driver the health check is the driver's to fail: it may have to hand over first.
	if driver == nil {
		a.draining = true
	}
	a.mu.Unlock()

	if first {
		a.Log.Info("draining")
	}

	if keeper != nil {
		// The address moves while this node still serves who comes by it.
		keeper.Leave(ctx)
	}

	if driver == nil {
		return a.answerAll(ctx, notice)
	}

	err := driver.Drain(ctx, notice)

	a.mu.Lock()
	a.draining = true
	a.mu.Unlock()

	return err
}

// answerAll waits until nobody asks this node any more, and everybody who did has his answer.
func (a *Agent) answerAll(ctx context.Context, notice time.Duration) error {
	ports := a.servedPorts()
	if len(ports) == 0 || a.Busy == nil {
		return nil
	}

	if !pause.For(ctx, notice) {
		return ctx.Err()
	}

	for {
		busy, err := a.Busy(ctx, ports)
		if err != nil {
			return fmt.Errorf("look for requests that are being answered: %w", err)
		}

		if busy == 0 {
			return nil
		}

		if !pause.For(ctx, busyPause) {
			return fmt.Errorf("%d requests are still being answered: %w", busy, ctx.Err())
		}
	}
}

// servedPorts are those at which visitors and other roles ask.
func (a *Agent) servedPorts() []int {
	a.mu.Lock()
	manifest := a.manifest
	a.mu.Unlock()

	// Not found its role yet: it serves nobody.
	if manifest == nil {
		return nil
	}

	var ports []int

	for i := range manifest.Serves {
		ports = append(ports, manifest.Serves[i].Listens()...)
	}

	return ports
}

// serveDrain drains the node for its own root.
func (a *Agent) serveDrain(w http.ResponseWriter, r *http.Request) {
	var notice time.Duration

	if text := r.URL.Query().Get("notice"); text != "" {
		var err error

		notice, err = time.ParseDuration(text)
		if err != nil || notice < 0 || notice > longestNotice {
			why := fmt.Sprintf("notice must be from 0s to %s, got %q", longestNotice, text)
			http.Error(w, why, http.StatusBadRequest)

			return
		}
	}

	answer(w, a.Drain(r.Context(), notice))
}
