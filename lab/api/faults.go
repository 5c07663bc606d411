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

	if err := s.applyFault(r.Context(), fault); errors.Is(err, ErrUnfit) {
		return nil, errors.Join(
			invalid("%v", err),
			s.lift(context.WithoutCancel(r.Context()), fault.Name),
		)
	} else if err != nil {
		return nil, errors.Join(err, s.lift(context.WithoutCancel(r.Context()), fault.Name))
	}

	s.liftWhenDue(fault)

	return one(http.StatusCreated, "fault", fault), nil
}

// applyFault makes a fault felt.
func (s *Server) applyFault(ctx context.Context, fault state.Fault) error {
	switch fault.Kind {
	case state.FaultClock:
		return s.applyClocks(ctx)
	case state.FaultFill:
		return s.fillDisks(ctx, fault)

	case state.FaultFreeze:
		for _, id := range slices.Concat(fault.Groups...) {
			if err := s.faultMachine(ctx, id, FaultFreeze); err != nil {
				return err
			}
		}

		return nil
	}

	return s.applyFaults(ctx)
}

// faultMachine gives a machine a fault; what it can't have now is the asker's mistake.
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

// liftWhenDue lifts a fault by itself when its time is over.
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
			return nil // somebody was quicker
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

// lift ends a fault without a trace.
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

// thaw lets the Droplets of a fault go on that no other wants to stand still.
func (s *Server) thaw(ctx context.Context, fault state.Fault) error {
	for _, id := range slices.Concat(fault.Groups...) {
		still := slices.ContainsFunc(s.Store.View().Faults, func(x state.Fault) bool {
			return x.Kind == fault.Kind && slices.Contains(slices.Concat(x.Groups...), id)
		})
		if still {
			continue
		}

		if err := s.Machines.Fault(ctx,
			id,
			FaultThaw,
		); err != nil && !errors.Is(err, ErrGone) && !errors.Is(err, ErrOff) {
			return err
		}
	}

	return nil
}

// applyFaults makes packets get lost and come late as the faults say.
func (s *Server) applyFaults(ctx context.Context) error {
	s.faults.applying.Lock()
	defer s.faults.applying.Unlock()

	d := s.Store.View()

	return errors.Join(
		s.Machines.SetNetworkFaults(ctx, networkFaults(d)),
		s.Machines.SetDelays(ctx, linkDelays(d)),
	)
}

// networkFaults are the losses that all faults together bring about.
func networkFaults(d *state.Document) []NetworkFault {
	losses := []NetworkFault{}
	for _, fault := range d.Faults {
		lose := func(from, to []int, percent int) {
			losses = append(losses, NetworkFault{
				From:    from,
				To:      to,
				Network: fault.Network,
				Percent: percent,
			})
		}

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
	}

	return losses
}

// restoreFaults makes faults felt again after a start.
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

// removeGoneFromFaults takes Droplets that are gone out of the faults, and ends those that apply to no Droplet any more.
func removeGoneFromFaults(d *state.Document) {
	for i := range d.Faults {
		for g := range d.Faults[i].Groups {
			d.Faults[i].Groups[g] = slices.DeleteFunc(
				d.Faults[i].Groups[g],
				func(id int) bool { return d.Droplet(id) == nil },
			)
		}
	}

	d.Faults = slices.DeleteFunc(d.Faults, func(x state.Fault) bool {
		return slices.ContainsFunc(x.Groups, func(group []int) bool {
			return len(group) == 0
		})
	})
}

// killDroplet loses a machine at once, as a fire would.
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
