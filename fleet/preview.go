package fleet

import (
	"context"
	"fmt"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/stack"
)

// Preview is the document that a node would be launched with now, as if its Droplet were gone; keys and
// certificates are made for it as for any launch. Where the member to join is not launched yet, its address is
// a word that names it.
func (f *Fleet) Preview(ctx context.Context, node stack.Node) (cloudinit.Node, error) {
	all, err := f.members(ctx)
	if err != nil {
		return cloudinit.Node{}, err
	}

	// A launch would find the node's own Droplet gone.
	kept, _ := current(all)
	known := f.peerSet(ctx, kept)
	others := without(kept, node.Name)

	join := f.consensus(others)
	founds := false

	if len(join) == 0 {
		missing := f.missing(others)
		founder := f.founder(missing)
		if founder < 0 {
			return cloudinit.Node{}, fmt.Errorf("write document of %s: %w", node.Name, errNoFounder)
		}

		name := missing[founder].Name
		founds = name == node.Name

		if !founds {
			join = []string{"ADDRESS-OF-" + name}
		}
	}

	return f.Document(node, nextIncarnation(known, all, node.Name), founds, join)
}
