//go:generate packer-sdc mapstructure-to-hcl2 -type Config,ProvisionerConfig

package builder

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/digitalocean/godo"
	"github.com/hashicorp/packer-plugin-sdk/common"
	"github.com/hashicorp/packer-plugin-sdk/communicator"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"

	"github.com/hornero/hornero/internal/do"
)

// Defaults of Config.
const (
	DefaultRegion          = "nyc3"
	DefaultSize            = "s-1vcpu-1gb"
	DefaultStateTimeout    = 6 * time.Minute
	DefaultShutdownTimeout = 2 * time.Minute
	DefaultSnapshotTimeout = 60 * time.Minute
	DefaultCleanupTimeout  = 5 * time.Minute
	DefaultLeftoverAge     = 4 * time.Hour
	DefaultPollInterval    = do.DefaultInterval
)

// Config is what the builder "hornero-droplet" can be told.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`
	Comm                communicator.Config `mapstructure:",squash"`
	RecipeConfig        `mapstructure:",squash"`

	// APIURL is where the DigitalOcean API answers. Default: DIGITALOCEAN_API_URL, or DigitalOcean itself.
	APIURL string `mapstructure:"api_url"`
	// APIToken opens the API. Default: DIGITALOCEAN_ACCESS_TOKEN or DIGITALOCEAN_TOKEN.
	APIToken string `mapstructure:"api_token"`
	// Region is where the Droplet runs and the snapshot lies.
	Region string `mapstructure:"region"`
	// Size is the Droplet's size. The snapshot's least disk is this size's.
	Size string `mapstructure:"size"`
	// VPCUUID puts the Droplet into a VPC. Default: the region's default VPC.
	VPCUUID string `mapstructure:"vpc_uuid"`
	// DropletName is the Droplet's name while it is baked. Default: hornero-build-ROLE.
	DropletName string `mapstructure:"droplet_name"`
	// Tags are put on the Droplet besides the builder's own.
	Tags []string `mapstructure:"tags"`
	// SnapshotName is the image's name. Default: hornero-ROLE-RELEASE-DIGEST.
	SnapshotName string `mapstructure:"snapshot_name"`
	// SnapshotTags are put on the image besides the builder's own.
	SnapshotTags []string `mapstructure:"snapshot_tags"`
	// Force bakes even when an image with the same content is there.
	Force bool `mapstructure:"force"`
	// StateTimeout is how long the Droplet may take to become active.
	StateTimeout time.Duration `mapstructure:"state_timeout"`
	// ShutdownTimeout is how long the Droplet may take to shut down before it is powered off.
	ShutdownTimeout time.Duration `mapstructure:"shutdown_timeout"`
	// SnapshotTimeout is how long the snapshot may take.
	SnapshotTimeout time.Duration `mapstructure:"snapshot_timeout"`
	// CleanupTimeout is how long removing the Droplet and the key may take, each.
	CleanupTimeout time.Duration `mapstructure:"cleanup_timeout"`
	// LeftoverAge is when a Droplet of another machine's build counts as left behind.
	LeftoverAge time.Duration `mapstructure:"leftover_age"`
	// PollInterval is the first interval between two looks at the API; it grows.
	PollInterval time.Duration `mapstructure:"poll_interval"`

	ctx    interpolate.Context
	recipe Recipe
	start  godo.DropletCreateImage // what the Droplet is made from
}

