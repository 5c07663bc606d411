package builder

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/hornero/hornero/cloudinit"
)

// What a tag may be made of, a Droplet's name, a region's, size's or image's slug, a VPC's number, and an SSH
// key's fingerprint (DigitalOcean's API description).
var (
	tagForm  = regexp.MustCompile(`^[a-zA-Z0-9_\-:]{1,255}$`)
	hostForm = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.\-]{0,251}[a-zA-Z0-9])?$`)
	slugForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.\-]*$`)
	uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	keyForm  = regexp.MustCompile(`^([1-9][0-9]*|[0-9a-f]{2}(:[0-9a-f]{2}){15})$`)
	maxName  = 255 // of a snapshot
)

// problems are what is wrong with a configuration, each of them told by its option.
type problems []error

func (p *problems) add(option, format string, args ...any) {
	*p = append(*p, fmt.Errorf("%s: %w: %w", option, ErrConfig, fmt.Errorf(format, args...)))
}

func (c *Config) check() []error {
	wrong := problems(slices.Concat(
		c.CloudConfig.check(),
		c.checkNames(),
		c.ImageFilter.check(),
		c.checkUserData(),
		c.checkKeys(),
	))
	if c.Comm.Type != "ssh" {
		wrong.add("communicator", "must be \"ssh\", got %q", c.Comm.Type)
	}

	// Either would be ignored in silence.
	if c.Image != "" && !c.ImageFilter.isEmpty() {
		wrong.add("image_filter", "must not stand beside image")
	}

	if c.VPCUUID != "" && !uuidForm.MatchString(c.VPCUUID) {
		wrong.add("vpc_uuid", "must be a UUID, got %q", c.VPCUUID)
	}

	wrong = append(wrong, checkTags("tags", c.Tags)...)
	wrong = append(wrong, checkTags("snapshot_tags", c.SnapshotTags)...)

	return append(wrong, c.checkDurations()...)
}

func (c *Config) checkNames() []error {
	var wrong problems
	if c.DropletName != "" && !hostForm.MatchString(c.DropletName) {
		wrong.add("droplet_name", "letters, digits, dots and dashes only, got %q", c.DropletName)
	}

	// A control character in a name would break the lines of every list and log.
	isControl := func(r rune) bool { return r < ' ' || r == 0x7f }
	if len(c.SnapshotName) > maxName || strings.ContainsFunc(c.SnapshotName, isControl) {
		wrong.add(
			"snapshot_name",
			"must be one line of at most %d bytes, got %q",
			maxName,
			c.SnapshotName,
		)
	}

	slugs := [][2]string{
		{"region", c.Region},
		{"size", c.Size},
	}

	for _, region := range c.SnapshotRegions {
		slugs = append(slugs, [2]string{"snapshot_regions", region})
	}

	for _, slug := range slugs {
		if !slugForm.MatchString(slug[1]) {
			wrong.add(slug[0], "must be a slug, as in \"nyc3\" or \"s-1vcpu-1gb\", got %q", slug[1])
		}
	}

	return wrong
}

func (c *Config) checkKeys() []error {
	var wrong problems
	if c.SSHKeyID < 0 {
		wrong.add("ssh_key_id", "must be the id of a key of the account, got %d", c.SSHKeyID)
	}

	for _, key := range c.SSHKeyIDs {
		if !keyForm.MatchString(key) {
			wrong.add(
				"ssh_key_ids",
				"must be ids or MD5 fingerprints of keys of the account, got %q",
				key,
			)
		}
	}

	return wrong
}

// checkUserData reads the file, if that is where it is. What it says is never part of an error.
func (c *Config) checkUserData() []error {
	var wrong problems
	option := "user_data"
	c.userData = c.UserData

	if c.UserDataFile != "" {
		if c.UserData != "" {
			wrong.add("user_data_file", "must not stand beside user_data")
			return wrong
		}

		text, err := os.ReadFile(c.UserDataFile)
		if err != nil {
			wrong.add("user_data_file", "%w", err)
			return wrong
		}

		option, c.userData = "user_data_file", string(text)
	}

	return append(wrong, c.addHostKey(option)...)
}

// addHostKey makes the Droplet's host key and puts it into the user-data, which must still have room for it.
func (c *Config) addHostKey(option string) []error {
	var wrong problems

	key, err := newHostKey()
	if err != nil {
		return []error{err}
	}

	whole, err := userDataWith(c.userData, key)
	if err != nil {
		wrong.add(option, "%w", err)
		return wrong
	}

	if size := len(whole); size > cloudinit.MaxUserData {
		wrong.add(option,
			"must be at most %d bytes (64 KiB) with the host key that the build adds, is %d: leave out what a "+
				"provisioner can do", cloudinit.MaxUserData, size)
	}

	c.hostKey, c.dropletData = key, whole

	return wrong
}

func checkTags(option string, tags []string) []error {
	var wrong problems
	for _, tag := range tags {
		if !tagForm.MatchString(tag) {
			wrong.add(
				option,
				"a tag is 1 to 255 letters, digits, colons, dashes and underscores, got %q",
				tag,
			)
		}
	}

	return wrong
}

func (c *Config) checkDurations() []error {
	var wrong problems
	for _, option := range []struct {
		name  string
		value time.Duration
	}{
		{"state_timeout", c.StateTimeout},
		{"shutdown_timeout", c.ShutdownTimeout},
		{"snapshot_timeout", c.SnapshotTimeout},
		{"transfer_timeout", c.TransferTimeout},
		{"cleanup_timeout", c.CleanupTimeout},
		{"leftover_age", c.LeftoverAge},
		{"poll_interval", c.PollInterval},
	} {
		if option.value < 0 {
			wrong.add(option.name, "must be a time such as \"5m\", got %s", option.value)
		}
	}

	return wrong
}

// hide keeps the token and the user-data out of Packer's logs, whoever writes them. A few bytes are no secret,
// and would be masked wherever they stand.
func (c *Config) hide() {
	// User-data often holds passwords.
	const least = 8
	for _, secret := range []string{c.APIToken, c.userData, c.dropletData, c.hostKey.private} {
		if len(secret) >= least || secret != "" && secret == c.APIToken {
			packersdk.LogSecretFilter.Set(secret)
		}
	}
}
