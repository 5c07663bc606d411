package api

import (
	"context"
	"errors"
	"slices"

	"github.com/hornero/hornero/lab/state"
)

// reconcile makes machines and state agree after a stop, a crash or a reboot: it resumes actions in progress or marks
// them errored, finishes deletions, ends machines that the state does not know, and boots the Droplets that a stop
// powered off.
func (s *Server) reconcile(ctx context.Context) error {
	// strays go first: their addresses may belong to others by now
	if err := s.removeStrays(ctx); err != nil {
		return err
	}

	if err := s.Store.Update(s.endInterrupted); err != nil {
		return err
	}

	// after interrupted snapshots are ended, what they left is a stray
	if err := s.removeStrayImages(ctx); err != nil {
		return err
	}

	d := s.Store.View()

	if err := s.removeStrayVolumes(ctx, d); err != nil {
		return err
	}

	// what boots below needs the devices of its volumes
	s.reattachVolumes(ctx, d)

	for _, action := range d.Actions {
		if action.Status == state.ActionInProgress {
			s.Logger.Info("action taken up again",
				"action", action.ID,
				"type", action.Type,
				"resource", action.ResourceID,
			)

			s.resume(action)
		}
	}

	for _, droplet := range d.Droplets {
		// the client was told 204 before the lab ended
		if droplet.Deleting {
			s.destroyInBackground(droplet.ID)
		}
	}

	return errors.Join(
		s.applyReserved(ctx),
		s.restoreFaults(ctx),
		s.bootResumed(),
	)
}

// removeStrayImages frees snapshots that the state does not know: a stop cut their making or their deletion short.
func (s *Server) removeStrayImages(ctx context.Context) error {
	roots, err := s.Machines.Images()
	if err != nil {
		return err
	}

	var problems []error

	for _, root := range roots {
		// an image may be gone while a Droplet's disk still stands on it
		if rootUsed(s.Store.View(), root) {
			continue
		}

		s.Logger.Info("snapshot without an image removed", "root", root)
		problems = append(problems, s.Machines.DeleteImage(ctx, root))
	}

	return errors.Join(problems...)
}

// removeStrays ends machines that the state does not know.
func (s *Server) removeStrays(ctx context.Context) error {
	ids, err := s.Machines.List()
	if err != nil {
		return err
	}

	d := s.Store.View()
	var problems []error

	for _, id := range ids {
		if d.Droplet(id) != nil {
			continue
		}

		s.Logger.Warn("machine without a Droplet ended", "droplet", id)
		problems = append(problems, s.Machines.Destroy(ctx, id))
	}

	return errors.Join(problems...)
}

// endInterrupted ends what can't be resumed: snapshots that were cut short, actions of Droplets that are gone, and the
// wait until addresses are shown.
func (s *Server) endInterrupted(d *state.Document) error {
	ensureDefaultProject(d, s.now()) // a state of an earlier version has none
	releaseHeld(d)

	for i := range d.Actions {
		action := &d.Actions[i]
		if action.Status != state.ActionInProgress {
			continue
		}

		// the guest has run on since: a snapshot now would be of another moment
		if action.Type == "snapshot" {
			s.end(d, action.ID, state.ActionErrored, "the lab ended meanwhile")
		}

		if action.ResourceType == "droplet" && d.Droplet(action.ResourceID) == nil {
			s.end(d, action.ID, state.ActionErrored, "the Droplet is gone")
		}
	}

	for i := range d.Droplets {
		droplet := &d.Droplets[i]

		// the delay until addresses are shown is not waited for a second time
		droplet.Ready = droplet.Status != state.DropletNew

		underWay := slices.ContainsFunc(d.Actions, func(a state.Action) bool {
			return a.Status == state.ActionInProgress && lockedBy(a) == droplet.ID
		})
		droplet.Locked = droplet.Deleting || underWay
	}

	return nil
}

// resume goes on with an action. A Droplet that was being made is made anew, unless it already runs.
func (s *Server) resume(action state.Action) {
	if action.Type != "create" {
		s.runAction(action)
		return
	}

	s.spawn("resume create", func() error {
		// the lab ended between the machine's boot and the action's end
		if s.Machines.Running(action.ResourceID) {
			return s.finish(action, func(d *state.Document) {
				if droplet := d.Droplet(action.ResourceID); droplet != nil {
					droplet.Status = state.DropletActive
					droplet.Ready = true
				}
			})
		}

		// what there is of the machine may be half of it
		if err := s.Machines.Destroy(s.context, action.ResourceID); err != nil {
			return err
		}

		s.runAction(action)

		return nil
	})
}

// bootResumed boots the Droplets that ran when the lab was stopped.
func (s *Server) bootResumed() error {
	var actions []state.Action
	err := s.Store.Update(func(d *state.Document) error {
		for i := range d.Droplets {
			droplet := &d.Droplets[i]

			// one that runs already, or that an action is about to change, is left alone
			resume := droplet.Resume && !droplet.Locked && !s.Machines.Running(droplet.ID)
			droplet.Resume = false

			if !resume {
				continue
			}

			droplet.Locked = true

			// clients see the boot as any other power_on
			action := state.Action{
				ID:           d.NextID(),
				Type:         "power_on",
				Status:       state.ActionInProgress,
				Started:      s.now(),
				ResourceID:   droplet.ID,
				ResourceType: "droplet",
				Region:       droplet.Region,
			}

			d.Actions = append(d.Actions, action)
			actions = append(actions, action)
		}

		return nil
	})

	for _, action := range actions {
		s.runAction(action)
	}

	return err
}
