package api

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/hornero/hornero/lab/state"
)

func (s *Server) listFaults(r *http.Request) (*reply, error) {
	return list(r, "faults", orEmpty(s.Store.View().Faults)), nil
}

func (s *Server) getFault(r *http.Request) (*reply, error) {
	fault := s.Store.View().Fault(r.PathValue("fault"))
	if fault == nil {
		return nil, notFound()
	}

	return one(http.StatusOK, "fault", fault), nil
}

func (s *Server) createFault(r *http.Request) (*reply, error) {
	var body FaultRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	var fault state.Fault
	err := s.Store.Update(func(d *state.Document) (err error) {
		if fault, err = body.fault(d, s.Now().UTC()); err == nil {
			d.Faults = append(d.Faults, fault)
		}

		return err
	})
	if err != nil {
		return nil, err
	}

	s.Logger.Info("fault", "name", fault.Name, "kind", fault.Kind, "groups", fault.Groups)

	if err := s.applyFault(r.Context(), fault); err != nil {
		// the machine is at fault here, not the lab: 422 and no retry
		if errors.Is(err, ErrUnsupported) {
			err = invalid("%v", err)
		}

		// a part of it may be in force; it goes even when the client has given up
		return nil, errors.Join(err, s.lift(context.WithoutCancel(r.Context()), fault.Name))
	}

	s.liftWhenDue(fault)

	return one(http.StatusCreated, "fault", fault), nil
}

// applyFault puts a new fault in force.
func (s *Server) applyFault(ctx context.Context, fault state.Fault) error {
	switch fault.Kind {
	case state.FaultClock:
		return s.applyClocks(ctx)
	case state.FaultFill:
		return s.fillDisks(ctx, fault)

	case state.FaultFreeze:
		// freezing is done to each machine; all other faults are set as a whole
		for _, id := range slices.Concat(fault.Groups...) {
			if err := s.faultMachine(ctx, id, FaultFreeze); err != nil {
				return err
			}
		}

		return nil
	}

	return s.applyFaults(ctx)
}

// faultMachine gives a machine a fault. That it can't have it now is an error of the request, not of the lab.
func (s *Server) faultMachine(ctx context.Context, id int, fault string) error {
	err := s.Machines.Fault(ctx, id, fault)

	switch {
	case errors.Is(err, ErrGone):
		return notFound()
	case errors.Is(err, ErrOff):
		return invalid("Droplet %d is powered off", id)
	}

	return err
}

// liftWhenDue lifts a fault when its time is over.
func (s *Server) liftWhenDue(fault state.Fault) {
	if fault.Until.IsZero() {
		return
	}

	s.spawn("lift fault", func() error {
		if err := s.sleep(fault.Until.Sub(s.Now())); err != nil {
			return err
		}

		err := s.lift(s.context, fault.Name)

		var gone *Error
		if errors.As(err, &gone) && gone.Status == http.StatusNotFound {
			return nil // somebody has lifted it before
		}

		return err
	})
}

func (s *Server) liftFault(r *http.Request) (*reply, error) {
	return noContent(), s.lift(r.Context(), r.PathValue("fault"))
}

func (s *Server) liftFaults(r *http.Request) (*reply, error) {
	for _, fault := range s.Store.View().Faults {
		if err := s.lift(r.Context(), fault.Name); err != nil {
			return nil, err
		}
	}

	return noContent(), nil
}

// lift ends a fault, and undoes what it did.
func (s *Server) lift(ctx context.Context, name string) error {
	var fault state.Fault
	err := s.Store.Update(func(d *state.Document) error {
		found := d.Fault(name)
		if found == nil {
			return notFound()
		}

		fault = *found
		d.Faults = slices.DeleteFunc(d.Faults, func(x state.Fault) bool {
			return x.Name == name
		})

		return nil
	})
	if err != nil {
		return err
	}

	s.Logger.Info("fault lifted", "name", name)

	// a new fault of the same name counts from 0
	s.faults.forget(name)

	switch fault.Kind {
	case state.FaultClock:
		return s.applyClocks(ctx)
	case state.FaultFill:
		return s.applyFills(ctx)
	case state.FaultFreeze:
		return s.thaw(ctx, fault)
	}

	return s.applyFaults(ctx)
}

