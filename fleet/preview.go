package fleet

import (
	"context"
	"fmt"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/stack"
)

// Preview is the document that a node would be launched with now, as if its Droplet were gone; keys and
// certificates are made for it as for any launch.
func (f *Fleet) Preview(ctx context.Context, node stack.Node) (cloudinit.Node, error) {
	all, err := f.members(ctx)
	if err != nil {
		return cloudinit.Node{}, err
	}

	// A launch would find the node's own Droplet gone.
	kept, _ := current(all)
	known := f.peerSet(ctx, kept)
	others := without(kept, node.Name)

	founder, err := f.founder(f.askAll(ctx, others), f.missing(others))
	if err != nil {
		return cloudinit.Node{}, fmt.Errorf("write document of %s: %w", node.Name, err)
	}

	incarnation := nextIncarnation(known, all, node.Name)

	return f.Document(node, incarnation, founder == node.Name, f.consensus(others))
}
