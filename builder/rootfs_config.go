//go:generate go tool -modfile=../tools/packer-sdc/go.mod packer-sdc mapstructure-to-hcl2 -type RootfsConfig

package builder

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/packer-plugin-sdk/common"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"

	"github.com/hornero/hornero/builder/rootfs"
	"github.com/hornero/hornero/internal/do"
)

// Defaults of RootfsConfig.
const (
	DefaultDiskSize      = "3G"
	DefaultOutputDir     = "output"
	DefaultWorkDir       = "/var/tmp"
	DefaultDistribution  = "Debian"
	DefaultImportTimeout = 30 * time.Minute
)

// RootfsConfig is what the builder "hornero-rootfs" can be told.
type RootfsConfig struct {
	common.PackerConfig `mapstructure:",squash"`
	RecipeConfig        `mapstructure:",squash"`
	CloudConfig         `mapstructure:",squash"`

	// Format of the disk: "qcow2" (the default) or "raw".
	Format string `mapstructure:"format"`
	// Size of the disk, as in "3G" (the default) or "2500M". A Droplet's file system grows to its disk at its
	// first boot.
	Size string `mapstructure:"size"`
	// Compress packs the disk by gzip. Default: true when it is uploaded.
	Compress *bool `mapstructure:"compress"`
	// OutputDir is where the disk is left. Default: "output", or nowhere when it is uploaded.
	OutputDir string `mapstructure:"output_dir"`
	// WorkDir is where the system is made, in a folder that goes with the build. Default: /var/tmp.
	WorkDir string `mapstructure:"work_dir"`
	// Sources are lines of sources.list(5), for the bake and for the image. Default: the release's suites, from
	// where this machine's own apt finds Debian.
	Sources []string `mapstructure:"sources"`
	// Keyring is a file or folder with the keys that sign Sources. Default: the release's own.
	Keyring string `mapstructure:"keyring"`
	// AptOptions are lines of apt.conf(5), for the bake and for the image.
	AptOptions []string `mapstructure:"apt_options"`

	// SpaceName is the Space that the disk is imported through. Without one the disk is all that is made.
	SpaceName string `mapstructure:"space_name"`
	// SpacesRegion is the Space's region. Default: nyc3.
	SpacesRegion string `mapstructure:"spaces_region"`
	// SpacesURL is where the Space's region answers. Default: https://REGION.digitaloceanspaces.com.
	SpacesURL string `mapstructure:"spaces_url"`
	// SpacesKey and SpacesSecret open the Space. Default: DIGITALOCEAN_SPACES_ACCESS_KEY and
	// DIGITALOCEAN_SPACES_SECRET_KEY.
	SpacesKey    string `mapstructure:"spaces_key"`
	SpacesSecret string `mapstructure:"spaces_secret"`
	// ImageName is the image's name. Default: hornero-ROLE-RELEASE-DIGEST.
	ImageName string `mapstructure:"image_name"`
	// ImageDescription is told with the image.
	ImageDescription string `mapstructure:"image_description"`
	// ImageDistribution is what the image is told to be of. Default: Debian.
	ImageDistribution string `mapstructure:"image_distribution"`
	// ImageTags are put on the image besides the builder's own.
	ImageTags []string `mapstructure:"image_tags"`
	// ImageRegions are where the image is to be; it is imported into the first. Default: the Space's region.
	ImageRegions []string `mapstructure:"image_regions"`
	// Force bakes even when there is an image or a disk with the same content.
	Force bool `mapstructure:"force"`
	// ImportTimeout is how long the import, and each transfer to another region, may take.
	ImportTimeout time.Duration `mapstructure:"import_timeout"`
	// CleanupTimeout is how long removing what is left in the cloud may take.
	CleanupTimeout time.Duration `mapstructure:"cleanup_timeout"`
	// LeftoverAge is when something of another machine's build counts as left behind.
	LeftoverAge time.Duration `mapstructure:"leftover_age"`
	// PollInterval is the first interval between two looks at the API; it grows.
	PollInterval time.Duration `mapstructure:"poll_interval"`

	ctx     interpolate.Context
	release Release
	recipe  Recipe
	bytes   int64 // of the disk
}

// Prepare reads and checks the configuration. Every wrong option is an error of its own that names it.
func (c *RootfsConfig) Prepare(raws ...any) error {
	options := &config.DecodeOpts{
		PluginType:         RootfsID,
		Interpolate:        true,
		InterpolateContext: &c.ctx,
	}

	if err := config.Decode(c, options, raws...); err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}

	c.setDefaults()

	// Before the recipe is loaded: checkRelease names the base, which the digest covers.
	wrong := append(c.check(), c.checkRelease()...)

	recipe, err := c.RecipeConfig.Load()
	if err != nil {
		wrong = append(wrong, err)
	}

	if err := errors.Join(wrong...); err != nil {
		return err
	}

	c.recipe = recipe
	c.ImageName = cmp.Or(c.ImageName, recipe.ImageName())

	return nil
}

