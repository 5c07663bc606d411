package fleet

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// awaited is a load balancer that an Up waits for.
type awaited struct {
	balanced
	address string // where it is reached from here; "" until that is known
	waits   bool   // it has another target still, until all nodes of its role bear their tag
	answers bool   // it did once
	down    error  // why it did not when it was last asked
}

// errNoAddress is a load balancer that DigitalOcean is still making.
var errNoAddress = errors.New("it has no address yet")

// askBalancers asks each load balancer until it answered once, and returns why those do not that are left.
func (s *startup) askBalancers(ctx context.Context) []error {
	if err := s.findBalancers(ctx); err != nil {
		return []error{err}
	}

	asked := s.unanswered()

	// At once: one that hangs must not hold the others up.
	var group errgroup.Group

	for _, b := range asked {
		group.Go(func() error {
			b.down = errNoAddress
			if b.address != "" {
				b.down = b.ask(ctx, b.address)
			}

			return nil
		})
	}

	_ = group.Wait() // each keeps its own error

	var down []error

	for _, b := range asked {
		if b.down != nil {
			down = append(down, fmt.Errorf("%s: %w", b, b.down))
			continue
		}

		b.answers = true
		s.fleet.progress("%s: answers at %s after %.1f s", b, b.address, s.seconds())
	}

	if len(asked) > 0 && len(down) == 0 {
		s.took.First = s.seconds()
	}

	return down
}

// findBalancers looks up where the load balancers are whose addresses are not known yet.
func (s *startup) findBalancers(ctx context.Context) error {
	missing := false
	for _, b := range s.balancers {
		missing = missing || b.address == ""
	}

	// An address stays: the API is not asked for it again.
	if !missing {
		return nil
	}

	have, err := s.fleet.balancers(ctx)
	if err != nil {
		return err
	}

	for _, b := range s.balancers {
		if b.address, err = s.fleet.address(ctx, have, b.balanced); err != nil {
			return err
		}
	}

	return nil
}

func (s *startup) unanswered() []*awaited {
	var list []*awaited
	for _, b := range s.balancers {
		if !b.answers {
			list = append(list, b)
		}
	}

	return list
}

// address is that of the first load balancer; "" where there is none.
func (s *startup) address() string {
	if len(s.balancers) == 0 {
		return ""
	}

	return s.balancers[0].address
}
