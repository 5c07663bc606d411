package api

import (
	"net/http"
	"time"

	"github.com/hornero/hornero/lab/state"
)

// resizeEvery is how often a load balancer may change its size; it may not in its first hour either.
const resizeEvery = time.Hour

// checkBalancerName refuses a name that another load balancer of the account has.
func checkBalancerName(d *state.Document, balancer state.LoadBalancer) error {
	for _, other := range d.LoadBalancers {
		if other.Name == balancer.Name && other.ID != balancer.ID {
			return invalid("a load balancer named %q is there already", balancer.Name)
		}
	}

	return nil
}

// begins marks a load balancer as busy with a change, for as long as the lab's delays say.
func (s *Server) begins(balancer *state.LoadBalancer) {
	balancer.Busy = time.Time{}

	if s.Delays.Balancer > 0 {
		balancer.Busy = s.Now().Add(s.Delays.Balancer)
	}
}

// checkIdle refuses a change of a load balancer that is busy with another.
func (s *Server) checkIdle(balancer state.LoadBalancer) error {
	if s.Now().Before(balancer.Busy) {
		// clients wait for the end of it by these words
		return failure(http.StatusForbidden, "Load Balancer can't be updated while it processes previous actions")
	}

	return nil
}

// resizeBalancer notes when a load balancer got another size, or refuses it: the cloud changes one once an hour.
func (s *Server) resizeBalancer(before state.LoadBalancer, after *state.LoadBalancer) error {
	if before.SizeUnit == after.SizeUnit {
		return nil
	}

	last := before.Created
	if before.Resized.After(last) {
		last = before.Resized
	}

	next := last.Add(resizeEvery)
	if s.Now().Before(next) {
		return invalid(
			"a load balancer can be resized once an hour; the next time is %s",
			next.UTC().Format(time.RFC3339),
		)
	}

	after.Resized = s.now()

	return nil
}