// thaw lets the Droplets of a lifted fault go on, but for those that another fault freezes.
func (s *Server) thaw(ctx context.Context, fault state.Fault) error {
	for _, id := range slices.Concat(fault.Groups...) {
		frozen := slices.ContainsFunc(s.Store.View().Faults, func(x state.Fault) bool {
			return x.Kind == fault.Kind && slices.Contains(slices.Concat(x.Groups...), id)
		})
		if frozen {
			continue
		}

		// one that is gone or off has no processes that stand still
		err := s.Machines.Fault(ctx, id, FaultThaw)
		if err != nil && !errors.Is(err, ErrGone) && !errors.Is(err, ErrOff) {
			return err
		}
	}

	return nil
}

// applyFaults puts the network's faults in force: packets that get lost or come late.
func (s *Server) applyFaults(ctx context.Context) error {
	s.faults.applying.Lock()
	defer s.faults.applying.Unlock()

	// read under the mutex, so that the last call applies the last state
	d := s.Store.View()

	return errors.Join(
		s.Machines.SetNetworkFaults(ctx, networkFaults(d)),
		s.Machines.SetDelays(ctx, linkDelays(d)),
	)
}

// networkFaults are the losses of packets of all faults together.
func networkFaults(d *state.Document) []NetworkFault {
	losses := []NetworkFault{}
	for _, fault := range d.Faults {
		losses = append(losses, lossesOf(fault)...)
	}

	return losses
}

func lossesOf(fault state.Fault) []NetworkFault {
	var losses []NetworkFault

	lose := func(from, to []int, percent int) {
		losses = append(losses, NetworkFault{
			From:    from,
			To:      to,
			Network: fault.Network,
			Percent: percent,
		})
	}

	// without a second group it is all else in the network
	var second []int
	if len(fault.Groups) > 1 {
		second = fault.Groups[1]
	}

	switch fault.Kind {
	case state.FaultCut:
		lose(fault.Groups[0], nil, 100)
		lose(nil, fault.Groups[0], 100)

	case state.FaultOneWay:
		lose(fault.Groups[0], second, 100)

	case state.FaultLoss:
		lose(fault.Groups[0], second, fault.Percent)
		lose(second, fault.Groups[0], fault.Percent)

	case state.FaultPartition:
		for i, group := range fault.Groups {
			for _, other := range fault.Groups[i+1:] {
				lose(group, other, 100)
				lose(other, group, 100)
			}
		}
	}

	return losses
}

// restoreFaults puts faults in force again after a start.
func (s *Server) restoreFaults(ctx context.Context) error {
	for _, fault := range s.Store.View().Faults {
		s.liftWhenDue(fault)
	}

	if err := s.applyClocks(ctx); err != nil {
		// a Droplet that does not answer is no reason not to start
		s.Logger.Warn("clocks not stepped", "err", err)
	}

	if err := s.applyFills(ctx); err != nil {
		s.Logger.Warn("disks not filled", "err", err)
	}

	return s.applyFaults(ctx)
}

// removeGoneFromFaults takes Droplets that are gone out of the faults, and ends faults that apply to no Droplet any
// more.
func removeGoneFromFaults(d *state.Document) {
	gone := func(id int) bool { return d.Droplet(id) == nil }

	for i := range d.Faults {
		groups := d.Faults[i].Groups
		for g := range groups {
			groups[g] = slices.DeleteFunc(groups[g], gone)
		}
	}

	d.Faults = slices.DeleteFunc(d.Faults, func(x state.Fault) bool {
		return slices.ContainsFunc(x.Groups, func(group []int) bool {
			return len(group) == 0
		})
	})
}

// killDroplet loses a machine at once: nothing in it is asked first.
func (s *Server) killDroplet(r *http.Request) (*reply, error) {
	droplet, err := s.dropletIn(r)
	if err != nil {
		return nil, err
	}

	if droplet.Status == state.DropletNew {
		return nil, pendingEvent()
	}

	s.Logger.Info("Droplet killed", "droplet", droplet.ID, "name", droplet.Name)

	return noContent(), s.faultMachine(r.Context(), droplet.ID, FaultKill)
}
