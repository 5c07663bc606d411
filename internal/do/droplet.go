package do

import (
	"context"
	"fmt"
	"slices"

	"github.com/digitalocean/godo"
)

// WaitDropletActive waits until a Droplet is active, unlocked and has its public address, and returns it as
// last read.
func WaitDropletActive(
	ctx context.Context,
	client *godo.Client,
	id int,
	options WaitOptions,
) (*godo.Droplet, error) {
	return waitActive(ctx, client, id, "public", (*godo.Droplet).PublicIPv4, options)
}

// WaitDropletAddressed waits until a Droplet is active, unlocked and has both its addresses, and returns it as last
// read. The API is known to show a Droplet as active before it shows any address, or only one of them.
func WaitDropletAddressed(
	ctx context.Context,
	client *godo.Client,
	id int,
	options WaitOptions,
) (*godo.Droplet, error) {
	both := func(d *godo.Droplet) (string, error) {
		public, _ := d.PublicIPv4()   // "" while it has none
		private, _ := d.PrivateIPv4() // "" while it has none

		if public == "" || private == "" {
			return "", nil
		}

		return public + " and " + private, nil
	}

	return waitActive(ctx, client, id, "public and private", both, options)
}

// WaitDropletInVPC waits until a Droplet is active, unlocked and has its address in its VPC, and returns it as
// last read.
func WaitDropletInVPC(
	ctx context.Context,
	client *godo.Client,
	id int,
	options WaitOptions,
) (*godo.Droplet, error) {
	return waitActive(ctx, client, id, "private", (*godo.Droplet).PrivateIPv4, options)
}

func waitActive(
	ctx context.Context,
	client *godo.Client,
	id int,
	kind string,
	addressOf func(*godo.Droplet) (string, error),
	options WaitOptions,
) (*godo.Droplet, error) {
	look := func(d *godo.Droplet) (State, error) {
		address, _ := addressOf(d) // its error says that there is none yet

		// Off without a lock: no event is under way that would start it again.
		switch {
		case d.Status == "off" && !d.Locked:
			return Errored, Seen("the Droplet went off")

		case d.Status != "active" || d.Locked || address == "":
			return Pending, Seen("status %s, locked %t, %s address %q", d.Status, d.Locked, kind, address)
		}

		return Done, nil
	}

	return waitDroplet(ctx, client, id, "to be active with an address", options, look)
}

// WaitDropletStatus waits until a Droplet has a status ("off", "active") and no event runs on it.
func WaitDropletStatus(
	ctx context.Context,
	client *godo.Client,
	id int,
	status string,
	options WaitOptions,
) (*godo.Droplet, error) {
	look := func(d *godo.Droplet) (State, error) {
		if d.Status != status || d.Locked {
			return Pending, Seen("status %s, locked %t", d.Status, d.Locked)
		}

		return Done, nil
	}

	return waitDroplet(ctx, client, id, "to be "+status, options, look)
}

// WaitDropletFeature waits until a Droplet shows that a feature ("backups") is on or off, and no event runs on it.
func WaitDropletFeature(
	ctx context.Context,
	client *godo.Client,
	id int,
	feature string,
	on bool,
	options WaitOptions,
) (*godo.Droplet, error) {
	look := func(d *godo.Droplet) (State, error) {
		if slices.Contains(d.Features, feature) != on || d.Locked {
			return Pending, Seen("features %v, locked %t", d.Features, d.Locked)
		}

		return Done, nil
	}

	return waitDroplet(ctx, client, id, "to show "+feature, options, look)
}

func waitDroplet(
	ctx context.Context,
	client *godo.Client,
	id int,
	what string,
	options WaitOptions,
	look func(*godo.Droplet) (State, error),
) (*godo.Droplet, error) {
	var found *godo.Droplet
	poll := func(ctx context.Context) (State, error) {
		// It was there: a Droplet that vanishes while it is waited for was deleted by somebody.
		droplet, _, err := client.Droplets.Get(ctx, id)
		if IsNotFound(err) {
			return Gone, err
		}
		if err != nil {
			return Pending, err
		}

		found = droplet

		return look(droplet)
	}

	what = fmt.Sprintf("Droplet %d %s", id, what)
	err := Wait(ctx, what, poll, options)
	if err != nil {
		return nil, err
	}

	return found, nil
}

// WaitDropletGone waits until the API no longer knows a Droplet.
func WaitDropletGone(
	ctx context.Context,
	client *godo.Client,
	id int,
	options WaitOptions,
) error {
	poll := func(ctx context.Context) (State, error) {
		droplet, _, err := client.Droplets.Get(ctx, id)

		switch {
		case IsNotFound(err):
			return Done, nil
		case err != nil:
			return Pending, err
		}

		return Pending, Seen("status %s, locked %t", droplet.Status, droplet.Locked)
	}

	what := fmt.Sprintf("Droplet %d to be gone", id)

	return Wait(ctx, what, poll, options)
}