// imports tells whether the disk becomes an image in the cloud.
func (c *RootfsConfig) imports() bool { return c.SpaceName != "" }

func (c *RootfsConfig) setDefaults() {
	c.RecipeConfig.setDefaults(c.PackerBuildName)
	c.CloudConfig.setDefaults()

	c.Format = cmp.Or(c.Format, rootfs.QCow2)
	c.Size = cmp.Or(c.Size, DefaultDiskSize)
	c.WorkDir = cmp.Or(c.WorkDir, DefaultWorkDir)

	if c.Compress == nil {
		// It saves time on the way to the Space; a disk that stays here has no such way.
		packed := c.imports()
		c.Compress = &packed
	}

	c.SpacesRegion = cmp.Or(c.SpacesRegion, DefaultRegion)
	c.SpacesURL = cmp.Or(c.SpacesURL, "https://"+c.SpacesRegion+".digitaloceanspaces.com")
	c.SpacesKey = cmp.Or(c.SpacesKey, os.Getenv("DIGITALOCEAN_SPACES_ACCESS_KEY"))
	c.SpacesSecret = cmp.Or(c.SpacesSecret, os.Getenv("DIGITALOCEAN_SPACES_SECRET_KEY"))
	c.ImageDistribution = cmp.Or(c.ImageDistribution, DefaultDistribution)

	if len(c.ImageRegions) == 0 {
		c.ImageRegions = []string{c.SpacesRegion}
	}

	// Named twice, a region would get two transfers.
	c.ImageRegions = unique(c.ImageRegions)

	if !c.imports() {
		c.OutputDir = cmp.Or(c.OutputDir, DefaultOutputDir)
	}

	c.ImportTimeout = cmp.Or(c.ImportTimeout, DefaultImportTimeout)
	c.CleanupTimeout = cmp.Or(c.CleanupTimeout, DefaultCleanupTimeout)
	c.LeftoverAge = cmp.Or(c.LeftoverAge, DefaultLeftoverAge)
	c.PollInterval = cmp.Or(c.PollInterval, DefaultPollInterval)
}

// sizeForm is a number of megabytes or gigabytes.
var sizeForm = regexp.MustCompile(`^([1-9][0-9]{0,6})([MG])$`)

// maxBytes is how large a custom image may be (DigitalOcean, "Custom Images Limits").
const maxBytes = 100 << 30

func (c *RootfsConfig) check() []error {
	var wrong problems
	if c.Format != rootfs.Raw && c.Format != rootfs.QCow2 {
		wrong.add("format", "must be \"raw\" or \"qcow2\", got %q", c.Format)
	}

	if parts := sizeForm.FindStringSubmatch(c.Size); parts != nil {
		number, _ := strconv.ParseInt(parts[1], 10, 64) // the form holds digits only, and few
		c.bytes = number << map[string]int{"M": 20, "G": 30}[parts[2]]
	}

	if c.bytes < rootfs.LeastSize || c.bytes > maxBytes {
		wrong.add(
			"size",
			"must be a size from 64M to 100G such as \"3G\" or \"2500M\", got %q",
			c.Size,
		)
	}

	if c.Layer != "" {
		wrong.add("layer", "there is none beneath a system that is made from nothing; leave it out")
	}

	if c.Image != "" {
		wrong.add(
			"image",
			"there is none beneath a system that is made from nothing; leave it out, or bake with hornero-droplet",
		)
	}

	if !filepath.IsAbs(c.WorkDir) {
		wrong.add("work_dir", "must be an absolute path, got %q", c.WorkDir)
	}

	wrong = append(wrong, c.checkPackages()...)
	wrong = append(wrong, checkTags("image_tags", c.ImageTags)...)
	if c.imports() {
		wrong = append(wrong, c.checkImport()...)
	}

	return append(wrong, c.checkDurations()...)
}

// sourceForm is a line of sources.list(5) in its one-line form, of packages; unsignedForm and unsignedOption
// are what lets apt take packages that nobody signed, there and in apt.conf(5).
var (
	sourceForm   = regexp.MustCompile(`^deb(\s+\[[^\]]+\])?\s+[a-z+]+:\S+\s+\S+(\s+\S+)*$`)
	unsignedForm = regexp.MustCompile(
		`(?i)^deb\s+\[([^\]]*\s)?(trusted|allow-(insecure|weak|downgrade-to-insecure))\s*=`,
	)
	unsignedOption = regexp.MustCompile(
		`(?i)AllowUnauthenticated|AllowInsecureRepositories|AllowWeakRepositories|AllowDowngradeToInsecureRepositories`,
	)
)

