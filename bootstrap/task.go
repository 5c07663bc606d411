package bootstrap

import (
	"cmp"
	"context"
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

// runTask runs a task of the role on one node at a time: this one, whenever it holds the task's lease.
func (a *Agent) runTask(ctx context.Context, task roles.Task) {
	name := a.taskLease(task.Name)
	leases := a.renewer()

	for ctx.Err() == nil {
		// A node that gives its work up takes no lease: another one of the role runs the task.
		if a.watch.quarantine() != "" {
			pause.For(ctx, a.Heartbeat)
			continue
		}

		lease, held, err := a.set.Hold(ctx, name, a.TaskTTL)
		if err != nil {
			a.Log.Debug("hold task's lease", "task", task.Name, "err", err)
		}

		wait := a.Heartbeat

		switch {
		case held && a.attempt(ctx, task, lease):
			if task.Every == 0 {
				return
			}

			// The lease is kept between two runs, so that the task stays with one node.
			if err := leases.renew(ctx, lease, task.Every); err != nil {
				a.Log.Debug("keep task's lease", "task", task.Name, "err", err)
			}

			continue

		case !held && err == nil && task.Every == 0:
			wait = leases.pause() // somebody else is at it; look again whether it is still needed
		}

		pause.For(ctx, wait)
	}
}

// taskLease names the lease of a task in the peer set.
func (a *Agent) taskLease(task string) string {
	return a.rights.Lease(a.node.Role, roles.SchemaLease(task, a.node.Settings))
}

// attempt runs the task once, renewing the lease meanwhile, and gives a one-time task's lease up afterwards.
func (a *Agent) attempt(ctx context.Context, task roles.Task, lease peerset.Lease) bool {
	timeout := cmp.Or(task.Timeout, defaultTaskTimeout)

	err := a.renewer().during(ctx, lease, timeout, func(ctx context.Context) error {
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
