package builder

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
)

// What a tag may be made of, a Droplet's name, a region's, size's or image's slug, a VPC's number, and an SSH
// key's fingerprint (DigitalOcean's API description).
var (
	tagForm     = regexp.MustCompile(`^[a-zA-Z0-9_\-:]{1,255}$`)
	hostForm    = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.\-]{0,251}[a-zA-Z0-9])?$`)
	slugForm    = regexp.MustCompile(`^[a-z0-9][a-z0-9.\-]*$`)
	uuidForm    = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	keyForm     = regexp.MustCompile(`^([1-9][0-9]*|[0-9a-f]{2}(:[0-9a-f]{2}){15})$`)
	maxUserData = 64 << 10 // bytes; DigitalOcean's limit
	maxName     = 255      // of a snapshot
)

func (c *Config) check() []error {
	wrong := slices.Concat(
		c.CloudConfig.check(),
		c.checkNames(),
		c.ImageFilter.check(),
		c.checkUserData(),
		c.checkKeys(),
	)
	if c.Comm.Type != "ssh" {
		wrong = append(wrong, fmt.Errorf(
			"communicator: %w: must be \"ssh\", got %q",
			ErrConfig,
			c.Comm.Type,
		))
	}

	if c.Image != "" && !c.ImageFilter.isEmpty() {
		wrong = append(wrong, fmt.Errorf(
			"image_filter: %w: must not stand beside image",
			ErrConfig,
		))
	}

	if c.VPCUUID != "" && !uuidForm.MatchString(c.VPCUUID) {
		wrong = append(wrong, fmt.Errorf(
			"vpc_uuid: %w: must be a UUID, got %q",
			ErrConfig,
			c.VPCUUID,
		))
	}

	wrong = append(wrong, checkTags("tags", c.Tags)...)
	wrong = append(wrong, checkTags("snapshot_tags", c.SnapshotTags)...)

	return append(wrong, c.checkDurations()...)
}

func (c *Config) checkNames() []error {
	var wrong []error
	if c.DropletName != "" && !hostForm.MatchString(c.DropletName) {
		wrong = append(wrong, fmt.Errorf(
			"droplet_name: %w: letters, digits, dots and dashes only, got %q",
			ErrConfig,
			c.DropletName,
		))
	}

	if len(c.SnapshotName) > maxName ||
		strings.ContainsFunc(c.SnapshotName, func(r rune) bool {
			return r < ' ' || r == 0x7f
		}) {
		wrong = append(wrong, fmt.Errorf(
			"snapshot_name: %w: must be one line of at most %d bytes, got %q",
			ErrConfig,
			maxName,
			c.SnapshotName,
		))
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
			wrong = append(wrong, fmt.Errorf(
				"%s: %w: must be a slug, as in \"nyc3\" or \"s-1vcpu-1gb\", got %q",
				slug[0],
				ErrConfig,
				slug[1],
			))
		}
	}

	return wrong
}

func (c *Config) checkKeys() []error {
	var wrong []error
	if c.SSHKeyID < 0 {
		wrong = append(wrong, fmt.Errorf(
			"ssh_key_id: %w: must be the id of a key of the account, got %d",
			ErrConfig,
			c.SSHKeyID,
		))
	}

	for _, key := range c.SSHKeyIDs {
		if !keyForm.MatchString(key) {
			wrong = append(wrong, fmt.Errorf(
				"ssh_key_ids: %w: must be ids or MD5 fingerprints of keys of the account, got %q",
				ErrConfig,
				key,
			))
		}
	}

	return wrong
}

// checkUserData reads the file, if that is where it is. What it says is never part of an error.
func (c *Config) checkUserData() []error {
	option := "user_data"
	if c.UserDataFile != "" {
		if c.UserData != "" {
			return []error{fmt.Errorf(
				"user_data_file: %w: must not stand beside user_data",
				ErrConfig,
			)}
		}

		text, err := os.ReadFile(c.UserDataFile)
		if err != nil {
			return []error{fmt.Errorf("user_data_file: %w: %w", ErrConfig, err)}
		}

		option, c.userData = "user_data_file", string(text)
	} else {
		c.userData = c.UserData
	}

	if len(c.userData) > maxUserData {
		return []error{fmt.Errorf(
			"%s: %w: must be at most %d bytes (64 KiB), is %d: leave out what a provisioner can do",
			option,
			ErrConfig,
			maxUserData,
			len(c.userData),
		)}
	}

	return nil
}

func checkTags(option string, tags []string) []error {
	var wrong []error
	for _, tag := range tags {
		if !tagForm.MatchString(tag) {
			wrong = append(wrong, fmt.Errorf(
				"%s: %w: a tag is 1 to 255 letters, digits, colons, dashes and underscores, got %q",
				option,
				ErrConfig,
				tag,
			))
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
		{
			name:  "state_timeout",
			value: c.StateTimeout,
		}, {
			name:  "shutdown_timeout",
			value: c.ShutdownTimeout,
		}, {
			name:  "snapshot_timeout",
			value: c.SnapshotTimeout,
		},
		{"transfer_timeout", c.TransferTimeout},
		{
			name:  "cleanup_timeout",
			value: c.CleanupTimeout,
		}, {
			name:  "leftover_age",
			value: c.LeftoverAge,
		}, {
			name:  "poll_interval",
			value: c.PollInterval,
		},
	} {
		if option.value < 0 {
			wrong = append(wrong, fmt.Errorf(
				"%s: %w: must be a time such as \"5m\", got %s",
				option.name,
				ErrConfig,
				option.value,
			))
		}
	}

	return wrong
}

// hide keeps the token and the user-data out of Packer's logs, whoever writes them. A few bytes are no secret,
// and would be blackened wherever they stand.
func (c *Config) hide() {
	const least = 8
	for _, secret := range []string{c.APIToken, c.userData} {
		if len(secret) >= least || secret != "" && secret == c.APIToken {
			packersdk.LogSecretFilter.Set(secret)
		}
	}
}
