package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
)

// checkBalancerNames refuses names that load balancers of others have: the API takes no second one of a name.
func (f *Fleet) checkBalancerNames(ctx context.Context) error {
	taken, err := f.takenNames(ctx)
	if err != nil || len(taken) == 0 {
		return err
	}

	return fmt.Errorf("make load balancer %s: %w: %s", taken[0].name, ErrNameTaken, taken[0].reason)
}

// takenNames are the load balancers of stack.yaml that cannot be made.
func (f *Fleet) takenNames(ctx context.Context) ([]unusable, error) {
	if len(f.Stack.AllBalancers()) == 0 {
		return nil, nil
	}

	all, err := do.LoadBalancers(ctx, f.Client)
	if err != nil {
		return nil, err
	}

	ours, err := f.ourBalancers(ctx, all)
	if err != nil {
		return nil, err
	}

	var taken []unusable

	for _, b := range f.Stack.AllBalancers() {
		name := f.balancerName(b.Name)

		// Beside one of ours there may be another: the API of earlier days took two.
		if len(named(ours, name)) > 0 {
			continue
		}

		other := slices.IndexFunc(all, func(is godo.LoadBalancer) bool { return is.Name == name })
		if other < 0 {
			continue
		}

		taken = append(taken, unusable{
			kind: KindBalancer,
			name: name,
			reason: fmt.Sprintf("%s sends to %s; write another name into stack.yaml, under balancers",
				all[other].ID, cmp.Or(all[other].Tag, "Droplets of a list")),
		})
	}

	return taken, nil
}

// wantedNames adds the load balancers that cannot be made to what is wanted.
func (f *Fleet) wantedNames(ctx context.Context, w *wanted) error {
	taken, err := f.takenNames(ctx)
	w.unusable = append(w.unusable, taken...)

	return err
}
