//go:generate go tool -modfile=../tools/packer-sdc/go.mod packer-sdc mapstructure-to-hcl2 -type PruneConfig

package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/digitalocean/godo"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/packer-plugin-sdk/common"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"

	"github.com/hornero/hornero/internal/catalog"
	"github.com/hornero/hornero/internal/do"
)

// PruneID is the post-processor's name, as templates write it.
const PruneID = "hornero-prune"

// PruneConfig is what the post-processor "hornero-prune" can be told.
type PruneConfig struct {
	common.PackerConfig `mapstructure:",squash"`
	CloudConfig         `mapstructure:",squash"`

	// Keep is how many images to keep of each role and release in a region. Default: 2.
	Keep *int `mapstructure:"keep"`
	// All prunes the images of every role and release. Default: those of the build's own.
	All bool `mapstructure:"all"`
	// DryRun only says what would be deleted.
	DryRun bool `mapstructure:"dry_run"`
	// RecordsDir is where the images' records are kept on this machine. Default: ~/.local/share/hornero/images.
	RecordsDir string `mapstructure:"records_dir"`

	ctx interpolate.Context
}

// PrunePostProcessor deletes images that are neither among a role's newest nor run by a Droplet.
type PrunePostProcessor struct{ config PruneConfig }

// ConfigSpec tells Packer the options.
func (p *PrunePostProcessor) ConfigSpec() hcldec.ObjectSpec {
	return p.config.FlatMapstructure().HCL2Spec()
}

// Configure reads and checks the configuration. It touches nothing.
func (p *PrunePostProcessor) Configure(raws ...any) error {
	c := &p.config
	var wrong problems

	options := &config.DecodeOpts{
		PluginType:         PruneID,
		Interpolate:        true,
		InterpolateContext: &c.ctx,
	}

	if err := config.Decode(c, options, raws...); err != nil {
		wrong = append(wrong, fmt.Errorf("read configuration: %w", err))
	}

	c.CloudConfig.setDefaults()

	wrong = append(wrong, c.CloudConfig.check()...)
	if c.keep() < 1 {
		wrong.add("keep", "must be 1 or more, got %d", c.keep())
	}

	// The token must not be in Packer's log, whoever writes to it.
	packersdk.LogSecretFilter.Set(c.APIToken)

	return errors.Join(wrong...)
}

func (c *PruneConfig) keep() int {
	if c.Keep == nil {
		return catalog.DefaultKeep
	}

	return *c.Keep
}

// PostProcess deletes what is surplus, and passes the artifact on. The image that was just built stays,
// whatever its age: a build that found nothing to bake may give an old one.
func (p *PrunePostProcessor) PostProcess(
	ctx context.Context,
	ui packersdk.Ui,
	artifact packersdk.Artifact,
) (packersdk.Artifact, bool, bool, error) {
	told, ours := builtOf(artifact)
	if !ours {
		const what = "prune images: %w: the artifact of %s is no image of a role"
		return artifact, true, true, fmt.Errorf(what, ErrConfig, artifact.BuilderId())
	}

	client, err := p.config.client()
	if err == nil {
		err = p.prune(ctx, ui, client, told)
	}

	if err != nil {
		// The new image is published, and stays the build's result.
		return artifact, true, true, fmt.Errorf("prune images: %w", do.ExplainRefusal(err))
	}

	return artifact, true, true, nil
}

func (p *PrunePostProcessor) prune(ctx context.Context, ui packersdk.Ui, client *godo.Client, told Built) error {
	// Before anything is deleted: an image's record goes with it.
	folder, err := RecipeConfig{RecordsDir: p.config.RecordsDir}.records()
	if err != nil {
		return err
	}

	images, err := catalog.List(ctx, client)
	if err != nil {
		return err
	}

	if !p.config.All {
		images = slices.DeleteFunc(images, func(image catalog.Image) bool {
			return image.Role != told.Role || image.Release != told.Release
		})
	}

	surplus := catalog.Surplus(images, p.config.keep())
	surplus = slices.DeleteFunc(surplus, func(image catalog.Image) bool {
		return image.ID == told.ID
	})

	say := func(what string, image catalog.Image) {
		ui.Say(what + " image " + strconv.Itoa(image.ID) + ", " + image.Name)
	}

	if p.config.DryRun {
		for _, image := range surplus {
			say("would delete", image)
		}

		return nil
	}

	gone, err := catalog.Prune(ctx, client, surplus, folder, func(image catalog.Image) {
		say("a Droplet runs by now, and so stays,", image)
	})

	for _, image := range gone {
		say("deleted", image)
	}

	return err
}
