package do

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/digitalocean/godo"
)

// DeleteImage deletes an image, again while an event is pending and after transient errors. One that is not there is no
// error.
func DeleteImage(
	ctx context.Context,
	client *godo.Client,
	id int,
	options WaitOptions,
) error {
	what := fmt.Sprintf("delete image %d", id)

	return remove(ctx, what, options, func(ctx context.Context) error {
		_, err := client.Images.Delete(ctx, id)
		return err
	})
}

// RenameImage gives an image another name.
func RenameImage(
	ctx context.Context,
	client *godo.Client,
	id int,
	name string,
) error {
	request := &godo.ImageUpdateRequest{Name: name}

	_, _, err := client.Images.Update(ctx, id, request)
	if err != nil {
		return fmt.Errorf("rename image %d to %s: %w", id, name, err)
	}

	return nil
}

// TagImage makes the tags that are missing, tags an image with each in order, and reads the image back: it
// returns nil only when the image bears them all.
func TagImage(
	ctx context.Context,
	client *godo.Client,
	id int,
	tags []string,
	options WaitOptions,
) error {
	for _, tag := range tags {
		// Only a tag that exists can be put on something.
		err := Repeat(ctx, "create tag "+tag, options, func(ctx context.Context) error {
			_, _, err := client.Tags.Create(ctx, &godo.TagCreateRequest{Name: tag})
			return err
		})
		if err != nil {
			return err
		}

		what := fmt.Sprintf("tag image %d with %s", id, tag)
		request := &godo.TagResourcesRequest{Resources: imageResource(id)}
		err = Repeat(ctx, what, options, func(ctx context.Context) error {
			_, err := client.Tags.TagResources(ctx, tag, request)
			return err
		})
		if err != nil {
			return err
		}
	}

	// That the calls succeeded is no proof: only the image itself tells.
	image, _, err := client.Images.GetByID(ctx, id)
	if err != nil {
		return fmt.Errorf("read image %d: %w", id, err)
	}

	for _, tag := range tags {
		if !slices.Contains(image.Tags, tag) {
			return fmt.Errorf("tag image %d: %w: %s", id, ErrNotTagged, tag)
		}
	}

	return nil
}

// imageResource is an image as the tags' requests name it.
func imageResource(id int) []godo.Resource {
	return []godo.Resource{
		{
			ID:   strconv.Itoa(id),
			Type: godo.ImageResourceType,
		},
	}
}

// UntagImage takes a tag from an image.
func UntagImage(ctx context.Context, client *godo.Client, id int, tag string) error {
	request := &godo.UntagResourcesRequest{Resources: imageResource(id)}
	_, err := client.Tags.UntagResources(ctx, tag, request)
	if err != nil {
		return fmt.Errorf("take tag %s from image %d: %w", tag, id, err)
	}

	return nil
}

// BeginTransfer asks for an image in one more region. The action is nil when a transfer there is under way already.
func BeginTransfer(
	ctx context.Context,
	client *godo.Client,
	id int,
	region string,
	options WaitOptions,
) (*godo.Action, error) {
	request := &godo.ActionRequest{
		"type":   "transfer",
		"region": region,
	}

	var begun *godo.Action
	what := fmt.Sprintf("transfer image %d to %s", id, region)
	err := Repeat(ctx, what, options, func(ctx context.Context) error {
		action, _, err := client.ImageActions.Transfer(ctx, id, request)
		begun = action

		return err
	})

	// After a lost answer the repeated request meets the transfer that the first one began.
	if underWay(err) {
		return nil, nil
	}

	return begun, err
}

// underWay tells whether the API refused a transfer because the same one goes on, or is over.
func underWay(err error) bool {
	if Status(err) != http.StatusUnprocessableEntity {
		return false
	}

	message := strings.ToLower(err.Error())

	return strings.Contains(message, "already")
}

// TransferImage makes an image available in one more region, and returns nil only when the API shows it there.
func TransferImage(
	ctx context.Context,
	client *godo.Client,
	id int,
	region string,
	options WaitOptions,
) error {
	what := fmt.Sprintf("transfer image %d to %s", id, region)
	action, err := BeginTransfer(ctx, client, id, region, options)
	if err == nil && action != nil {
		_, err = WaitAction(ctx, client, action.ID, options)
	}
	if err == nil {
		// A completed action is no proof: the image must show the region.
		err = waitRegion(ctx, client, id, region, options)
	}

	// BeginTransfer's errors say so already.
	if err != nil && !strings.HasPrefix(err.Error(), what) {
		return fmt.Errorf("%s: %w", what, err)
	}

	return err
}

func waitRegion(
	ctx context.Context,
	client *godo.Client,
	id int,
	region string,
	options WaitOptions,
) error {
	poll := func(ctx context.Context) (State, error) {
		image, _, err := client.Images.GetByID(ctx, id)

		switch {
		case IsNotFound(err):
			return Gone, err
		case err != nil:
			return Pending, err
		case !slices.Contains(image.Regions, region):
			return Pending, Seen("regions %v", image.Regions)
		}

		return Done, nil
	}

	what := fmt.Sprintf("image %d to be in %s", id, region)

	return Wait(ctx, what, poll, options)
}
