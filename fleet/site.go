package fleet

import "context"

// Sites are where visitors come in: the load balancers of stack.yaml in its order, also those that are not made yet.
func (f *Fleet) Sites(ctx context.Context) ([]BalancerLine, error) { return f.balancerLines(ctx) }
