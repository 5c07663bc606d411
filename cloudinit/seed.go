package cloudinit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hornero/hornero/internal/report"
)

// seedFiles are what somebody put on the disk for cloud-init to find.
var seedFiles = []string{
	"/var/lib/cloud/seed/config_drive/openstack/latest/user_data",
	"/var/lib/cloud/seed/nocloud/user-data",
	"/var/lib/cloud/seed/nocloud-net/user-data",
}

const (
	// cloudFolder holds cloud-init's own configuration, which may have the user-data in it.
	cloudFolder = "/etc/cloud/cloud.cfg.d"
	// instanceFile is where cloud-init leaves the user-data that it found.
	instanceFile = "/var/lib/cloud/instance/user-data.txt"
)

// cloudConfig is the part of cloud-init's configuration that gives or points to a NoCloud seed.
type cloudConfig struct {
	Datasource struct {
		NoCloud struct {
			UserData string `yaml:"user-data"`
			SeedFrom string `yaml:"seedfrom"`
		} `yaml:"NoCloud"`
	} `yaml:"datasource"`
}

// fromCloudConfig looks for a seed in the configuration of cloud-init. The last file in order of name wins, as there.
func (s Sources) fromCloudConfig(context.Context) ([]byte, string, error) {
	names, err := filepath.Glob(filepath.Join(s.path(cloudFolder), "*.cfg"))
	if err != nil {
		return nil, "", err
	}

	var errs []error

	for i := len(names) - 1; i >= 0; i-- {
		data, name, err := s.seedIn(names[i])
		if err == nil && len(data) > 0 {
			return data, name, nil
		}

		errs = append(errs, err)
	}

	// A file that cannot be read is told only when no other has a seed.
	if err := errors.Join(errs...); err != nil {
		return nil, "", err
	}

	return nil, "", none("no file in it names a NoCloud seed")
}

func (s Sources) seedIn(name string) (data []byte, source string, err error) {
	text, err := readFile(name)
	if err != nil {
		return nil, "", err
	}

	var config cloudConfig

	if err := report.Unmarshal(text, &config); err != nil {
		return nil, "", fmt.Errorf("read %s: %w", name, unquoted(err))
	}

	seed := config.Datasource.NoCloud
	if seed.SeedFrom == "" {
		return []byte(seed.UserData), name + "#datasource.NoCloud.user-data", nil
	}

	folder := strings.TrimPrefix(seed.SeedFrom, "file://")
	if !filepath.IsAbs(folder) {
		return nil, "", fmt.Errorf(
			"read %s: seedfrom %s is not followed; only a folder on this disk is",
			name,
			seed.SeedFrom,
		)
	}

	path := s.path(filepath.Join(folder, "user-data"))

	if data, err = readFile(path); errors.Is(err, os.ErrNotExist) {
		// it is named, so that its absence is to be told
		err = fmt.Errorf("read %s: seedfrom: %s", name, err.Error())
	}

	return data, path, err
}
