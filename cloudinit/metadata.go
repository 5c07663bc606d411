package cloudinit

import (
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// MetadataURL is where DigitalOcean's metadata service answers.
const MetadataURL = "http://169.254.169.254"

const metadataTimeout = 2 * time.Second

// maxMetadata is what a description of a Droplet may have: the user-data is in it, each byte of it six at the most.
const maxMetadata = 8 * MaxUserData

// Droplet is what the metadata service says of this Droplet.
type Droplet struct {
	ID       int      `json:"droplet_id"`
	Hostname string   `json:"hostname"`
	Region   string   `json:"region"`
	Tags     []string `json:"tags"`
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
	Anchor struct {
		Address string `json:"ip_address"`
	} `json:"anchor_ipv4"`
}

// VPCAddress returns the Droplet's address in its VPC.
func (d Droplet) VPCAddress() (string, error) {
	if len(d.Networks.Private) == 0 || d.Networks.Private[0].IPv4.Address == "" {
		return "", errors.New("read metadata: the Droplet has no address in a VPC")
	}

	return d.Networks.Private[0].IPv4.Address, nil
}

// AnchorAddress returns where packets for a reserved IP come in: the anchor address, or the public address of a
// Droplet that has none, as those from imported images; "" without either.
func (d Droplet) AnchorAddress() string {
	if len(d.Networks.Public) == 0 {
		return ""
	}

	public := d.Networks.Public[0]

	return cmp.Or(public.Anchor.Address, public.IPv4.Address)
}

// Describe asks the metadata service for this Droplet, and the config drive where the service does not answer.
func (s Sources) Describe(ctx context.Context) (Droplet, error) {
	data, err := get(ctx, s.metadata()+"/metadata/v1.json", maxMetadata)
	if err == nil {
		return droplet(data)
	}

	// DigitalOcean's config drive has the same description.
	drive, driveErr := s.drive()
	if driveErr == nil && drive.metadata == nil {
		driveErr = fmt.Errorf("%s has no %s", drive.name, dropletFile)
	}
	if driveErr != nil {
		return Droplet{}, fmt.Errorf("%w; config drive: %w", err, driveErr)
	}

	return droplet(drive.metadata)
}

func droplet(data []byte) (Droplet, error) {
	var d Droplet
	if err := json.Unmarshal(data, &d); err != nil {
		return d, fmt.Errorf("read metadata: %w", err)
	}

	return d, nil
}

// get reads one document of the metadata service; one byte more than is allowed tells too large from just large
// enough.
func get(ctx context.Context, url string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}

	// Asked for by hand, so that a body that was packed unasked is unpacked by the same code.
	request.Header.Set("Accept-Encoding", "gzip")

	// Never through a proxy: only the Droplet itself reaches the service at this address.
	client := &http.Client{
		Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true},
		// it is this address or none
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}

	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask metadata service: %w", err)
	}
	defer response.Body.Close()

	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask metadata service: %s", response.Status)
	}

	body, err := decoded(response)
	if err != nil {
		return nil, fmt.Errorf("ask metadata service: %w", err)
	}

	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("ask metadata service: %w", err)
	}

	return data, nil
}

// decoded undoes gzip also when nobody asked for it, as a server does that keeps its files packed.
func decoded(response *http.Response) (io.Reader, error) {
	switch encoding := strings.ToLower(response.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
		return response.Body, nil
	case "gzip", "x-gzip":
		return gzip.NewReader(response.Body)
	default:
		return nil, fmt.Errorf("its Content-Encoding is %q", encoding)
	}
}
