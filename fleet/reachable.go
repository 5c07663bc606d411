package fleet

import "context"

// reachable lists where the stack's nodes are, one Droplet a node: for commands that only talk to nodes.
func (f *Fleet) reachable(ctx context.Context) ([]member, error) {
	all, err := f.members(ctx)
	if err != nil {
		return nil, err
	}

	members, _ := current(all)

	return members, nil
}
