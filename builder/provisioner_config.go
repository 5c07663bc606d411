package builder

import (
	"fmt"

	"github.com/hashicorp/packer-plugin-sdk/common"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"
)

// ProvisionerConfig is what the provisioner "hornero-role" can be told: what the builder is told about the image.
type ProvisionerConfig struct {
	common.PackerConfig `mapstructure:",squash"`
	RecipeConfig        `mapstructure:",squash"`

	ctx    interpolate.Context
	recipe Recipe
}

// Prepare reads and checks the configuration.
func (c *ProvisionerConfig) Prepare(raws ...any) error {
	options := &config.DecodeOpts{
		PluginType:         ProvisionerID,
		Interpolate:        true,
		InterpolateContext: &c.ctx,
	}

	if err := config.Decode(c, options, raws...); err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}

	c.RecipeConfig.setDefaults(c.PackerBuildName)

	// hornero-rootfs tells its base only when it runs.
	recipe, err := c.RecipeConfig.loadLater()
	if err != nil {
		return err
	}

	c.recipe = recipe

	return nil
}

// laterBase stands for a base that is told only when the build runs.
const laterBase = "told-by-the-builder"

// loadLater is Load where the base may be told later: a release without one of its own is no error yet.
func (c RecipeConfig) loadLater() (Recipe, error) {
	release, err := LoadRelease(c.Release)
	if err == nil && release.Base == "" && c.Image == "" {
		c.Image = laterBase
	}

	return c.Load()
}

// on is the recipe on what the builder made, if it says so; a template cannot know its name. When nobody said
// what the base is the error tells what to do.
func (c *ProvisionerConfig) on(made any) (Recipe, error) {
	base, told := made.(string)
	if c.Image != "" || base == c.recipe.Base || !told && c.recipe.Base != laterBase {
		return c.recipe, nil
	}

	return c.RecipeConfig.on(base)
}
