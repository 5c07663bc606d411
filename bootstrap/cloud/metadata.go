package cloud

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// MetadataURL is where DigitalOcean's metadata service answers.
const MetadataURL = "http://169.254.169.254"

// metadataClient keeps its connection: who holds the address asks twice a second.
var metadataClient = &http.Client{
	Transport: &http.Transport{
		Proxy:           nil,
		MaxIdleConns:    1,
		IdleConnTimeout: 10 * time.Second,
	},
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	},
}

// Metadata is what the metadata service says of this Droplet's reserved IP.
type Metadata struct {
	URL string // empty means MetadataURL
}

// Active returns the reserved IP that reaches this Droplet; "" for none.
func (m Metadata) Active(ctx context.Context) (string, error) {
	// An address may be assigned already and not reach the Droplet yet: "active" says when it does.
	active, err := m.read(ctx, "active")
	if err != nil || active != "true" {
		return "", err
	}

	return m.read(ctx, "ip_address")
}

func (m Metadata) read(ctx context.Context, name string) (string, error) {
	url := m.URL
	if url == "" {
		url = MetadataURL
	}

	path := "/metadata/v1/reserved_ip/ipv4/" + name

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+path, nil)
	if err != nil {
		return "", err
	}

	response, err := metadataClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("ask metadata service: %w", err)
	}
	defer response.Body.Close()

	// The path is not there for a Droplet without a reserved IP.
	if response.StatusCode == http.StatusNotFound {
		return "", nil
	}

	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("ask metadata service: %s", response.Status)
	}

	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	if err != nil {
		return "", fmt.Errorf("ask metadata service: %w", err)
	}

	return strings.TrimSpace(string(text)), nil
}
