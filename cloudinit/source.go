package cloudinit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"time"
)

// MetadataURL is where DigitalOcean's metadata service answers.
const MetadataURL = "http://169.254.169.254"

// Files that hold user-data where the metadata service does not answer, in the order they are asked.
var seedFiles = []string{
	"/var/lib/cloud/seed/config_drive/openstack/latest/user_data",
	"/var/lib/cloud/seed/nocloud/user-data",
	"/var/lib/cloud/instance/user-data.txt",
}

const metadataTimeout = 2 * time.Second

// ErrNotFound means that no source had user-data.
var ErrNotFound = errors.New("no user-data: neither the metadata service nor a seed has any")

// Found is user-data and where it was.
type Found struct {
	Source string
	Data   []byte
}

// Droplet is what the metadata service says of this Droplet.
type Droplet struct {
	ID       int    `json:"droplet_id"`
	Hostname string `json:"hostname"`
	Region   string `json:"region"`
	Networks struct {
		Public  []Interface `json:"public"`
		Private []Interface `json:"private"`
	} `json:"interfaces"`
}

// Interface is one network interface in the metadata.
type Interface struct {
	MAC  string `json:"mac"`
	IPv4 struct {
		Address string `json:"ip_address"`
		Netmask string `json:"netmask"`
	} `json:"ipv4"`
}

// VPCAddress returns the Droplet's address in its VPC.
func (d Droplet) VPCAddress() (string, error) {
	if len(d.Networks.Private) == 0 || d.Networks.Private[0].IPv4.Address == "" {
		return "", errors.New("read metadata: the Droplet has no address in a VPC")
	}
	return d.Networks.Private[0].IPv4.Address, nil
}

// Describe asks the metadata service for this Droplet.
func Describe(ctx context.Context, base string) (Droplet, error) {
	var droplet Droplet
	data, err := get(ctx, base+"/metadata/v1.json")
	if err != nil {
		return droplet, err
	}
	if err := json.Unmarshal(data, &droplet); err != nil {
		return droplet, fmt.Errorf("read metadata: %w", err)
	}
	return droplet, nil
}

// Find looks for user-data: the metadata service at base first, then the seeds that cloud-init reads.
func Find(ctx context.Context, base string) (Found, error) {
	source := base + "/metadata/v1/user-data"
	data, err := get(ctx, source)
	if err == nil && len(data) > 0 {
		return Found{source, data}, nil
	}
	for _, path := range seedFiles {
		data, readErr := os.ReadFile(path)
		if readErr == nil && len(data) > 0 {
			return Found{path, data}, nil
		}
		if readErr != nil && !errors.Is(readErr, fs.ErrNotExist) {
			err = errors.Join(err, readErr)
		}
	}
	return Found{}, errors.Join(ErrNotFound, err)
}

func get(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask metadata service: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask metadata service for %s: %s", url, response.Status)
	}
	// One byte more than is allowed tells too large from just large enough.
	return io.ReadAll(io.LimitReader(response.Body, MaxUserData+1))
}