// Prepare reads and checks the configuration. Every wrong option is an error of its own that names it.
func (c *Config) Prepare(raws ...any) (warnings []string, err error) {
	options := &config.DecodeOpts{PluginType: BuilderID, Interpolate: true, InterpolateContext: &c.ctx}
	if err := config.Decode(c, options, raws...); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	c.setDefaults()
	wrong := slices.Concat(c.Comm.Prepare(&c.ctx), c.check())
	recipe, err := c.RecipeConfig.Load()
	if err != nil {
		wrong = append(wrong, err)
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	c.recipe = recipe
	c.setNames()
	return nil, nil
}

func (c *Config) setDefaults() {
	c.RecipeConfig.setDefaults(c.PackerBuildName)
	c.APIURL = cmp.Or(c.APIURL, os.Getenv("DIGITALOCEAN_API_URL"), do.DefaultURL)
	c.APIToken = cmp.Or(c.APIToken, os.Getenv("DIGITALOCEAN_ACCESS_TOKEN"), os.Getenv("DIGITALOCEAN_TOKEN"))
	c.Region = cmp.Or(c.Region, DefaultRegion)
	c.Size = cmp.Or(c.Size, DefaultSize)
	c.StateTimeout = cmp.Or(c.StateTimeout, DefaultStateTimeout)
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, DefaultShutdownTimeout)
	c.SnapshotTimeout = cmp.Or(c.SnapshotTimeout, DefaultSnapshotTimeout)
	c.CleanupTimeout = cmp.Or(c.CleanupTimeout, DefaultCleanupTimeout)
	c.LeftoverAge = cmp.Or(c.LeftoverAge, DefaultLeftoverAge)
	c.PollInterval = cmp.Or(c.PollInterval, DefaultPollInterval)
	c.Comm.Type = cmp.Or(c.Comm.Type, "ssh")
	c.Comm.SSHUsername = cmp.Or(c.Comm.SSHUsername, "root")
	c.Comm.SSHTemporaryKeyPairType = cmp.Or(c.Comm.SSHTemporaryKeyPairType, "ed25519")
}

func (c *Config) setNames() {
	c.DropletName = cmp.Or(c.DropletName, "hornero-build-"+c.recipe.Role)
	c.SnapshotName = cmp.Or(c.SnapshotName, c.recipe.ImageName())
}

// tagForm is what a tag may be made of, and hostForm a Droplet's name (DigitalOcean's API description).
var (
	tagForm  = regexp.MustCompile(`^[a-zA-Z0-9_\-:]{1,255}$`)
	hostForm = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.\-]{0,251}[a-zA-Z0-9])?$`)
)

func (c *Config) check() []error {
	var wrong []error
	if _, err := do.NewClient(c.APIURL, c.APIToken, ""); errors.Is(err, do.ErrNoToken) {
		wrong = append(wrong, fmt.Errorf("api_token: %w: %w", ErrConfig, err))
	} else if err != nil {
		wrong = append(wrong, fmt.Errorf("api_url: %w: %w", ErrConfig, err))
	}
	if c.Comm.Type != "ssh" {
		wrong = append(wrong, fmt.Errorf("communicator: %w: must be \"ssh\", got %q", ErrConfig, c.Comm.Type))
	}
	if c.DropletName != "" && !hostForm.MatchString(c.DropletName) {
		wrong = append(wrong, fmt.Errorf("droplet_name: %w: letters, digits, dots and dashes only, got %q", ErrConfig, c.DropletName))
	}
	wrong = append(wrong, checkTags("tags", c.Tags)...)
	wrong = append(wrong, checkTags("snapshot_tags", c.SnapshotTags)...)
	return append(wrong, c.checkDurations()...)
}

func checkTags(option string, tags []string) []error {
	var wrong []error
	for _, tag := range tags {
		if !tagForm.MatchString(tag) {
			wrong = append(wrong, fmt.Errorf("%s: %w: a tag is 1 to 255 letters, digits, colons, dashes and underscores, got %q", option, ErrConfig, tag))
		}
	}
	return wrong
}

func (c *Config) checkDurations() []error {
	var wrong []error
	for _, option := range []struct {
		name  string
		value time.Duration
	}{
		{"state_timeout", c.StateTimeout}, {"shutdown_timeout", c.ShutdownTimeout}, {"snapshot_timeout", c.SnapshotTimeout},
		{"cleanup_timeout", c.CleanupTimeout}, {"leftover_age", c.LeftoverAge}, {"poll_interval", c.PollInterval},
	} {
		if option.value < 0 {
			wrong = append(wrong, fmt.Errorf("%s: %w: must be a time such as \"5m\", got %s", option.name, ErrConfig, option.value))
		}
	}
	return wrong
}

func (c *Config) wait(timeout time.Duration) do.WaitOptions {
	return do.WaitOptions{Timeout: timeout, Interval: c.PollInterval}
}
