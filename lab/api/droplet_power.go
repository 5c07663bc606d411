package api

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hornero/hornero/lab/state"
)

// performPower does an action of the power button, and records the status that the Droplet has after it.
func (s *Server) performPower(action state.Action) error {
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

// power does an action of the power button and returns the status that the Droplet has after it.
func (s *Server) power(action state.Action) (string, error) {
	id := action.ResourceID

	switch action.Type {
	case "power_on":
		return state.DropletActive, s.Machines.Boot(s.context, id)
	case "power_off":
		return state.DropletOff, s.Machines.PowerOff(s.context, id)
	case "shutdown":
		return state.DropletOff, s.shutdown(id)

	case "power_cycle":
		if err := s.Machines.PowerOff(s.context, id); err != nil {
			return "", err
		}

		return state.DropletActive, s.Machines.Boot(s.context, id)

	case "reboot":
		// a reboot asks the guest first, a power cycle does not
		if err := s.shutdown(id); err != nil {
			return "", err
		}

		return state.DropletActive, s.Machines.Boot(s.context, id)
	}

	return "", fmt.Errorf("%w: %s", errUnknownAction, action.Type)
}

// shutdown asks a guest to power itself off, and waits for it as long as ShutdownTimeout.
func (s *Server) shutdown(id int) error {
	// a shutdown of one that is off is no error on DigitalOcean
	if !s.Machines.Running(id) {
		return nil
	}

	// the action errs then: clients fall back to power_off
	tooLate := fmt.Errorf("the guest did not power itself off within %s", s.ShutdownTimeout)

	ctx, cancel := context.WithTimeoutCause(s.context, s.ShutdownTimeout, tooLate)
	defer cancel()

	return s.Machines.Shutdown(ctx, id)
}

// PowerOffAll ends the guests that run, and asks them first. It remembers them: the next Start boots them again. It
// returns how many there were.
func (s *Server) PowerOffAll(ctx context.Context) (int, error) {
	ids := []int{}
	for _, droplet := range s.Store.View().Droplets {
		if s.Machines.Running(droplet.ID) {
			ids = append(ids, droplet.ID)
		}
	}

	// written down first: a lab that is killed while its guests end boots them again as well
	err := s.Store.Update(func(d *state.Document) error {
		for _, id := range ids {
			if droplet := d.Droplet(id); droplet != nil {
				droplet.Resume = true
			}
		}

		return nil
	})

	// guests end at the same time: one after the other would add up their timeouts
	return len(ids), joinEach(ids, err, func(id int) error { return s.endGuest(ctx, id) })
}

// endGuest asks a guest to power itself off, and ends it when it has not after ShutdownTimeout.
func (s *Server) endGuest(ctx context.Context, id int) error {
	// the limit is for the guest's answer alone: powering it off must still have time
	asked, cancel := context.WithTimeout(ctx, s.ShutdownTimeout)
	defer cancel()

	if err := s.Machines.Shutdown(asked, id); err != nil {
		s.Logger.Warn("guest did not power itself off", "droplet", id, "err", err)
	}

	return s.Machines.PowerOff(ctx, id)
}

// joinEach does the same to all ids at once, and joins the errors.
func joinEach(ids []int, first error, do func(int) error) error {
	var group sync.WaitGroup
	results := make([]error, len(ids)+1)
	results[len(ids)] = first

	for i, id := range ids {
		group.Go(func() { results[i] = do(id) })
	}

	group.Wait()

	return errors.Join(results...)
}
