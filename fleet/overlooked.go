package fleet

import (
	"context"
	"fmt"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
)

// droplets lists the Droplets with the stack's tag. A list that lacks one which was seen last time is not believed: it
// may be late or cut short, and what is missing would be launched a second time.
func (f *Fleet) droplets(ctx context.Context) ([]godo.Droplet, error) {
	listed, err := do.DropletsByTag(ctx, f.Client, f.tag())
	if err != nil {
		return nil, err
	}

	known := map[int]bool{}
	for _, droplet := range listed {
		known[droplet.ID] = true
	}

	for _, node := range f.readSeen().Nodes {
		if known[node.DropletID] {
			continue
		}

		droplet, _, err := f.Client.Droplets.Get(ctx, node.DropletID)

		switch {
		case do.IsNotFound(err):
			continue
		case err != nil:
			return nil, fmt.Errorf("get Droplet %d of %s, which is not listed: %w", node.DropletID, node.Node, err)
		}

		// One whose tags were taken is not the stack's any more.
		if f.member(*droplet).Node == node.Node {
			listed = append(listed, *droplet)
		}
	}

	return listed, nil
}
