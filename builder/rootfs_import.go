package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/digitalocean/godo"
	"github.com/hashicorp/packer-plugin-sdk/multistep"

	"github.com/hornero/hornero/internal/do"
)

// stepUpload brings the disk to the Space. The object goes with the build, however it ends.
type stepUpload struct {
	*rootBuild
	key string
}

func (s *stepUpload) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	disk := state.Get("disk").(string)
	s.ui.Say("uploading it to the Space " + s.space.bucket)

	// Noted before the upload: a part of the object may be there when it fails.
	s.key = keyOf(s.owner, disk)

	if err := s.space.put(ctx, s.key, disk); err != nil {
		return halt(state, err)
	}

	state.Put("address", s.space.address(s.key))

	return multistep.ActionContinue
}

func (s *stepUpload) Cleanup(multistep.StateBag) {
	if s.key != "" {
		s.cleanup("the object "+s.key, func(ctx context.Context) error {
			return s.space.remove(ctx, s.key)
		})
	}
}

// stepImport lets DigitalOcean fetch the disk. Unless the build ends well the image is deleted again.
type stepImport struct {
	*rootBuild
	began bool
}

func (s *stepImport) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	region := s.config.ImageRegions[0]
	s.ui.Say(fmt.Sprintf("importing the image %s into %s", s.config.ImageName, region))

	// Set before the request: its answer may be lost, and the import begun.
	s.began = true

	request := &godo.CustomImageCreateRequest{
		Name:         s.config.ImageName,
		Url:          state.Get("address").(string),
		Region:       region,
		Distribution: s.config.ImageDistribution,
		Description:  s.config.ImageDescription,
		Tags:         []string{buildTag, s.owner.tag()},
	}
	create := func(ctx context.Context) (*godo.Image, error) {
		image, _, err := s.client.Images.Create(ctx, request)
		return image, err
	}

	what := "import image " + s.config.ImageName
	image, err := do.Ensure(ctx, what, s.config.wait(s.config.ImportTimeout), s.ours, create)
	if err != nil {
		return halt(state, err)
	}

	state.Put("image", image.ID)

	if _, err := s.available(ctx, image.ID, region); err != nil {
		return halt(state, err)
	}

	return multistep.ActionContinue
}

// ours is the image that this build's request began, when its answer was lost.
func (s *stepImport) ours(ctx context.Context) (*godo.Image, error) {
	images, err := do.ImagesByTag(ctx, s.client, s.owner.tag())
	if err != nil || len(images) == 0 {
		return nil, err
	}

	return &images[0], nil
}

// available waits until the image can be used in a region. The API's own word for why it cannot ends the wait.
func (b *rootBuild) available(ctx context.Context, id int, region string) (*godo.Image, error) {
	var found *godo.Image
	look := func(ctx context.Context) (do.State, error) {
		image, _, err := b.client.Images.GetByID(ctx, id)
		switch {
		case do.IsNotFound(err):
			return do.Gone, err
		case err != nil:
			return do.Pending, err

		case image.ErrorMessage != "" || image.Status == "deleted" || image.Status == "retired":
			// A failed import ends as "deleted", with the reason in the message.
			said := cmp.Or(image.ErrorMessage, "nothing")
			return do.Errored, do.Seen("the API says: %s (status %s)", said, image.Status)

		case image.Status != imageAvailable || !slices.Contains(image.Regions, region):
			return do.Pending, do.Seen("status %s, regions %v", image.Status, image.Regions)
		}

		found = image

		return do.Done, nil
	}

	what := fmt.Sprintf("image %d to be available in %s", id, region)
	err := do.Wait(ctx, what, look, b.config.wait(b.config.ImportTimeout))

	return found, err
}

// Cleanup deletes every image that bears this build's tag, also one whose creation's answer was lost.
func (s *stepImport) Cleanup(state multistep.StateBag) {
	// Once the artifact is there the image is published, and stays.
	if !s.began || marked(state, "artifact") {
		return
	}

	s.cleanup("the image "+s.config.ImageName, func(ctx context.Context) error {
		images, err := do.ImagesByTag(ctx, s.client, s.owner.tag())
		ids := map[int]bool{}

		for _, image := range images {
			ids[image.ID] = true
		}

		if id, ok := state.Get("image").(int); ok {
			ids[id] = true
		}

		options := s.config.wait(s.config.CleanupTimeout)

		for id := range ids {
			err = errors.Join(err, do.DeleteImage(ctx, s.client, id, options))
		}

		_, failure := s.client.Tags.Delete(ctx, s.owner.tag())
		if failure != nil && !do.IsNotFound(failure) {
			err = errors.Join(err, fmt.Errorf("delete tag %s: %w", s.owner.tag(), failure))
		}

		return err
	})
}

