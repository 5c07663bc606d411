package fleet

import "context"

// isStray tells a Droplet that has the stack's tag and is no node's: somebody tagged it, or edited its tags. Nobody
// knows what it is, so it is left alone.
func (m member) isStray() bool { return m.Node == "" || m.Role == "" }

// tellStrays names the Droplets that have the stack's tag and are left alone.
func (f *Fleet) tellStrays(ctx context.Context) error {
	droplets, err := f.droplets(ctx)
	if err != nil {
		return err
	}

	for _, droplet := range droplets {
		if f.member(droplet).isStray() {
			f.progress(
				"Droplet %d (%s) has the tag %s and is no node's: it is left alone; remove the tag, or the Droplet",
				droplet.ID,
				droplet.Name,
				f.tag(),
			)
		}
	}

	return nil
}
