package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/lab/state"
)

// FaultRequest is a fault as it is asked for.
type FaultRequest struct {
	Name    string  `json:"name,omitempty"` // empty: the lab names it
	Kind    string  `json:"kind"`
	For     string  `json:"for,omitempty"` // a duration after which it is lifted by itself
	Groups  [][]int `json:"groups,omitempty"`
	Network string  `json:"network,omitempty"`
	Percent int     `json:"percent,omitempty"`
	Match   string  `json:"match,omitempty"`
	Status  int     `json:"status,omitempty"`
	Delay   string  `json:"delay,omitempty"`
	Cut     bool    `json:"cut,omitempty"`
	Hang    bool    `json:"hang,omitempty"`
	Count   int     `json:"count,omitempty"`
	After   int     `json:"after,omitempty"`
	Chance  int     `json:"chance,omitempty"`
	Action  string  `json:"action,omitempty"`
	Outcome string  `json:"outcome,omitempty"`
	Jitter  string  `json:"jitter,omitempty"`
	Step    string  `json:"step,omitempty"`
	Leave   int64   `json:"leave,omitempty"`
}

// The ends of an action that a fault brings about.
const (
	OutcomeHangs = "hangs"
	OutcomeErrs  = "errs"
)

// fault checks what is asked for.
func (b *FaultRequest) fault(d *state.Document, now time.Time) (state.Fault, error) {
	fault := state.Fault{
		Name:    b.Name,
		Kind:    b.Kind,
		Created: now,
		Groups:  b.Groups,
		Network: b.Network,
		Percent: b.Percent,
		Leave:   b.Leave,
		Match:   b.Match,
		Status:  b.Status,
		Cut:     b.Cut,
		Hang:    b.Hang,
		Count:   b.Count,
		After:   b.After,
		Chance:  b.Chance,
		Action:  b.Action,
		Outcome: b.Outcome,
	}

	if err := b.spans(&fault, now); err != nil {
		return fault, err
	}

	check, known := map[string]func(*state.Document, *state.Fault) error{
		state.FaultFreeze:    oneGroup,
		state.FaultFill:      someFill,
		state.FaultCut:       oneGroup,
		state.FaultPartition: groupsApart,
		state.FaultOneWay:    fromAndTo,
		state.FaultLoss:      someLoss,
		state.FaultAPI:       someHarm,
		state.FaultAction:    someOutcome,
		state.FaultDelay:     someDelay,
		state.FaultClock:     someStep,
	}[b.Kind]
	if !known {
		return fault, invalid(
			"there is no fault %q: action, api, clock, cut, delay, fill, freeze, loss, oneway, partition",
			b.Kind,
		)
	}

	if !slices.Contains([]string{"", "public", "vpc"}, b.Network) {
		return fault, invalid("network must be public or vpc, not %q", b.Network)
	}

	if err := check(d, &fault); err != nil {
		return fault, err
	}

	return fault, nameFault(d, &fault)
}

// nameFault gives a fault a name when it has none, and takes none that is there.
func nameFault(d *state.Document, fault *state.Fault) error {
	if fault.Name != "" {
		if !validName(fault.Name, "-_.") {
			return invalid(
				"%q is no name for a fault: letters, digits, dots, dashes and underscores only",
				fault.Name,
			)
		}

		if d.Fault(fault.Name) != nil {
			return failure(
				http.StatusConflict,
				"a fault named %q is there already: lift it first",
				fault.Name,
			)
		}

		return nil
	}

	for n := 1; fault.Name == "" || d.Fault(fault.Name) != nil; n++ {
		fault.Name = fmt.Sprintf("%s-%d", fault.Kind, n)
	}

	return nil
}

func knownDroplets(d *state.Document, fault *state.Fault, least, most int) error {
	if len(fault.Groups) < least || len(fault.Groups) > most {
		return invalid(
			"%s needs %d to %d groups of Droplets, got %d",
			fault.Kind,
			least,
			most,
			len(fault.Groups),
		)
	}

	for _, group := range fault.Groups {
		if len(group) == 0 {
			return invalid("%s: a group is empty", fault.Kind)
		}

		for _, id := range group {
			if d.Droplet(id) == nil {
				return invalid("there is no Droplet %d", id)
			}
		}
	}

	return nil
}

