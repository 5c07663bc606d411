package api_test

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/hornero/hornero/lab/api"
)

// balancers pretends to run load balancers.
type balancers struct {
	mutex   sync.Mutex
	applied map[string]api.Balancer
	broken  error
	panics  atomic.Bool
}

func (b *balancers) Apply(_ context.Context, balancer api.Balancer) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	if b.broken != nil {
		return b.broken
	}

	b.applied[balancer.ID] = balancer

	return nil
}

func (b *balancers) Remove(_ context.Context, id string) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	delete(b.applied, id)

	return nil
}

func (b *balancers) List() ([]string, error) {
	return b.ids(), nil
}

func (b *balancers) ids() []string {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	ids := []string{}

	for id := range b.applied {
		ids = append(ids, id)
	}

	return ids
}

func (b *balancers) Published(address netip.Addr) (string, bool) {
	if b.panics.Load() {
		panic("on purpose")
	}

	b.mutex.Lock()
	defer b.mutex.Unlock()

	for _, balancer := range b.applied {
		if balancer.Address == address {
			return "127.100.0.10", true
		}
	}

	return "", false
}

func (b *balancers) targets(id string) []int {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	ids := []int{}

	for _, target := range b.applied[id].Targets {
		ids = append(ids, target.DropletID)
	}

	return ids
}

// run is a load balancer as it was given to whoever runs it.
func (b *balancers) run(id string) api.Balancer {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.applied[id]
}
