package do

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/digitalocean/godo"
)

// WaitDropletActive waits until a Droplet is active, unlocked and has its public address, and returns it as last read.
func WaitDropletActive(ctx context.Context, client *godo.Client, id int, options WaitOptions) (*godo.Droplet, error) {
	return waitDroplet(ctx, client, id, "to be active with an address", options, func(d *godo.Droplet) (State, error) {
		address, _ := d.PublicIPv4() // its error says that there is none yet
		switch {
		case d.Status == "off" && !d.Locked:
			return Errored, Seen("the Droplet went off")
		case d.Status != "active" || d.Locked || address == "":
			return Pending, Seen("status %s, locked %t, public address %q", d.Status, d.Locked, address)
		}
		return Done, nil
	})
}

// WaitDropletStatus waits until a Droplet has a status ("off", "active") and no event runs on it.
func WaitDropletStatus(ctx context.Context, client *godo.Client, id int, status string, options WaitOptions) (*godo.Droplet, error) {
	return waitDroplet(ctx, client, id, "to be "+status, options, func(d *godo.Droplet) (State, error) {
		if d.Status != status || d.Locked {
			return Pending, Seen("status %s, locked %t", d.Status, d.Locked)
		}
		return Done, nil
	})
}

func waitDroplet(ctx context.Context, client *godo.Client, id int, what string, options WaitOptions, look func(*godo.Droplet) (State, error)) (*godo.Droplet, error) {
	var found *godo.Droplet
	err := Wait(ctx, fmt.Sprintf("Droplet %d %s", id, what), func(ctx context.Context) (State, error) {
		droplet, _, err := client.Droplets.Get(ctx, id)
		if IsNotFound(err) {
			return Gone, err
		}
		if err != nil {
			return Pending, err
		}
		found = droplet
		return look(droplet)
	}, options)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// WaitDropletGone waits until the API no longer knows a Droplet.
func WaitDropletGone(ctx context.Context, client *godo.Client, id int, options WaitOptions) error {
	return Wait(ctx, fmt.Sprintf("Droplet %d to be gone", id), func(ctx context.Context) (State, error) {
		droplet, _, err := client.Droplets.Get(ctx, id)
		switch {
		case IsNotFound(err):
			return Done, nil
		case err != nil:
			return Pending, err
		}
		return Pending, Seen("status %s, locked %t", droplet.Status, droplet.Locked)
	}, options)
}

// WaitAction waits until an action is completed, and returns it as last read.
func WaitAction(ctx context.Context, client *godo.Client, id int, options WaitOptions) (*godo.Action, error) {
	var found *godo.Action
	err := Wait(ctx, fmt.Sprintf("action %d", id), func(ctx context.Context) (State, error) {
		action, _, err := client.Actions.Get(ctx, id)
		if err != nil {
			return Pending, err
		}
		found = action
		switch action.Status {
		case godo.ActionCompleted:
			return Done, nil
		case "errored":
			return Errored, fmt.Errorf("%s of %s %d", action.Type, action.ResourceType, action.ResourceID)
		}
		return Pending, Seen("%s is %s", action.Type, action.Status)
	}, options)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// Act asks for an action, again while another event is pending, and waits until it is completed.
func Act(ctx context.Context, client *godo.Client, what string, ask func(context.Context) (*godo.Action, *godo.Response, error), options WaitOptions) (*godo.Action, error) {
	var asked *godo.Action
	err := settled(ctx, what, options, func(ctx context.Context) error {
		action, _, err := ask(ctx)
		asked = action
		return err
	})
	if err != nil {
		return nil, err
	}
	done, err := WaitAction(ctx, client, asked.ID, options)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return done, nil
}

// DeleteDroplet deletes a Droplet, again while an event is pending, and waits until it is gone. One that is not there is
// no error.
func DeleteDroplet(ctx context.Context, client *godo.Client, id int, options WaitOptions) error {
	err := settled(ctx, fmt.Sprintf("delete Droplet %d", id), options, func(ctx context.Context) error {
		_, err := client.Droplets.Delete(ctx, id)
		return err
	})
	if err != nil && !IsNotFound(err) {
		return err
	}
	return WaitDropletGone(ctx, client, id, options)
}

// DeleteImage deletes an image, again while an event is pending. One that is not there is no error.
func DeleteImage(ctx context.Context, client *godo.Client, id int, options WaitOptions) error {
	err := settled(ctx, fmt.Sprintf("delete image %d", id), options, func(ctx context.Context) error {
		_, err := client.Images.Delete(ctx, id)
		return err
	})
	if err != nil && !IsNotFound(err) {
		return err
	}
	return nil
}

// settled does something that the API refuses while another event is pending, until it is taken.
func settled(ctx context.Context, what string, options WaitOptions, try func(context.Context) error) error {
	err := Wait(ctx, "pending events to end", func(ctx context.Context) (State, error) {
		err := try(ctx)
		switch {
		case err == nil:
			return Done, nil
		case IsPending(err):
			return Pending, Seen("%v", err)
		}
		return Errored, err
	}, options)
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, unwaited(err))
}

// unwaited gives the API's own answer when the wait ended because of it: nobody waited for anything then.
func unwaited(err error) error {
	var answer *godo.ErrorResponse
	if errors.As(err, &answer) {
		return answer
	}
	return err
}

// TagImage makes the tags that are missing, tags an image with each in order, and reads the image back: it returns nil
// only when the image bears them all.
func TagImage(ctx context.Context, client *godo.Client, id int, tags []string) error {
	for _, tag := range tags {
		if _, _, err := client.Tags.Create(ctx, &godo.TagCreateRequest{Name: tag}); err != nil {
			return fmt.Errorf("create tag %s: %w", tag, err)
		}
		resource := godo.Resource{ID: strconv.Itoa(id), Type: godo.ImageResourceType}
		if _, err := client.Tags.TagResources(ctx, tag, &godo.TagResourcesRequest{Resources: []godo.Resource{resource}}); err != nil {
			return fmt.Errorf("tag image %d with %s: %w", id, tag, err)
		}
	}
	image, _, err := client.Images.GetByID(ctx, id)
	if err != nil {
		return fmt.Errorf("read image %d: %w", id, err)
	}
	for _, tag := range tags {
		if !slices.Contains(image.Tags, tag) {
			return fmt.Errorf("tag image %d: %w", id, fmt.Errorf("%w: %s", ErrNotTagged, tag))
		}
	}
	return nil
}
