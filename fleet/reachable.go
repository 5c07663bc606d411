package fleet

import "context"

// reachable lists where the stack's nodes are, one Droplet a node: for commands that only talk to nodes. They work
// without the API, from what was seen last.
func (f *Fleet) reachable(ctx context.Context) ([]member, error) {
	found, err := f.sight(ctx)
	if err != nil {
		return nil, err
	}

	if found.down != nil {
		f.tellOnce("down", "%s", found.line())
	}

	return found.members, nil
}
