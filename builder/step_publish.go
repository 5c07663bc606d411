package builder

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/digitalocean/godo"
	"github.com/hashicorp/packer-plugin-sdk/multistep"

	"github.com/hornero/hornero/internal/do"
)

// stepShutdown turns the Droplet off, so that the snapshot holds everything that was written.
type stepShutdown struct{ *build }

func (s *stepShutdown) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	id := state.Get("droplet").(int)
	s.ui.Say("shutting down")

	// A shutdown asks the system to write out what it holds; only one that does not end is cut off.
	err := s.shutDown(ctx, id)
	if err == nil {
		return multistep.ActionContinue
	}

	// After Ctrl-C the Droplet is deleted anyway: nothing is to be saved by powering it off.
	if ctx.Err() != nil {
		return halt(state, err)
	}

	s.ui.Message(fmt.Sprintf("powering off: %v", err))

	if err := s.powerOff(ctx, id); err != nil {
		return halt(state, err)
	}

	return multistep.ActionContinue
}

func (s *stepShutdown) shutDown(ctx context.Context, id int) error {
	what := fmt.Sprintf("shut down Droplet %d", id)
	options := s.config.wait(s.config.ShutdownTimeout)
	shutDown := func(ctx context.Context) (*godo.Action, *godo.Response, error) {
		return s.client.DropletActions.Shutdown(ctx, id)
	}

	if _, err := do.Act(ctx, s.client, what, shutDown, options); err != nil {
		return err
	}

	// The action only sent the request: the system itself ends in its own time.
	_, err := do.WaitDropletStatus(ctx, s.client, id, "off", options)

	return err
}

func (s *stepShutdown) powerOff(ctx context.Context, id int) error {
	what := fmt.Sprintf("power off Droplet %d", id)
	options := s.config.wait(s.config.StateTimeout)
	powerOff := func(ctx context.Context) (*godo.Action, *godo.Response, error) {
		return s.client.DropletActions.PowerOff(ctx, id)
	}

	_, err := do.Act(ctx, s.client, what, powerOff, options)
	if err != nil && do.Status(err) != http.StatusUnprocessableEntity { // 422: it went off in the meantime
		return err
	}

	_, err = do.WaitDropletStatus(ctx, s.client, id, "off", options)

	return err
}

func (*stepShutdown) Cleanup(multistep.StateBag) {}

// stepSnapshot makes the image, under the build's own name: so another build can tell that it is nobody's when
// this one dies. Unless it is published the image is deleted again.
type stepSnapshot struct {
	*build
	began bool
}

func (s *stepSnapshot) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	id := state.Get("droplet").(int)
	s.ui.Say("taking the snapshot " + s.config.SnapshotName)

	// Set before the request: its answer may be lost, and the snapshot there.
	s.began = true
	options := s.config.wait(s.config.SnapshotTimeout)

	if err := do.Snapshot(ctx, s.client, id, s.owner.tag(), options); err != nil {
		return halt(state, err)
	}

	// The action tells no image: the Droplet lists its snapshots.
	image, err := s.find(ctx, id, options)
	if err != nil {
		return halt(state, err)
	}

	state.Put("image", image)

	return multistep.ActionContinue
}

// find waits until the Droplet shows its snapshot: the action names the Droplet only.
func (s *stepSnapshot) find(ctx context.Context, droplet int, options do.WaitOptions) (int, error) {
	var id int
	look := func(ctx context.Context) (do.State, error) {
		images, err := do.Snapshots(ctx, s.client, droplet)
		if err != nil {
			return do.Pending, err
		}

		at := slices.IndexFunc(images, func(image godo.Image) bool {
			return image.Name == s.owner.tag()
		})
		if at < 0 {
			return do.Pending, do.Seen(
				"the Droplet has %d snapshots, none of this name",
				len(images),
			)
		}

		id = images[at].ID

		return do.Done, nil
	}

	err := do.Wait(ctx, "the snapshot "+s.config.SnapshotName, look, options)

	return id, err
}

