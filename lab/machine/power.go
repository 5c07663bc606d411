package machine

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// powerOffSignal is SIGRTMIN+4: systemd as PID 1 takes it for "power off".
const powerOffSignal = syscall.Signal(38)

// Start boots a Droplet and returns when its PID 1 runs; nil when it runs already.
func (h *Host) Start(ctx context.Context, id int) error {
	defer h.lock(number(id))()

	if h.Running(id) {
		return nil
	}

	droplet, err := h.Droplet(id)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}

	if err := h.restore(droplet); err != nil {
		return fmt.Errorf("start Droplet %d: %w", id, err)
	}

	if err := h.launch(id); err != nil {
		return fmt.Errorf("start Droplet %d: %w", id, err)
	}

	ctx, cancel := context.WithTimeoutCause(ctx, bootTimeout, errors.New("its PID 1 does not run"))
	defer cancel()

	// The caller's context may be over, and what half started must be ended all the same.
	if err := h.awaitInit(ctx, id); err != nil {
		return errors.Join(
			fmt.Errorf("start Droplet %d: %w: %s", id, err, tailOf(h.console(id))),
			h.powerOff(context.WithoutCancel(ctx), id),
		)
	}

	h.Logger.Info("Droplet started", "droplet", id, "hostname", droplet.Hostname)

	return nil
}

// awaitInit waits for PID 1, and no longer when the launcher is gone.
func (h *Host) awaitInit(ctx context.Context, id int) error {
	gone := false
	err := until(ctx, func() bool {
		_, err := h.PID(id)
		gone = err != nil && !h.Running(id)
		return err == nil || gone
	})

	if gone {
		return errors.New("it ended while it started")
	}

	return err
}

// Shutdown asks the guest to power itself off and waits until it has, or ctx ends. Nil when it is off.
func (h *Host) Shutdown(ctx context.Context, id int) error {
	defer h.lock(number(id))()

	var asked time.Time
	err := until(ctx, func() bool {
		// systemd ignores the signal while it starts, so that asking once is not enough.
		pid, err := h.PID(id)
		if err == nil && time.Since(asked) > askInterval {
			asked = time.Now()
			syscall.Kill(pid, powerOffSignal) // one that is gone by now is what we wait for
		}

		return !h.Running(id)
	})
	if err != nil {
		return fmt.Errorf("shut Droplet %d down: %w", id, err)
	}

	return h.clearGroup(number(id))
}

// PowerOff ends the Droplet at once, as if its plug were pulled. Nil when it is off.
func (h *Host) PowerOff(ctx context.Context, id int) error {
	defer h.lock(number(id))()
	return h.powerOff(ctx, id)
}

func (h *Host) powerOff(ctx context.Context, id int) error {
	if err := h.end(ctx, number(id)); err != nil {
		return fmt.Errorf("power Droplet %d off: %w", id, err)
	}

	return nil
}

// end kills all that a station runs and removes its cgroup.
func (h *Host) end(ctx context.Context, station string) error {
	group, err := h.group(station)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeoutCause(ctx,
		killTimeout,
		errors.New("killed processes are still there"),
	)
	defer cancel()

	// The cgroup is killed, not single processes: a fork in between would be missed.
	if err := group.Kill(ctx); err != nil {
		return err
	}

	return h.clearGroup(station)
}

func (h *Host) clearGroup(station string) error {
	group, err := h.group(station)
	if err != nil {
		return err
	}

	return errors.Join(group.Remove(), h.removeOldGroups(station))
}

// Freeze makes all processes of a Droplet stand still; Thaw lets them go on.
func (h *Host) Freeze(id int) error {
	return h.setFrozen(id, true)
}

// Thaw lets a frozen Droplet's processes go on.
func (h *Host) Thaw(id int) error {
	return h.setFrozen(id, false)
}

func (h *Host) setFrozen(id int, frozen bool) error {
	if !h.Running(id) {
		return fmt.Errorf("freeze Droplet %d: %w", id, ErrNotRunning)
	}

	group, err := h.group(number(id))
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeoutCause(
		context.Background(),
		killTimeout,
		errors.New("its processes do not stand still"),
	)
	defer cancel()

	return group.Freeze(ctx, frozen)
}
