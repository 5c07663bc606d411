package api

import (
	"context"
	"slices"
	"time"

	"github.com/hornero/hornero/lab/state"
)

// spans reads the durations of a request.
func (b *FaultRequest) spans(fault *state.Fault, now time.Time) error {
	var span time.Duration

	fields := []struct {
		text     string
		into     *time.Duration
		backward bool // it may be less than 0
	}{
		{text: b.For, into: &span},
		{text: b.Delay, into: &fault.Delay},
		{text: b.Jitter, into: &fault.Jitter},
		{text: b.Step, into: &fault.Step, backward: true},
	}

	for _, field := range fields {
		if field.text == "" {
			continue
		}

		// a clock may go back, but nothing waits for less than no time
		read, err := time.ParseDuration(field.text)
		if err != nil || read <= 0 && !field.backward {
			return invalid("%q is no duration: as in 1.5s or 2m", field.text)
		}

		*field.into = read
	}

	if span > 0 {
		fault.Until = now.Add(span)
	}

	return nil
}

const (
	// maxDelay is how late a frame can be.
	maxDelay = time.Minute
	// maxStep is how far away a clock can be: as far as times of programs in C are sure to reach back from now.
	maxStep = 20 * 365 * 24 * time.Hour
)

func checkDelay(d *state.Document, fault *state.Fault) error {
	if fault.Delay <= 0 || fault.Delay > maxDelay {
		return invalid("delay needs a delay of at most %s, as in 40ms", maxDelay)
	}

	// a frame can't arrive before it was sent
	if fault.Jitter > fault.Delay {
		return invalid("delay: a jitter of %s is more than the delay of %s", fault.Jitter, fault.Delay)
	}

	return checkOneGroup(d, fault)
}

func checkClock(d *state.Document, fault *state.Fault) error {
	if fault.Step == 0 || fault.Step.Abs() > maxStep {
		return invalid("clock needs a step other than 0 and of at most %d hours, as in -1h", int(maxStep.Hours()))
	}

	return checkOneGroup(d, fault)
}

// linkDelays are the delays that all faults together put on links.
func linkDelays(d *state.Document) []LinkDelay {
	delays := []LinkDelay{}
	for _, fault := range d.Faults {
		if fault.Kind != state.FaultDelay {
			continue
		}

		delays = append(delays, LinkDelay{
			Droplets: slices.Clone(fault.Groups[0]),
			Network:  fault.Network,
			By:       fault.Delay,
			Jitter:   fault.Jitter,
		})
	}

	return delays
}

// applyClocks steps clocks as the faults say.
func (s *Server) applyClocks(ctx context.Context) error {
	s.faults.stepping.Lock()
	defer s.faults.stepping.Unlock()

	// the state is read under the mutex, so that the last call applies the last state
	return s.Machines.SetClocks(ctx, clockSteps(s.Store.View()))
}

// clockSteps are how far from the true time all faults together put the clocks of Droplets.
func clockSteps(d *state.Document) map[int]time.Duration {
	steps := map[int]time.Duration{}
	for _, fault := range d.Faults {
		if fault.Kind != state.FaultClock {
			continue
		}

		for _, id := range fault.Groups[0] {
			steps[id] += fault.Step
		}
	}

	return steps
}
