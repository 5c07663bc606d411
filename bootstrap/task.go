package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/roles"
)

const (
	// DefaultTaskTTL is after what a task's lease that is not renewed may be taken by another node.
	DefaultTaskTTL     = 10 * time.Second
	defaultTaskTimeout = time.Minute
)

var errLeaseLost = errors.New("this node lost the lease")

// taskRenewal leaves room for three renewals.
func (a *Agent) taskRenewal() time.Duration {
	return a.TaskTTL * 3 / 10
}

// runTask runs a task of the role on one node at a time: this one, whenever it holds the task's lease.
func (a *Agent) runTask(ctx context.Context, task roles.Task) {
	name := peerset.TaskLease(a.node.Role, task.Name)
	for ctx.Err() == nil {
		if a.imageStatus().Quarantine != "" {
			pause.For(ctx, a.Heartbeat)
			continue
		}

		lease, held, err := a.set.Hold(ctx, name, a.TaskTTL)
		if err != nil {
			a.Log.Debug("hold task's lease", "task", task.Name, "err", err)
		}

		pause := a.Heartbeat
		if held {
			done := a.attempt(ctx, task, lease)
			if done && task.Every == 0 {
				return
			}
			if done {
				if err := a.keepFor(ctx, lease, task.Every); err != nil {
					a.Log.Debug("keep task's lease", "task", task.Name, "err", err)
				}
				continue
			}
		} else if err == nil && task.Every == 0 {
			pause = a.taskRenewal() // somebody else is at it; look again whether it is still needed
		}

		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// attempt runs the task once, renewing the lease meanwhile, and gives a one-time task's lease up afterwards.
func (a *Agent) attempt(ctx context.Context, task roles.Task, lease peerset.Lease) bool {
	timeout := task.Timeout
	if timeout == 0 {
		timeout = defaultTaskTimeout
	}

	err := a.under(ctx, lease, timeout, func(ctx context.Context) error {
		return a.execute(ctx, task)
	})
	a.counted.tasks.Add(1, task.Name, resultOf(err))

	if err != nil {
		a.Log.Warn("task", "task", task.Name, "err", err)
	} else if task.Every == 0 {
		a.Log.Info("task done", "task", task.Name)
	}

	if task.Every == 0 {
		if err := a.set.Release(ctx, lease); err != nil {
			a.Log.Debug("release task's lease", "task", task.Name, "err", err)
		}
	}

	return err == nil
}

func (a *Agent) execute(ctx context.Context, task roles.Task) error {
	var env []string
	for name, text := range task.Env {
		value, err := a.manifest.RenderText("task "+task.Name, text, a.facts())
		if err != nil {
			return err
		}

		env = append(env, name+"="+string(value))
	}

	// The agent runs before everything else, and what it serves runs before its tasks.
	_, err := command.Run(ctx, command.Command{
		Args:   append([]string{"nice", "-n", "10"}, task.Run...),
		Env:    env,
		Hidden: a.hidden(),
	})

	return err
}

// under does something for a time at most, renewing the lease meanwhile. With the lease it ends: somebody else
// may be at it.
func (a *Agent) under(
	ctx context.Context,
	lease peerset.Lease,
	span time.Duration,
	do func(context.Context) error,
) error {
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()

	ctx, lose := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)

		lose(a.keepFor(ctx, lease, span))
	}()

	err := do(ctx)
	lose(nil)
	<-renewed

	return err
}

// keepFor renews a lease for a time, and ends at once when it is lost: to another, at another epoch, or because
// nobody could be asked for as long as it lives. Whoever was frozen finds it so at its first renewal.
func (a *Agent) keepFor(ctx context.Context, lease peerset.Lease, span time.Duration) error {
	end := time.NewTimer(span)
	defer end.Stop()

	for renewed := time.Now(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-end.C:
			return nil
		case <-time.After(min(a.taskRenewal(), time.Until(renewed.Add(a.TaskTTL)))):
		}

		asked := time.Now()
		renewing, cancel := context.WithDeadline(ctx, renewed.Add(a.TaskTTL))
		now, held, err := a.set.Hold(renewing, lease.Name, a.TaskTTL)
		cancel()

		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, peerset.ErrEvicted), err == nil && (!held || now.Epoch != lease.Epoch):
			return fmt.Errorf("%w %s at epoch %d", errLeaseLost, lease.Name, lease.Epoch)
		case err == nil:
			renewed = asked

		case time.Since(renewed) >= a.TaskTTL:
			return fmt.Errorf(
				"%w %s: not renewed for %s: %w",
				errLeaseLost,
				lease.Name,
				a.TaskTTL,
				err,
			)
		}
	}
}