// checkPackages checks where packages come from. Signatures are always checked.
func (c *RootfsConfig) checkPackages() []error {
	var wrong problems

	// Ignored they would leave an image whose packages come from elsewhere than told.
	for option, told := range map[string]string{
		"mirror":          c.Mirror,
		"security_mirror": c.SecurityMirror,
	} {
		if told != "" {
			wrong.add(
				option,
				"is of a base image's sources; here say sources = [\"deb %s SUITE COMPONENT...\"]",
				told,
			)
		}
	}

	for _, line := range c.Sources {
		switch {
		case !sourceForm.MatchString(line) || strings.Contains(line, "\n"):
			wrong.add("sources",
				"must be lines of sources.list, \"deb [OPTIONS] ADDRESS SUITE COMPONENT...\", got %q", line)

		case unsignedForm.MatchString(line):
			wrong.add("sources", "signatures are always checked: leave trusted= and allow-...= out, and name "+
				"the archive's keys by keyring, got %q", line)
		}
	}

	for _, line := range c.AptOptions {
		if unsignedOption.MatchString(line) {
			wrong.add("apt_options",
				"signatures are always checked: leave it out, and name the archive's keys by keyring, got %q", line)
		}
	}

	return wrong
}

// spaceForm is a bucket's name (DigitalOcean's API description).
var (
	spaceForm  = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	regionForm = regexp.MustCompile(`^[a-z]{3}[0-9]$`)
)

func (c *RootfsConfig) checkImport() []error {
	var wrong problems
	if !spaceForm.MatchString(c.SpaceName) {
		wrong.add("space_name", "must be a Space's name, got %q", c.SpaceName)
	}

	if c.SpacesKey == "" {
		wrong.add(
			"spaces_key",
			"no key of Spaces: set DIGITALOCEAN_SPACES_ACCESS_KEY or spaces_key",
		)
	}

	if c.SpacesSecret == "" {
		wrong.add(
			"spaces_secret",
			"no secret of the Spaces key: set DIGITALOCEAN_SPACES_SECRET_KEY or spaces_secret",
		)
	}

	for _, region := range append([]string{c.SpacesRegion}, c.ImageRegions...) {
		if !regionForm.MatchString(region) {
			wrong.add(
				"spaces_region, image_regions",
				"must be regions such as \"nyc3\", got %q",
				region,
			)
		}
	}

	if !isEndpoint(c.SpacesURL) {
		wrong.add(
			"spaces_url",
			"must be the address of an S3 endpoint without a bucket, got %q",
			c.SpacesURL,
		)
	}

	return append(wrong, c.CloudConfig.check()...)
}

// isEndpoint tells whether a text is the address of a server, and of nothing on it.
func isEndpoint(text string) bool {
	address, err := url.Parse(text)

	return err == nil &&
		address.Host != "" &&
		(address.Scheme == "http" || address.Scheme == "https") &&
		strings.Trim(address.Path, "/") == ""
}

func (c *RootfsConfig) checkDurations() []error {
	var wrong problems
	for name, value := range map[string]time.Duration{
		"import_timeout":  c.ImportTimeout,
		"cleanup_timeout": c.CleanupTimeout,
		"leftover_age":    c.LeftoverAge,
		"poll_interval":   c.PollInterval,
	} {
		if value < 0 {
			wrong.add(name, "must be a time such as \"5m\", got %s", value)
		}
	}

	return wrong
}

// checkRelease reads the release, and names the system that is made of it as the recipe's base. What is wrong
// with the release's name is told by the recipe.
func (c *RootfsConfig) checkRelease() []error {
	release, err := LoadRelease(c.Release)
	if err != nil {
		return nil
	}

	c.release = release
	c.Image = fmt.Sprintf("%s-%dM-%.8s", c.spec(nil).Name(), c.bytes>>20, Digest(c.diskParts()))

	return nil
}

// diskParts are what makes another disk of the same system, besides its size. In which format DigitalOcean got
// it the image does not tell; a disk's file does by its name.
func (c *RootfsConfig) diskParts() map[string][]byte {
	// No other input of the digest shows them.
	parts := map[string][]byte{"ext4_features": []byte(strings.Join(c.release.Ext4Features, ","))}
	if c.imports() {
		parts["format"] = []byte(c.Format)
	}

	return parts
}

// spec is the system that the release is before the role comes to it.
func (c *RootfsConfig) spec(sources []string) rootfs.Spec {
	return rootfs.Spec{
		Suite:      c.release.Suite,
		Components: c.release.Components,
		Packages:   c.release.BootPackages,
		Sources:    sources,
		Keyring:    cmp.Or(c.Keyring, c.release.Keyring),
		AptOptions: c.aptOptions(),
		UUID:       rootfs.UUIDOf(c.recipe.Digest),
	}
}

func (c *RootfsConfig) aptOptions() []string {
	if !c.release.Archive.Expired {
		return c.AptOptions
	}

	// Of the archive's own signatures only the date is let go.
	return append([]string{`Acquire::Check-Valid-Until "false"`}, c.AptOptions...)
}

func (c *RootfsConfig) wait(timeout time.Duration) do.WaitOptions {
	return do.WaitOptions{Timeout: timeout, Interval: c.PollInterval}
}