// maxMissing is how often in a row a wait takes an action that the API does not know for one that it does not show
// yet: about ten seconds with the default intervals.
const maxMissing = 8

// WaitAction waits until an action is completed, and returns it as last read. Its error wraps ErrGone when the API does
// not come to know the action: whether it was carried out, only the resource tells.
func WaitAction(
	ctx context.Context,
	client *godo.Client,
	id int,
	options WaitOptions,
) (*godo.Action, error) {
	var found *godo.Action
	missing := 0

	poll := func(ctx context.Context) (State, error) {
		action, _, err := client.Actions.Get(ctx, id)

		switch {
		case IsNotFound(err) && missing < maxMissing:
			missing++
			return Pending, Seen("%v", err)
		case IsNotFound(err):
			return Gone, err
		case err != nil:
			return Pending, err
		}

		missing = 0
		found = action

		switch action.Status {
		case godo.ActionCompleted:
			return Done, nil

		// An action that errored stays in the list for ever: polling on would only end at the timeout.
		case "errored":
			return Errored, fmt.Errorf("%s of %s %d", action.Type, action.ResourceType, action.ResourceID)
		}

		return Pending, Seen("%s is %s", action.Type, action.Status)
	}

	what := fmt.Sprintf("action %d", id)
	err := Wait(ctx, what, poll, options)
	if err != nil {
		return nil, err
	}

	return found, nil
}

// Act asks for an action, again while another event is pending, and waits until it is completed.
func Act(
	ctx context.Context,
	client *godo.Client,
	what string,
	ask func(context.Context) (*godo.Action, *godo.Response, error),
	options WaitOptions,
) (*godo.Action, error) {
	var asked *godo.Action
	err := afterPending(ctx, what, options, func(ctx context.Context) error {
		action, _, err := ask(ctx)
		asked = action

		return err
	})
	if err != nil {
		return nil, err
	}

	// The API takes an action before it does it: only its end tells whether it worked.
	done, err := WaitAction(ctx, client, asked.ID, options)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}

	return done, nil
}

// Snapshot takes a snapshot of a Droplet, one even when an answer is lost, and waits until its action is completed.
func Snapshot(
	ctx context.Context,
	client *godo.Client,
	droplet int,
	name string,
	options WaitOptions,
) error {
	look := func(ctx context.Context) (*godo.Action, error) {
		return snapshotUnderWay(ctx, client, droplet)
	}

	create := func(ctx context.Context) (*godo.Action, error) {
		action, _, err := client.DropletActions.Snapshot(ctx, droplet, name)
		return action, err
	}

	// A second snapshot costs minutes and money; a running one is looked for when an answer is lost.
	what := fmt.Sprintf("snapshot Droplet %d", droplet)
	action, err := Ensure(ctx, what, options, look, create)
	if err != nil {
		return err
	}

	_, err = WaitAction(ctx, client, action.ID, options)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}

	return nil
}

// snapshotUnderWay returns the newest snapshot's action that goes on or is completed, or nil.
func snapshotUnderWay(
	ctx context.Context,
	client *godo.Client,
	droplet int,
) (*godo.Action, error) {
	read := func(ctx context.Context, page *godo.ListOptions) ([]godo.Action, *godo.Response, error) {
		return client.Droplets.Actions(ctx, droplet, page)
	}

	actions, err := Pages(ctx, read)
	var newest *godo.Action

	for i, action := range actions {
		// One that errored left no image, so that another is to be taken.
		if action.Type != "snapshot" || action.Status == "errored" {
			continue
		}

		if newest == nil || action.ID > newest.ID {
			newest = &actions[i]
		}
	}

	return newest, listed(fmt.Sprintf("actions of Droplet %d", droplet), err)
}

// DeleteDroplet deletes a Droplet, again while an event is pending and after transient errors, and waits until it is
// gone. One that is not there is no error.
func DeleteDroplet(
	ctx context.Context,
	client *godo.Client,
	id int,
	options WaitOptions,
) error {
	what := fmt.Sprintf("delete Droplet %d", id)
	err := remove(ctx, what, options, func(ctx context.Context) error {
		_, err := client.Droplets.Delete(ctx, id)
		return err
	})
	if err != nil {
		return err
	}

	// The API confirms a deletion before it is done, and lists the Droplet for a while.
	return WaitDropletGone(ctx, client, id, options)
}
