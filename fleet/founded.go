package fleet

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/roles"
)

// markFounded tags the Droplets that may be the founder's once the peer set is there. One of them that is
// rebuilt in place has an empty disk and the user-data that told it to found; the metadata service shows it the
// tag.
func (f *Fleet) markFounded(ctx context.Context, members []member, known status.PeerSet) error {
	tag := cloudinit.FoundedTag(f.Stack.Name)
	var resources []godo.Resource

	for _, m := range members {
		mayFound := f.manifest(m.Role).Peers == roles.Member
		tagged := slices.Contains(m.Droplet.Tags, tag)

		if known.Founded != "" && mayFound && !tagged {
			resources = append(resources, godo.Resource{
				ID:   strconv.Itoa(m.Droplet.ID),
				Type: godo.DropletResourceType,
			})
		}
	}

	if len(resources) == 0 {
		return nil
	}

	if err := f.putTag(ctx, tag, resources); err != nil {
		return fmt.Errorf("tag the founder of the peer set: %w", err)
	}

	return nil
}
