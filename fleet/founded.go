package fleet

import (
	"context"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/status"
)

// markFounded tags the Droplets that may be the founder's once the peer set is there. One of them that is
// rebuilt in place has an empty disk and the user-data that told it to found; the metadata service shows it the
// tag.
func (f *Fleet) markFounded(ctx context.Context, members []member, known status.PeerSet) error {
	tag := cloudinit.FoundedTag(f.Stack.Name)
	var founders []member

	for _, m := range members {
		mayFound := f.isMember(m.Node, m.Role, known)

		if known.Founded != "" && mayFound && !m.bears(tag) {
			founders = append(founders, m)
		}
	}

	if len(founders) == 0 {
		return nil
	}

	return f.putTag(ctx, tag, founders)
}
