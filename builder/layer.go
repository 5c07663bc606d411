package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/roles"
)

// ErrNoLayer is a role whose layer has no image to bake it on.
var ErrNoLayer = errors.New("the layer beneath is not baked")

func (c RecipeConfig) checkLayer() error {
	if c.Layer != "" && c.Layer != roles.Common {
		return fmt.Errorf(
			"layer: %w: must be %q or left out, got %q",
			ErrConfig,
			roles.Common,
			c.Layer,
		)
	}

	return nil
}

// loadLayer reads the recipe of the image beneath: what a build of that role, told the same, would bake. The
// role common has nothing beneath but the base image, whatever it is told.
func (r *Recipe) loadLayer(c RecipeConfig) error {
	if c.Layer == "" || c.Layer == c.Role {
		return nil
	}

	c.Role, c.Layer = c.Layer, ""
	layer, err := c.Load()
	r.Layer = &layer

	return err
}

// beneath names what the image is baked on.
func (r Recipe) beneath() string {
	if r.Layer == nil {
		return r.Base
	}

	return r.Layer.ImageName()
}

// newManifests are those that the layer beneath was not made of.
func (r Recipe) newManifests() []*roles.Manifest {
	if r.Layer == nil {
		return r.Manifests
	}

	return r.Manifests[len(r.Layer.Manifests):]
}

// newFiles are those that the layer beneath does not have, or has otherwise.
func (r Recipe) newFiles() ([]installed, error) {
	files, err := r.files()
	if err != nil || r.Layer == nil {
		return files, err
	}

	// What the layer has already is neither sent nor written again.
	there, err := r.Layer.files()

	return slices.DeleteFunc(files, func(file installed) bool {
		return slices.ContainsFunc(there, file.equal)
	}), err
}

func (i installed) equal(other installed) bool {
	return i.path == other.path &&
		i.mode == other.mode &&
		i.owner == other.owner &&
		bytes.Equal(i.data, other.data)
}

// startImage is what the Droplet is made from: the layer's image, or the base image.
func (b *Builder) startImage(ctx context.Context, client *godo.Client) (godo.DropletCreateImage, error) {
	recipe := b.config.recipe
	if recipe.Layer == nil {
		return imageOf(recipe.Base), nil
	}

	// Only in the bake's region: a Droplet is made of an image that is where it is.
	image, err := published(ctx, client, *recipe.Layer, []string{b.config.Region})
	if err == nil && image == nil {
		err = fmt.Errorf("%w: no image %s in %s: bake it first, as `make images` does (packer build "+
			"-only='common.*' images)",
			ErrNoLayer, recipe.Layer.ImageName(), b.config.Region)
	}

	if err != nil {
		return godo.DropletCreateImage{}, err
	}

	return godo.DropletCreateImage{ID: image.ID}, nil
}
