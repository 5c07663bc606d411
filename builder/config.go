//go:generate go tool -modfile=../tools/packer-sdc/go.mod packer-sdc mapstructure-to-hcl2 -type Config,ProvisionerConfig,ImageFilter

package builder

import (
	"cmp"
	"errors"
	"fmt"
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
	DefaultTransferTimeout = 2 * time.Hour // one hour and twenty minutes has been seen
	DefaultCleanupTimeout  = 5 * time.Minute
	DefaultLeftoverAge     = 4 * time.Hour
	DefaultPollInterval    = do.DefaultInterval
)

// Config is what the builder "hornero-droplet" can be told.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`
	Comm                communicator.Config `mapstructure:",squash"`
	RecipeConfig        `mapstructure:",squash"`
	CloudConfig         `mapstructure:",squash"`

	// ImageFilter names the base image by what it is like, instead of image.
	ImageFilter ImageFilter `mapstructure:"image_filter"`
	// Region is where the Droplet runs and the snapshot lies.
	Region string `mapstructure:"region"`
	// Size is the Droplet's size. The snapshot's least disk is this size's.
	Size string `mapstructure:"size"`
	// VPCUUID puts the Droplet into a VPC. Default: the region's default VPC.
	VPCUUID string `mapstructure:"vpc_uuid"`
	// Monitoring puts DigitalOcean's metrics agent on the Droplet.
	Monitoring bool `mapstructure:"monitoring"`
	// IPv6 gives the Droplet a public IPv6 address, too.
	IPv6 bool `mapstructure:"ipv6"`
	// DropletAgent is whether DigitalOcean's console agent is installed. Default: where the base image can have it.
	DropletAgent *bool `mapstructure:"droplet_agent"`
	// UserData is given to the Droplet, at most 64 KiB.
	UserData string `mapstructure:"user_data"`
	// UserDataFile is a file of user-data, instead of UserData.
	UserDataFile string `mapstructure:"user_data_file"`
	// ConnectWithPrivateIP reaches the Droplet at its address in its VPC.
	ConnectWithPrivateIP bool `mapstructure:"connect_with_private_ip"`
	// SSHKeyID is an SSH key of the account that the Droplet gets, too.
	SSHKeyID int `mapstructure:"ssh_key_id"`
	// SSHKeyIDs are more of them, by id or fingerprint.
	SSHKeyIDs []string `mapstructure:"ssh_key_ids"`
	// DropletName is the Droplet's name while it is baked. Default: hornero-build-ROLE.
	DropletName string `mapstructure:"droplet_name"`
	// Tags are put on the Droplet besides the builder's own.
	Tags []string `mapstructure:"tags"`
	// SnapshotName is the image's name. Default: hornero-ROLE-RELEASE-DIGEST.
	SnapshotName string `mapstructure:"snapshot_name"`
	// SnapshotTags are put on the image besides the builder's own.
	SnapshotTags []string `mapstructure:"snapshot_tags"`
	// SnapshotRegions are more regions that the image is to be in.
	SnapshotRegions []string `mapstructure:"snapshot_regions"`
	// WaitSnapshotTransfer is whether the build ends only when the image is in all regions. Default: true.
	WaitSnapshotTransfer *bool `mapstructure:"wait_snapshot_transfer"`
	// TransferTimeout is how long the image may take to come to one more region.
	TransferTimeout time.Duration `mapstructure:"transfer_timeout"`
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

	ctx         interpolate.Context
	userData    string // UserData, or what is in UserDataFile
	dropletData string // userData and the host key
	hostKey     hostKey
	recipe      Recipe
	start       godo.DropletCreateImage // what the Droplet is made from
}

// Prepare reads and checks the configuration. Every wrong option is an error of its own that names it.
func (c *Config) Prepare(raws ...any) (warnings []string, err error) {
	options := &config.DecodeOpts{
		PluginType:         BuilderID,
		Interpolate:        true,
		InterpolateContext: &c.ctx,
	}

	var wrong []error

	// Not the end: the other options are checked as well, so that one run tells all.
	if err := config.Decode(c, options, raws...); err != nil {
		wrong = append(wrong, fmt.Errorf("read configuration: %w", err))
	}

	if c.PackerBuildName == "" && len(wrong) > 0 {
		return nil, errors.Join(wrong...) // nothing was read that could be checked
	}

	c.setDefaults()

	wrong = slices.Concat(wrong, c.Comm.Prepare(&c.ctx), c.check())
	load := c.RecipeConfig.Load
	if !c.ImageFilter.isEmpty() {
		load = c.RecipeConfig.loadLater // the filter tells the base when the build runs
	}

	recipe, err := load()
	if err != nil {
		wrong = append(wrong, err)
	}

	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}

	// The names come last: they are made of the recipe's digest.
	c.recipe = recipe
	c.setNames()

	return nil, nil
}

func (c *Config) setDefaults() {
	c.RecipeConfig.setDefaults(c.PackerBuildName)
	c.CloudConfig.setDefaults()

	c.Region = cmp.Or(c.Region, DefaultRegion)
	c.Size = cmp.Or(c.Size, DefaultSize)
	c.StateTimeout = cmp.Or(c.StateTimeout, DefaultStateTimeout)
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, DefaultShutdownTimeout)
	c.SnapshotTimeout = cmp.Or(c.SnapshotTimeout, DefaultSnapshotTimeout)
	c.TransferTimeout = cmp.Or(c.TransferTimeout, DefaultTransferTimeout)
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

func (c *Config) wait(timeout time.Duration) do.WaitOptions {
	return do.WaitOptions{Timeout: timeout, Interval: c.PollInterval}
}

// waitsForTransfers tells whether the build ends only when the image is in all regions.
func (c *Config) waitsForTransfers() bool {
	return c.WaitSnapshotTransfer == nil || *c.WaitSnapshotTransfer
}

// regions are all that the image is to be in, the one that it is baked in first.
func (c *Config) regions() []string {
	return unique(slices.Concat([]string{c.Region}, c.SnapshotRegions))
}
