package bootstrap

import (
	"context"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/roles"
)

const (
	taskTTL            = 10 * time.Second
	taskRenewal        = 3 * time.Second
	defaultTaskTimeout = time.Minute
)

// runTask runs a task of the role on one node at a time: this one, whenever it holds the task's lease.
func (a *Agent) runTask(ctx context.Context, task roles.Task) {
	name := peerset.TaskLease(a.node.Role, task.Name)
	for ctx.Err() == nil {
		if a.imageStatus().Quarantine != "" {
			idle(ctx, a.Heartbeat)
			continue
		}
		lease, held, err := a.set.Hold(ctx, name, taskTTL)
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
				a.keepFor(ctx, name, task.Every)
				continue
			}
		} else if err == nil && task.Every == 0 {
			pause = taskRenewal // somebody else is at it; look again whether it is still needed
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
	running, cancel := context.WithTimeout(ctx, timeout)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		a.keepFor(running, lease.Name, timeout)
	}()
	err := a.execute(running, task)
	a.counted.tasks.Add(1, task.Name, resultOf(err))
	cancel()
	<-renewed
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
	_, err := command.Run(ctx, command.Command{Args: append([]string{"nice", "-n", "10"}, task.Run...), Env: env, Hidden: a.hidden()})
	return err
}

// keepFor renews a lease for a time.
func (a *Agent) keepFor(ctx context.Context, lease string, span time.Duration) {
	end := time.NewTimer(span)
	defer end.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-end.C:
			return
		case <-time.After(taskRenewal):
		}
		if _, _, err := a.set.Hold(ctx, lease, taskTTL); err != nil && ctx.Err() == nil {
			a.Log.Debug("renew task's lease", "task", lease, "err", err)
		}
	}
}
