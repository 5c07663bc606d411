package loadbalancer

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/hornero/hornero/internal/file"
)

// DefaultWatch is how often it is looked which targets are healthy, for rules that HAProxy does not carry out itself.
const DefaultWatch = 500 * time.Millisecond

// watch keeps the datagrams of one load balancer going to healthy targets. While no lab runs they go on to those that
// were healthy last.
type watch struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func (w *watch) stop() {
	w.cancel()
	<-w.done
}

// followDatagrams puts a load balancer's rules for datagrams in force, and keeps them so.
func (r *Runner) followDatagrams(ctx context.Context, balancer Balancer) error {
	// The old watch ends first: it would put the old rules in force again.
	r.unwatch(balancer.ID)
	mark := r.path(balancer.ID, datagramFile)

	// The file tells that an earlier configuration had such rules, which may still be in force.
	if len(balancer.datagramRules()) == 0 {
		if _, err := os.Stat(mark); errors.Is(err, fs.ErrNotExist) {
			return nil // it never had any
		}
		if err := r.places.Forward(ctx, station(balancer.ID), "", nil); err != nil {
			return err
		}

		return os.Remove(mark)
	}

	healthy := r.healthy(balancer)

	if err := r.forward(ctx, balancer, healthy); err != nil {
		return err
	}

	// The watch goes on after the call that started it; Close and Remove end it.
	following, cancel := context.WithCancel(context.Background())
	w := &watch{
		cancel: cancel,
		done:   make(chan struct{}),
	}

	r.watches[balancer.ID] = w

	go func() {
		defer close(w.done)

		r.watchHealth(following, balancer, healthy)
	}()

	return nil
}

func (r *Runner) unwatch(id string) {
	if w := r.watches[id]; w != nil {
		w.stop()
		delete(r.watches, id)
	}
}

func (r *Runner) healthy(balancer Balancer) []netip.Addr {
	states, err := r.ask(balancer.ID, showHealth)
	if err != nil {
		return nil // none is known to be healthy yet
	}

	return healthyTargets(balancer, states)
}

// forward writes the chains down, for a person to read and to know that there are some, and puts them in force.
func (r *Runner) forward(ctx context.Context, balancer Balancer, healthy []netip.Addr) error {
	chains := datagramChains(balancer, healthy)

	if _, err := file.Write(
		r.path(balancer.ID, datagramFile),
		[]byte(chains),
		file.Options{},
	); err != nil {
		return err
	}

	return r.places.Forward(ctx, station(balancer.ID), chains, healthy)
}

// watchHealth puts other chains in force whenever other targets are healthy. When HAProxy does not answer, as in the
// moment of a reload, all stays as it is.
func (r *Runner) watchHealth(ctx context.Context, balancer Balancer, last []netip.Addr) {
	ticker := time.NewTicker(DefaultWatch)
	defer ticker.Stop()

	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}

		states, err := r.ask(balancer.ID, showHealth)
		if err != nil || states == "" {
			continue
		}

		healthy := healthyTargets(balancer, states)
		if slices.Equal(healthy, last) {
			continue
		}

		if err := r.forward(ctx, balancer, healthy); err != nil {
			if ctx.Err() == nil {
				r.logger.Error("datagrams not passed on to the healthy targets",
					"balancer", balancer.ID,
					"err", err,
				)
			}

			continue // last stays as it was: the next look tries again
		}

		last = healthy

		r.logger.Info("datagrams go to other targets",
			"balancer", balancer.ID,
			"healthy", len(healthy),
		)
	}
}
