package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
)

// sweep removes what builds that died left in the cloud. Without leftovers it only reads.
func (b *build) sweep(ctx context.Context) error {
	err := errors.Join(
		b.sweepDroplets(ctx),
		b.sweepImages(ctx),
		b.sweepKeys(ctx),
	)
	if err != nil {
		return err // the tags still tell whose the leftovers are
	}

	return b.sweepTags(ctx)
}

func (b *build) sweepDroplets(ctx context.Context) error {
	droplets, err := do.DropletsByTag(ctx, b.client, buildTag)
	if err != nil {
		return err
	}

	// Each failure is kept, and the rest is swept all the same.
	for _, droplet := range droplets {
		if !slices.ContainsFunc(droplet.Tags, b.ofDeadBuild) {
			continue
		}

		b.ui.Say(fmt.Sprintf(
			"removing Droplet %d, %s, which a dead build left",
			droplet.ID,
			droplet.Name,
		))

		options := b.config.wait(b.config.CleanupTimeout)
		err = errors.Join(err, do.DeleteDroplet(ctx, b.client, droplet.ID, options))
	}

	return err
}

func (b *build) ofDeadBuild(tag string) bool {
	owner, ours := ownerOf(tag)
	return ours && owner.dead(b.config.LeftoverAge)
}

func (b *build) sweepKeys(ctx context.Context) error {
	keys, err := do.Keys(ctx, b.client)
	if err != nil {
		return err
	}

	for _, key := range keys {
		if !b.ofDeadBuild(key.Name) {
			continue
		}

		_, failure := b.client.Keys.DeleteByID(ctx, key.ID)

		// Another build may sweep at the same time.
		if failure != nil && !do.IsNotFound(failure) {
			err = errors.Join(err, fmt.Errorf("delete SSH key %d: %w", key.ID, failure))
		}
	}

	return err
}

// sweepImages removes snapshots that a build made and ended before publishing: until then their name, or a tag
// of theirs, is the build's own.
func (b *build) sweepImages(ctx context.Context) error {
	images, err := do.UserImages(ctx, b.client)
	if err != nil {
		return err
	}

	for _, image := range images {
		left := b.ofDeadBuild(image.Name) || slices.ContainsFunc(image.Tags, b.ofDeadBuild)

		// A build may die between the digest's tag and taking its own off: that image is whole.
		if !left || isPublished(image) {
			continue
		}

		b.ui.Say(fmt.Sprintf(
			"removing image %d, %s, which a dead build did not finish",
			image.ID,
			image.Name,
		))

		options := b.config.wait(b.config.CleanupTimeout)
		err = errors.Join(err, do.DeleteImage(ctx, b.client, image.ID, options))
	}

	return err
}

// isPublished tells whether the image is complete, of whatever content: it gets its digest's tag last.
func isPublished(image godo.Image) bool {
	return slices.ContainsFunc(image.Tags, func(tag string) bool {
		return strings.HasPrefix(tag, "hornero:digest:")
	})
}

// sweepTags removes the tags of dead builds; a tag that is gone takes nothing with it.
func (b *build) sweepTags(ctx context.Context) error {
	tags, err := do.Tags(ctx, b.client)
	if err != nil {
		return err
	}

	for _, tag := range tags {
		// The API keeps a tag that nothing bears.
		if b.ofDeadBuild(tag.Name) {
			err = errors.Join(err, b.deleteTag(ctx, tag.Name))
		}
	}

	return err
}

func (b *build) deleteTag(ctx context.Context, tag string) error {
	if _, err := b.client.Tags.Delete(ctx, tag); err != nil && !do.IsNotFound(err) {
		return fmt.Errorf("delete tag %s: %w", tag, err)
	}

	return nil
}