// Cleanup deletes the image of a build that did not end well: an image is published whole or not at all.
func (s *stepSnapshot) Cleanup(state multistep.StateBag) {
	if !s.began || marked(state, "artifact") {
		return
	}

	gone := s.cleanup("the snapshot "+s.config.SnapshotName, func(ctx context.Context) error {
		options := s.config.wait(s.config.CleanupTimeout)
		droplet := state.Get("droplet").(int)

		if _, err := do.WaitDropletStatus(ctx, s.client, droplet, "off", options); err != nil {
			return err // a snapshot that still runs shows no image to delete yet
		}

		images, err := do.Snapshots(ctx, s.client, droplet)
		if err != nil {
			return err
		}

		// The Droplet is the build's own: every snapshot of it is this step's.
		for _, image := range images {
			if err := do.DeleteImage(ctx, s.client, image.ID, options); err != nil {
				return err
			}
		}

		return nil
	})
	if !gone {
		state.Put(imageLeft, true)
	}
}

// imageLeft marks a build whose image could not be deleted.
const imageLeft = "image_left"

// stepPublish tags the image and names it, reads it back, and only then calls it done. A build that dies in the
// middle leaves an image that bears the build's own tag and no digest, or one that is whole.
type stepPublish struct{ *build }

func (s *stepPublish) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	image, err := s.publish(ctx, state.Get("image").(int))
	if err != nil {
		return halt(state, err)
	}

	state.Put("artifact", newArtifact(s.client, *image, s.config.recipe))
	s.ui.Say(fmt.Sprintf("published image %d, %s", image.ID, image.Name))

	return multistep.ActionContinue
}

func (s *stepPublish) publish(ctx context.Context, id int) (*godo.Image, error) {
	options := s.config.wait(s.config.SnapshotTimeout)

	// The build's own tag goes on first, while the name still is the build's: a dead build stays known by either.
	tags := slices.Concat([]string{s.owner.tag()}, s.config.recipe.Tags(), s.config.SnapshotTags)

	if err := do.TagImage(ctx, s.client, id, unique(tags), options); err != nil {
		return nil, err
	}

	if err := do.RenameImage(ctx, s.client, id, s.config.SnapshotName); err != nil {
		return nil, err
	}

	// The digest is what the next build looks for: from here on the image counts as whole.
	digest := []string{s.config.recipe.DigestTag()}

	if err := do.TagImage(ctx, s.client, id, digest, options); err != nil {
		return nil, err
	}

	// Last: an image with both tags is whole, and a sweep leaves it alone.
	if err := do.UntagImage(ctx, s.client, id, s.owner.tag()); err != nil {
		return nil, err
	}

	return s.readBack(ctx, id)
}

// readBack waits until the API shows the image as it was published.
func (s *stepPublish) readBack(ctx context.Context, id int) (*godo.Image, error) {
	var found *godo.Image
	look := func(ctx context.Context) (do.State, error) {
		image, _, err := s.client.Images.GetByID(ctx, id)
		switch {
		case do.IsNotFound(err):
			return do.Gone, err
		case err != nil:
			return do.Pending, err
		case image.Status == "deleted" || image.Status == "retired":
			return do.Errored, do.Seen("status %s %s", image.Status, image.ErrorMessage)

		case !s.isPublished(image):
			// The API may show an older state for a moment.
			return do.Pending, do.Seen(
				"status %s, regions %v, name %s",
				image.Status,
				image.Regions,
				image.Name,
			)
		}

		found = image

		return do.Done, nil
	}

	what := fmt.Sprintf("image %d to be available", id)
	err := do.Wait(ctx, what, look, s.config.wait(s.config.SnapshotTimeout))

	return found, err
}

func (s *stepPublish) isPublished(image *godo.Image) bool {
	return image.Status == imageAvailable &&
		image.Name == s.config.SnapshotName &&
		slices.Contains(image.Regions, s.config.Region)
}

func (*stepPublish) Cleanup(multistep.StateBag) {}
