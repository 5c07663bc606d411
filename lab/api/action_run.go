package api

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/hornero/hornero/lab/state"
)

// spawn runs background work that Close waits for. What goes wrong in it is logged, a panic too.
func (s *Server) spawn(name string, work func() error) {
	s.begin(func() {
		if err := safely(work); err != nil && s.context.Err() == nil {
			s.Logger.Error("background work", "work", name, "err", err)
		}
	})
}

func safely(work func() error) (err error) {
	defer func() {
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

		if s.context.Err() != nil {
			return
		}

		s.Logger.Error("action errored",
			"action", action.ID,
			"type", action.Type,
			"resource", action.ResourceID,
			"err", err,
		)

		if err := s.fail(action, err); err != nil {
			s.Logger.Error("action not marked errored", "action", action.ID, "err", err)
		}
	})
}

// finish marks an action completed and its Droplet unlocked, together with what else changed.
func (s *Server) finish(action state.Action, change func(*state.Document)) error {
	err := s.commit(func(d *state.Document) error {
		s.end(d, action.ID, state.ActionCompleted, "")
		change(d)
		d.TrimActions(keptActions)

		return nil
	})

	s.wakeFollower()

	return err
}

// fail marks an action errored. A Droplet that could not be made goes with it.
func (s *Server) fail(action state.Action, cause error) error {
	return s.commit(func(d *state.Document) error {
		s.end(d, action.ID, state.ActionErrored, cause.Error())

		if action.Type == "create" {
			forgetDroplet(d, action.ResourceID)
			releaseHeld(d)
		}

		return nil
	})
}

func (s *Server) end(d *state.Document, id int, status, reason string) {
	action := d.Action(id)
	if action == nil {
		return
	}

	action.Status, action.Reason, action.Completed = status, reason, s.now()

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
	if err := s.applyActionFault(action); err != nil {
		return err
	}

	switch {
	case action.ResourceType == "image":
		return s.performTransfer(action)
	case action.ResourceType == reservedIPType:
		return s.performReserved(action)
	case action.ResourceType == volumeType:
		return s.performVolume(action)
	case action.ResourceType != "droplet":
		return fmt.Errorf("%w: %s of a %s", errUnknownAction, action.Type, action.ResourceType)
	case action.Type == "create":
		return s.performCreate(action)
	}

	delay := s.Delays.Action
	if action.Type == "snapshot" {
		delay = s.Delays.Snapshot
	}

	if err := s.sleep(delay); err != nil {
		return err
	}

	switch action.Type {
	case "snapshot":
		return s.takeSnapshot(action)
	case "enable_ipv6":
		return s.enableIPv6(action)
	case "rebuild", "restore":
		return s.rebuild(action)
	case "resize":
		return s.resize(action)

	case "rename", "password_reset", "enable_backups", "disable_backups":
		return s.finish(action, func(d *state.Document) {
			if droplet := d.Droplet(action.ResourceID); droplet != nil {
				changeDroplet(droplet, action)
			}
		})
	}

	status, err := s.power(action)
	if err != nil {
		return err
	}

	return s.finish(action, func(d *state.Document) {
		if droplet := d.Droplet(action.ResourceID); droplet != nil {
			droplet.Status = status
		}
	})
}
