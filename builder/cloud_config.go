package builder

import (
	"cmp"
	"errors"
	"os"
	"time"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
)

// CloudConfig is what every component that asks the API is told about it.
type CloudConfig struct {
	// APIURL is where the DigitalOcean API answers. Default: DIGITALOCEAN_API_URL, or DigitalOcean itself.
	APIURL string `mapstructure:"api_url"`
	// APIToken opens the API. Default: DIGITALOCEAN_ACCESS_TOKEN or DIGITALOCEAN_TOKEN.
	APIToken string `mapstructure:"api_token"`
	// HTTPRetryMax is how often a request is repeated on 429 and 5xx; 0 is never. Default: 5.
	HTTPRetryMax *int `mapstructure:"http_retry_max"`
	// HTTPRetryWaitMin is the least time between two tries, in seconds. Default: 0.5.
	HTTPRetryWaitMin *float64 `mapstructure:"http_retry_wait_min"`
	// HTTPRetryWaitMax is the most time between two tries, in seconds, unless the API asks for more. Default: 30.
	HTTPRetryWaitMax *float64 `mapstructure:"http_retry_wait_max"`
}

func (c *CloudConfig) setDefaults() {
	c.APIURL = cmp.Or(c.APIURL, os.Getenv("DIGITALOCEAN_API_URL"), do.DefaultURL)

	c.APIToken = cmp.Or(
		c.APIToken,
		os.Getenv("DIGITALOCEAN_ACCESS_TOKEN"),
		os.Getenv("DIGITALOCEAN_TOKEN"),
	)
}

// retries are the API's defaults with what is told instead.
func (c CloudConfig) retries() do.Retries {
	retries := do.DefaultRetries
	if c.HTTPRetryMax != nil {
		retries.Max = *c.HTTPRetryMax
	}
	if c.HTTPRetryWaitMin != nil {
		retries.MinWait = seconds(*c.HTTPRetryWaitMin)
	}
	if c.HTTPRetryWaitMax != nil {
		retries.MaxWait = seconds(*c.HTTPRetryWaitMax)
	}

	return retries
}

func seconds(n float64) time.Duration {
	return time.Duration(n * float64(time.Second))
}

func (c CloudConfig) client() (*godo.Client, error) {
	return c.retries().NewClient(c.APIURL, c.APIToken, userAgent)
}

func (c CloudConfig) check() []error {
	var wrong problems

	// Making a client asks nobody: it checks the token and the address.
	if _, err := c.client(); errors.Is(err, do.ErrNoToken) {
		wrong.add("api_token", "%w", err)
	} else if err != nil {
		wrong.add("api_url", "%w", err)
	}

	retries := c.retries()
	if retries.Max < 0 {
		wrong.add("http_retry_max", "must be 0 or more, got %d", retries.Max)
	}

	if retries.MinWait < 0 {
		wrong.add("http_retry_wait_min", "must be 0 seconds or more, got %s", retries.MinWait)
	}

	if retries.MaxWait < retries.MinWait {
		wrong.add("http_retry_wait_max",
			"must be at least http_retry_wait_min, %s, got %s", retries.MinWait, retries.MaxWait)
	}

	return wrong
}
