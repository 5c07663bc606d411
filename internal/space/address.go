package space

import (
	"fmt"
	"net/url"
	"strings"
)

// domain is where DigitalOcean serves Spaces, each region below it.
const domain = ".digitaloceanspaces.com"

// Endpoint is where DigitalOcean serves the Spaces of a region.
func Endpoint(region string) string { return "https://" + region + domain }

// Address is where objects are: a bucket, and what their keys begin with.
type Address struct {
	Endpoint string // as of a Client
	Region   string
	Bucket   string
	Prefix   string // empty, or with a slash at its end
}

// ParseAddress reads an address as a browser has it: https://BUCKET.REGION.digitaloceanspaces.com/PREFIX, that of its
// CDN, or of another service with the bucket in the path, whose region is said beside.
func ParseAddress(text, region string) (Address, error) {
	// A key and its secret, which are not printed.
	if strings.Contains(text, "@") {
		return Address{}, fmt.Errorf("%w: it holds a key, or what looks like one", ErrAddress)
	}

	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return Address{}, fmt.Errorf("%w: %q; write https://BUCKET.REGION%s/PREFIX", ErrAddress, text, domain)
	}

	found := Address{Endpoint: parsed.Scheme + "://" + parsed.Host, Region: region}
	rest := strings.TrimPrefix(parsed.Path, "/")

	if name, ours := strings.CutSuffix(strings.ToLower(parsed.Host), domain); ours {
		labels := strings.Split(strings.TrimSuffix(name, ".cdn"), ".")
		found.Region = labels[len(labels)-1]
		found.Endpoint = Endpoint(found.Region)
		found.Bucket = strings.Join(labels[:len(labels)-1], ".")
	}

	if found.Bucket == "" {
		found.Bucket, rest, _ = strings.Cut(rest, "/")
	}

	switch {
	case found.Bucket == "":
		return Address{}, fmt.Errorf("%w: %q names no bucket", ErrAddress, text)
	case found.Region == "":
		return Address{}, fmt.Errorf("%w: %q names no region; say --region", ErrAddress, text)
	}

	if rest = strings.Trim(rest, "/"); rest != "" {
		found.Prefix = rest + "/"
	}

	return found, nil
}

// Same tells whether another address is of the same bucket.
func (a Address) Same(other Address) bool {
	return a.SameService(other) && a.Bucket == other.Bucket
}

// SameService tells whether another address is of the same service, which copies from the one to the other.
func (a Address) SameService(other Address) bool {
	return strings.EqualFold(strings.TrimSuffix(a.Endpoint, "/"), strings.TrimSuffix(other.Endpoint, "/"))
}
