package machine

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hornero/hornero/internal/file"
)

// seedFolder is where cloud-init looks for NoCloud's files.
const seedFolder = "var/lib/cloud/seed"

// Seed is what a Droplet is told at its first boot: the same as the metadata service says, since cloud-init
// cannot see a hypervisor's marks inside a container.
type Seed struct {
	InstanceID string   `json:"instance_id"` // empty means the Droplet's number
	UserData   string   `json:"user_data"`
	VendorData string   `json:"vendor_data"`
	PublicKeys []string `json:"public_keys"`
}

// writeSeed puts the seed and the host's name on a Droplet's disk.
func writeSeed(root string, droplet Droplet) error {
	seed := droplet.Seed
	if seed.InstanceID == "" {
		seed.InstanceID = number(droplet.ID)
	}

	metadata, err := json.MarshalIndent(map[string]any{
		"instance-id":    seed.InstanceID,
		"local-hostname": droplet.Hostname,
		"public-keys":    seed.PublicKeys,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("write seed: %w", err)
	}

	folder := filepath.Join(root, seedFolder, "nocloud")

	for name, data := range map[string]string{
		"meta-data":   string(metadata) + "\n",
		"user-data":   seed.UserData,
		"vendor-data": seed.VendorData,
	} {
		if _, err := file.Write(
			filepath.Join(folder, name),
			[]byte(data),
			file.Options{},
		); err != nil {
			return err
		}
	}

	// User-data holds secrets: only root in the Droplet may read it, and layers keep nothing of it.
	if err := os.Chmod(filepath.Join(root, seedFolder), 0o700); err != nil {
		return fmt.Errorf("write seed: %w", err)
	}

	_, err = file.Write(
		filepath.Join(root, "etc/hostname"),
		[]byte(droplet.Hostname+"\n"),
		file.Options{Mode: 0o644},
	)

	return err
}
