package fleet

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/hornero/hornero/internal/do"
)

// addressPause is at most between two looks at Droplets that are being made: one list shows them all.
const addressPause = 2 * time.Second

// awaitAddresses waits until Droplets are active and have their addresses, and returns them as last read; nil when one
// of them is gone. The API may say active before it has an address to tell.
func (f *Fleet) awaitAddresses(ctx context.Context, wanted []member) ([]member, error) {
	var seen []member

	err := do.Wait(ctx, "the Droplets of "+f.Stack.Name, func(ctx context.Context) (do.State, error) {
		all, err := f.members(ctx)
		if err != nil {
			return do.Pending, err
		}

		seen = nil

		for _, m := range wanted {
			now, there := dropletOf(all, m.Droplet.ID)

			// Whoever waits launches what is missing.
			if !there {
				seen = nil
				return do.Done, nil
			}

			if state, err := launched(now); state != do.Done {
				return state, err
			}

			seen = append(seen, now)
		}

		return do.Done, nil
	}, do.WaitOptions{Longest: addressPause})

	return seen, err
}

func dropletOf(members []member, id int) (member, bool) {
	for _, m := range members {
		if m.Droplet.ID == id {
			return m, true
		}
	}

	return member{}, false
}

// launched tells whether a Droplet is as its node can be asked.
func launched(m member) (do.State, error) {
	droplet := m.Droplet

	switch {
	// Off without a lock: no event is under way that would start it again.
	case droplet.Status == "off" && !droplet.Locked:
		return do.Errored, fmt.Errorf("%s: the Droplet went off", m.Node)

	case droplet.Status != "active" || droplet.Locked || m.public() == "" || m.private() == "":
		return do.Pending, do.Seen(
			"%s: status %s, locked %t, public address %q, private address %q",
			m.Node,
			droplet.Status,
			droplet.Locked,
			m.public(),
			m.private(),
		)
	}

	return do.Done, nil
}

// ensured looks for something, and makes it where it is missing. Somebody else may make it in between: the API refuses
// the second one, and the next look finds the first.
func ensured(ensure func() error) error {
	err := ensure()
	if do.Status(err) == http.StatusUnprocessableEntity {
		return ensure()
	}

	return err
}