// sweepImages deletes images that a build began to import and ended before publishing. One that is complete
// only loses the build's tags.
func (b *rootBuild) sweepImages(ctx context.Context) error {
	images, err := do.ImagesByTag(ctx, b.client, buildTag)
	if err != nil {
		return err
	}

	for _, image := range images {
		at := slices.IndexFunc(image.Tags, func(tag string) bool {
			owner, ours := ownerOf(tag)
			return ours && owner.dead(b.config.LeftoverAge)
		})
		if at < 0 {
			continue
		}

		if !isPublished(image) {
			b.ui.Say(fmt.Sprintf(
				"removing image %d, %s, which a dead build did not finish",
				image.ID,
				image.Name,
			))

			options := b.config.wait(b.config.CleanupTimeout)
			err = errors.Join(err, do.DeleteImage(ctx, b.client, image.ID, options))
		}

		err = errors.Join(err, b.removeBuildTags(ctx, image.ID, image.Tags[at]))
	}

	return err
}

// stepRootPublish tags the image as a Droplet's snapshot is tagged, reads it back, and only then calls it done.
// The digest's tag is the last.
type stepRootPublish struct{ *rootBuild }

func (s *stepRootPublish) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	id := state.Get("image").(int)

	if err := s.tag(ctx, id); err != nil {
		return halt(state, err)
	}

	image, err := s.available(ctx, id, s.config.ImageRegions[0])
	if err != nil {
		return halt(state, err)
	}

	disk := ""
	if s.config.OutputDir != "" {
		disk = state.Get("disk").(string)
	}

	state.Put("artifact", s.artifact(image, disk, true))
	s.ui.Say(fmt.Sprintf("published image %d, %s", image.ID, image.Name))

	// Not the build's failure: the image is published, and the next sweep takes the tags off.
	if err := s.removeBuildTags(ctx, id, s.owner.tag()); err != nil {
		s.ui.Error(fmt.Sprintf("the next build does so: %v", err))
	}

	return multistep.ActionContinue
}

func (*stepRootPublish) Cleanup(multistep.StateBag) {}

// stepRootTransfer brings the published image to its other regions. When that does not end well the image
// stays: the next build of the same content transfers it to where it is missing.
type stepRootTransfer struct{ *rootBuild }

func (s *stepRootTransfer) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	if err := s.transfer(ctx, state.Get("artifact").(*RootfsArtifact)); err != nil {
		return halt(state, err)
	}

	return multistep.ActionContinue
}

func (*stepRootTransfer) Cleanup(multistep.StateBag) {}

// transfer brings the artifact's image to all regions. The artifact is then as the API shows it.
func (b *rootBuild) transfer(ctx context.Context, made *RootfsArtifact) error {
	all := transfers{
		client:  b.client,
		ui:      b.ui,
		recipe:  b.config.recipe,
		regions: b.config.ImageRegions,
		wait:    true,
		options: b.config.wait(b.config.ImportTimeout),
	}

	image, err := all.of(ctx, made.Image)
	made.Image, made.told = image, image.told

	return err
}

// tag puts the digest's tag on last: an image that bears it is complete.
func (s *stepRootPublish) tag(ctx context.Context, id int) error {
	tags := slices.Concat(
		s.config.recipe.Tags(),
		s.config.ImageTags,
		[]string{s.config.recipe.DigestTag()},
	)

	return do.TagImage(ctx, s.client, id, unique(tags), s.config.wait(s.config.ImportTimeout))
}

// removeBuildTags takes the build's own tags off a complete image.
func (b *rootBuild) removeBuildTags(ctx context.Context, id int, owner string) error {
	resource := godo.Resource{
		ID:   strconv.Itoa(id),
		Type: godo.ImageResourceType,
	}
	request := &godo.UntagResourcesRequest{Resources: []godo.Resource{resource}}

	// buildTag is every build's: only this image is taken off it. The owner's tag goes as a whole.
	_, err := b.client.Tags.UntagResources(ctx, buildTag, request)
	if err == nil {
		_, err = b.client.Tags.Delete(ctx, owner)
	}

	if err != nil && !do.IsNotFound(err) {
		return fmt.Errorf("take the build's tags off image %d: %w", id, err)
	}

	return nil
}
