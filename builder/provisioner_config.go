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
	options := &config.DecodeOpts{PluginType: ProvisionerID, Interpolate: true, InterpolateContext: &c.ctx}
	if err := config.Decode(c, options, raws...); err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	c.RecipeConfig.setDefaults(c.PackerBuildName)
	recipe, err := c.RecipeConfig.Load()
	if err != nil {
		return err
	}
	c.recipe = recipe
	return nil
}

// on is the recipe on what the builder made, if it says so; a template cannot know its name.
func (c *ProvisionerConfig) on(made any) (Recipe, error) {
	base, ok := made.(string)
	if !ok || c.Image != "" || base == c.recipe.Base {
		return c.recipe, nil
	}
	return c.RecipeConfig.on(base)
}
