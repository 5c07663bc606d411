package api

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/hornero/hornero/lab/state"
)

// spawn runs background work that Close waits for. It logs the error of the work, and its panic.
func (s *Server) spawn(name string, work func() error) {
	s.begin(func() {
		if err := safely(work); err != nil && s.context.Err() == nil {
			s.Logger.Error("background work", "work", name, "err", err)
		}
	})
}

func safely(work func() error) (err error) {
	defer func() {
		// a panic in the background would end the lab, and with it all that a test runs
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()

	return work()
}

// runAction does what a recorded action asks for, in the background. When the lab is closing the action stays in
// progress, and the next start takes it up.
func (s *Server) runAction(action state.Action) {
	s.begin(func() {
		begun := s.Now()

		err := safely(func() error { return s.perform(action) })
		if err == nil {
			s.Logger.Info("action completed",
				"action", action.ID,
				"type", action.Type,
				"resource", action.ResourceID,
				"took", s.Now().Sub(begun).Round(time.Millisecond),
			)

			return
		}

		// cut short by the end of the lab: nothing is wrong with the action itself
		if s.context.Err() != nil {
			return
		}

		s.Logger.Error("action errored",
			"action", action.ID,
			"type", action.Type,
			"resource", action.ResourceID,
			"err", err,
		)

		// clients wait for the action: it must end, or they wait until their own timeout
		if err := s.fail(action, err); err != nil {
			s.Logger.Error("action not marked errored", "action", action.ID, "err", err)
		}
	})
}

// finish marks an action completed and its Droplet unlocked, together with what else changed.
func (s *Server) finish(action state.Action, change func(*state.Document)) error {
	err := s.commit(func(d *state.Document) error {
		// lock and status change together: Terraform skips the status of a locked Droplet
		s.end(d, action.ID, state.ActionCompleted, "")
		change(d)
		d.TrimActions(keptActions)

		return nil
	})

	s.wakeFollower() // what was changed may be a target of a load balancer, or behind a firewall

	return err
}

// fail marks an action errored. A Droplet that could not be made goes with it.
func (s *Server) fail(action state.Action, cause error) error {
	return s.commit(func(d *state.Document) error {
		s.end(d, action.ID, state.ActionErrored, cause.Error())

		if action.Type == "create" {
			// a create that fails leaves no machine, so that its Droplet would never be active
			forgetDroplet(d, action.ResourceID)
			releaseHeld(d)
		}

		return nil
	})
}

// end records how an action ended, and unlocks what it locked.
func (s *Server) end(d *state.Document, id int, status, reason string) {
	action := d.Action(id)
	if action == nil {
		return
	}

	action.Status = status
	action.Reason = reason

	// Terraform waits for completed_at, not for the status
	action.Completed = s.now()

	if droplet := d.Droplet(lockedBy(*action)); droplet != nil {
		droplet.Locked = false
	}

	if action.ResourceType == reservedIPType {
		unlockReserved(d, action.Resource)
	}
}

// lockedBy is the Droplet that can have no other action while this one is under way; 0 for none.
func lockedBy(action state.Action) int {
	switch {
	case action.ResourceType == "droplet":
		return action.ResourceID

	// a resize of a volume concerns no Droplet: only attach and detach name one
	case action.ResourceType == volumeType && action.Type != "resize":
		droplet, _ := strconv.Atoi(action.Argument)
		return droplet
	}

	return 0
}

// commitRetry is the pause before a change that could not be written is written again.
const commitRetry = time.Second

// commit records what has already happened. It can't be refused, so a full disk is waited out.
func (s *Server) commit(change func(*state.Document) error) error {
	for {
		err := s.Store.Update(change)
		if err == nil {
			return nil
		}

		// the machine has changed already: a state that does not say so would be wrong for good
		s.Logger.Error("state not kept; trying again", "err", err)

		if s.sleep(commitRetry) != nil {
			return err
		}
	}
}

// sleep waits, or returns early with an error when the lab closes.
func (s *Server) sleep(d time.Duration) error {
	if d <= 0 {
		return s.context.Err()
	}

	select {
	case <-time.After(d):
		return nil
	case <-s.context.Done():
		return s.context.Err()
	}
}

var errUnknownAction = errors.New("the lab does not know this action")

// perform does one action to its end, also one that an earlier run of the lab began.
func (s *Server) perform(action state.Action) error {
	// a fault comes before the work, so that an action that errs has changed nothing
	if err := s.applyActionFault(action); err != nil {
		return err
	}

	switch action.ResourceType {
	case "droplet":
		return s.performDroplet(action)
	case "image":
		return s.performTransfer(action)
	case reservedIPType:
		return s.performReserved(action)
	case volumeType:
		return s.performVolume(action)
	}

	return fmt.Errorf("%w: %s of a %s", errUnknownAction, action.Type, action.ResourceType)
}