// maxGroups is into how many parts a network may fall.
const maxGroups = 16

func oneGroup(d *state.Document, fault *state.Fault) error {
	return knownDroplets(d, fault, 1, 1)
}

func fromAndTo(d *state.Document, fault *state.Fault) error {
	return knownDroplets(d, fault, 1, 2)
}

func groupsApart(d *state.Document, fault *state.Fault) error {
	if err := knownDroplets(d, fault, 2, maxGroups); err != nil {
		return err
	}

	all := slices.Concat(fault.Groups...)
	slices.Sort(all)

	if len(slices.Compact(slices.Clone(all))) != len(all) {
		return invalid("partition: a Droplet is in two groups")
	}

	return nil
}

func someLoss(d *state.Document, fault *state.Fault) error {
	if fault.Percent < 1 || fault.Percent > 100 {
		return invalid("loss needs a percent between 1 and 100, got %d", fault.Percent)
	}

	return knownDroplets(d, fault, 1, 2)
}

func someHarm(_ *state.Document, fault *state.Fault) error {
	method, pattern, _ := strings.Cut(fault.Match, " ")
	if _, err := path.Match(pattern, "/"); err != nil || method == "" || pattern == "" {
		return invalid(
			"match must be a method and a path, * for anything, as in \"POST /v2/droplets\" or \"* /v2/*\", not %q",
			fault.Match,
		)
	}

	switch {
	case fault.Status == 0 && fault.Delay == 0 && !fault.Cut && !fault.Hang:
		return invalid("an api fault needs a status, a delay, cut or hang")
	case fault.Status != 0 && (fault.Status < 400 || fault.Status > 599):
		return invalid("status must be between 400 and 599, got %d", fault.Status)
	case fault.Chance < 0 || fault.Chance > 100 || fault.Count < 0 || fault.After < 0:
		return invalid("chance is a percentage, count and after are numbers of requests")
	}

	return nil
}

func someOutcome(_ *state.Document, fault *state.Fault) error {
	if fault.Action == "" || fault.Outcome != OutcomeHangs && fault.Outcome != OutcomeErrs {
		return invalid(
			"an action fault needs an action's type, and the outcome %s or %s",
			OutcomeHangs,
			OutcomeErrs,
		)
	}

	return nil
}

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

	if err := s.inflict(r.Context(), fault); errors.Is(err, ErrUnfit) {
		return nil, errors.Join(
			invalid("%v", err),
			s.lift(context.WithoutCancel(r.Context()), fault.Name),
		)
	} else if err != nil {
		return nil, errors.Join(err, s.lift(context.WithoutCancel(r.Context()), fault.Name))
	}

	s.liftInTime(fault)

	return one(http.StatusCreated, "fault", fault), nil
}

// inflict makes a fault felt.
func (s *Server) inflict(ctx context.Context, fault state.Fault) error {
	switch fault.Kind {
	case state.FaultClock:
		return s.applyClocks(ctx)
	case state.FaultFill:
		return s.fillDisks(ctx, fault)

	case state.FaultFreeze:
		for _, id := range slices.Concat(fault.Groups...) {
			if err := s.faultOf(ctx, id, FaultFreeze); err != nil {
				return err
			}
		}

		return nil
	}

	return s.applyFaults(ctx)
}

// faultOf gives a machine a fault; what it can't have now is the asker's mistake.
func (s *Server) faultOf(ctx context.Context, id int, fault string) error {
	err := s.Machines.Fault(ctx, id, fault)
	switch {
	case errors.Is(err, ErrGone):
		return notFound()
	case errors.Is(err, ErrOff):
		return invalid("Droplet %d is powered off", id)
	}

	return err
}

// liftInTime lifts a fault by itself when its time is over.
func (s *Server) liftInTime(fault state.Fault) {
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

// takeUpFaults makes faults felt again after a start.
func (s *Server) takeUpFaults(ctx context.Context) error {
	for _, fault := range s.Store.View().Faults {
		s.liftInTime(fault)
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

// forgetHurt takes Droplets that are gone out of the faults, and ends those that hurt nobody any more.
func forgetHurt(d *state.Document) {
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

	return noContent(), s.faultOf(r.Context(), droplet.ID, FaultKill)
}
