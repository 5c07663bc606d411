//go:generate go tool -modfile=../tools/packer-sdc/go.mod packer-sdc mapstructure-to-hcl2 -type DatasourceConfig,DatasourceOutput

package builder

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/packer-plugin-sdk/common"
	"github.com/hashicorp/packer-plugin-sdk/hcl2helper"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/zclconf/go-cty/cty"

	"github.com/hornero/hornero/internal/catalog"
	"github.com/hornero/hornero/internal/do"
)

// DatasourceID is the data source's name, as templates write it.
const DatasourceID = "hornero-image"

// ErrNoImage is a data source that finds no image.
var ErrNoImage = errors.New("no such image")

// DatasourceConfig is what the data source "hornero-image" can be told.
type DatasourceConfig struct {
	common.PackerConfig `mapstructure:",squash"`
	CloudConfig         `mapstructure:",squash"`

	// Role is the role that the image is of.
	Role string `mapstructure:"role" required:"true"`
	// Release is the image's Debian release, as in "debian-13" (the default).
	Release string `mapstructure:"release"`
	// Digest is what the image is known by, or how that begins. Default: the newest image, whatever its digest.
	Digest string `mapstructure:"digest"`
	// Region is where the image must be. Default: anywhere.
	Region string `mapstructure:"region"`
}

// DatasourceOutput is what the data source tells.
type DatasourceOutput struct {
	// ID is the image's number.
	ID int `mapstructure:"id"`
	// Name is the image's name.
	Name string `mapstructure:"name"`
	// Digest is what the image is known by: the first 32 digits.
	Digest string `mapstructure:"digest"`
	// Role is the image's role.
	Role string `mapstructure:"role"`
	// Release is the image's Debian release.
	Release string `mapstructure:"release"`
	// Regions are where the image is.
	Regions []string `mapstructure:"regions"`
	// Created is when the image was made (RFC 3339).
	Created string `mapstructure:"created"`
}

// Datasource finds the image of a role.
type Datasource struct{ config DatasourceConfig }

// ConfigSpec tells Packer the options.
func (d *Datasource) ConfigSpec() hcldec.ObjectSpec {
	return d.config.FlatMapstructure().HCL2Spec()
}

// OutputSpec tells Packer what comes out.
func (d *Datasource) OutputSpec() hcldec.ObjectSpec {
	return new(DatasourceOutput).FlatMapstructure().HCL2Spec()
}

// digestForm is a digest or its beginning: of fewer digits there may be two.
var digestForm = regexp.MustCompile(`^[0-9a-f]{12,64}$`)

// Configure reads and checks the configuration. It touches nothing.
func (d *Datasource) Configure(raws ...any) error {
	c := &d.config
	var wrong problems

	if err := config.Decode(c, &config.DecodeOpts{PluginType: DatasourceID}, raws...); err != nil {
		wrong = append(wrong, fmt.Errorf("read configuration: %w", err))
	}

	// The token may come from the environment: it is checked after the defaults.
	c.CloudConfig.setDefaults()

	if c.Release == "" {
		c.Release = DefaultRelease
	}

	wrong = append(wrong, c.CloudConfig.check()...)
	if c.Role == "" {
		wrong.add("role", "must name the role that the image is of")
	}

	if c.Digest != "" && !digestForm.MatchString(c.Digest) {
		wrong.add("digest", "must be 12 to 64 hexadecimal digits, got %q", c.Digest)
	}

	if c.Region != "" && !slugForm.MatchString(c.Region) {
		wrong.add("region", "must be a slug, as in \"nyc3\", got %q", c.Region)
	}

	packersdk.LogSecretFilter.Set(c.APIToken)

	return errors.Join(wrong...)
}

// Execute asks the API.
func (d *Datasource) Execute() (cty.Value, error) {
	spec := d.OutputSpec()
	client, err := d.config.client()
	if err != nil {
		return cty.NullVal(hcldec.ImpliedType(spec)), err
	}

	// Packer gives data sources no context.
	images, err := catalog.List(context.Background(), client)
	if err != nil {
		return cty.NullVal(hcldec.ImpliedType(spec)), do.ExplainRefusal(err)
	}

	image, err := d.config.pick(images)
	if err != nil {
		return cty.NullVal(hcldec.ImpliedType(spec)), err
	}

	return hcl2helper.HCL2ValueFromConfig(DatasourceOutput{
		ID:      image.ID,
		Name:    image.Name,
		Digest:  image.Digest,
		Role:    image.Role,
		Release: image.Release,
		Regions: image.Regions,
		Created: image.Created.UTC().Format(time.RFC3339),
	}, spec), nil
}

// pick returns the newest image that is as told.
func (c *DatasourceConfig) pick(images []catalog.Image) (catalog.Image, error) {
	images = slices.DeleteFunc(images, func(image catalog.Image) bool {
		return !c.fits(image)
	})
	if len(images) == 0 {
		digest, region := withValue(" with digest ", c.Digest), withValue(" in ", c.Region)

		return catalog.Image{}, fmt.Errorf("%w: none of role %s and release %s%s%s: bake it, or look at what "+
			"there is with `hornero images list`",
			ErrNoImage, c.Role, c.Release, digest, region)
	}

	return slices.MaxFunc(images, func(a, b catalog.Image) int { return a.ID - b.ID }), nil
}

// fits tells whether an image is as told. Its tag holds only the beginning of the digest, so that a whole one is
// compared as far as that goes.
func (c *DatasourceConfig) fits(image catalog.Image) bool {
	digest := c.Digest[:min(len(c.Digest), len(image.Digest))]

	// One that a roll went back from is given only to who asks for its content.
	return image.Role == c.Role &&
		(!image.Rejected || digest != "") &&
		image.Release == c.Release &&
		(c.Region == "" || slices.Contains(image.Regions, c.Region)) &&
		strings.HasPrefix(image.Digest, digest)
}

func withValue(text, value string) string {
	if value == "" {
		return ""
	}

	return text + value
}
