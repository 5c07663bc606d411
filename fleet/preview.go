package fleet

import (
	"context"
	"fmt"
	"slices"

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

	kept, _ := current(all)
	known := f.peerSet(ctx, kept)
	others := slices.DeleteFunc(slices.Clone(kept), func(m member) bool {
		return m.Node == node.Name
	})
	join := f.consensus(others)
	founds := false
	if len(join) == 0 {
		missing := f.missing(others)
		founder := f.founder(missing)
		if founder < 0 {
			return cloudinit.Node{}, fmt.Errorf(
				"write document of %s: the stack has no node of a role that can found a peer set; add a group "+
					"with role db",
				node.Name,
			)
		}

		if founds = missing[founder].Name == node.Name; !founds {
			join = []string{"ADDRESS-OF-" + missing[founder].Name}
		}
	}

	return f.Document(node, next(known, all, node.Name), founds, join)
}
