// Package do owns what every user of the DigitalOcean API here shares: the client with its retries, lists read
// to their last page, deletes and actions that wait out a pending event, and the one waiter. It knows nothing
// of roles, images or stacks, and it never prints a request: a create request's text holds user-data.
package do

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/digitalocean/godo"
	"golang.org/x/oauth2"
)

// DefaultURL is where DigitalOcean answers.
const DefaultURL = "https://api.digitalocean.com"

// NewClient returns a client for the API at endpoint (DefaultURL when empty). A request that may be repeated is
// repeated on 429, on 5xx and on broken connections. A POST is repeated only when it was refused before any
// work was done (429, connection refused): the API has no idempotency key, so a second POST can make a second
// Droplet.
func NewClient(endpoint, token, userAgent string) (*godo.Client, error) {
	return DefaultRetries.NewClient(endpoint, token, userAgent)
}

// NewClient is NewClient with these retries.
func (r Retries) NewClient(endpoint, token, userAgent string) (*godo.Client, error) {
	if endpoint == "" {
		endpoint = DefaultURL
	}

	err := checkEndpoint(endpoint)
	if err != nil {
		return nil, err
	}

	// A token that was copied out of a shell's file may still have its quotes and its line's end.
	token = strings.Trim(strings.TrimSpace(token), "'")
	if token == "" {
		return nil, fmt.Errorf("%w: set DIGITALOCEAN_ACCESS_TOKEN or api_token", ErrNoToken)
	}

	// The token is added outside of the retries: each try of a request bears it.
	bearer := &oauth2.Token{AccessToken: token}
	authorized := &http.Client{
		Transport: &oauth2.Transport{
			Base:   newTries(r),
			Source: oauth2.StaticTokenSource(bearer),
		},
	}

	client, err := godo.New(authorized, godo.SetBaseURL(endpoint), godo.SetUserAgent(userAgent))
	if err != nil {
		return nil, fmt.Errorf("make client for %s: %w", endpoint, err)
	}

	return client, nil
}

func checkEndpoint(endpoint string) error {
	parsed, err := url.Parse(endpoint)
	if err != nil {
		return fmt.Errorf("read API address %q: %w", endpoint, err)
	}

	// Each request carries the token: over plain HTTP it would be readable on the way.
	switch {
	case parsed.Host == "":
		return fmt.Errorf("%w: %q: write it as https://host", ErrEndpoint, endpoint)
	case parsed.Scheme == "https":
		return nil
	case parsed.Scheme == "http" && loopback(parsed.Hostname()):
		return nil
	}

	return fmt.Errorf("%w: %q: only https, or http on loopback, keeps the token to itself", ErrEndpoint, endpoint)
}

func loopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// Sentinels of this package.
var (
	ErrNoToken  = errors.New("no API token")
	ErrRefused  = errors.New("the API refused the token")
	ErrEndpoint = errors.New("unfit API address")
	ErrErrored  = errors.New("ended in an error state")
	ErrGone     = errors.New("is gone")
	ErrTimedOut = errors.New("timed out")
	// ErrGarbled tells that an answer is no JSON: it was cut short, or something else than the API gave it.
	ErrGarbled = errors.New("the answer is cut short, or not the API's")
	// ErrNotTagged tells that the API took a tag and does not show it.
	ErrNotTagged = errors.New("the tag was taken but is not there")
)

// Status returns the HTTP status of an API error, or 0 when err is none.
func Status(err error) int {
	var failure *godo.ErrorResponse
	if errors.As(err, &failure) && failure.Response != nil {
		return failure.Response.StatusCode
	}

	return 0
}

// ExplainRefusal adds to an API's refusal of the token (401) what to do about it.
func ExplainRefusal(err error) error {
	if Status(err) != http.StatusUnauthorized || errors.Is(err, ErrRefused) {
		return err
	}

	return fmt.Errorf("%w: set DIGITALOCEAN_ACCESS_TOKEN or api_token to one that is valid: %w", ErrRefused, err)
}

// IsNotFound tells whether the API said that the thing is not there.
func IsNotFound(err error) bool { return Status(err) == http.StatusNotFound }

// IsPending tells whether the API refused because an event of the Droplet or image is still running.
func IsPending(err error) bool {
	var failure *godo.ErrorResponse
	if !errors.As(err, &failure) {
		return false
	}

	// The API has no status of its own for it: only the text tells it from other refusals.
	switch Status(err) {
	case http.StatusUnprocessableEntity, http.StatusConflict, http.StatusLocked:
		message := strings.ToLower(failure.Message)
		return strings.Contains(message, "pending event")

	// Of a load balancer.
	case http.StatusForbidden:
		return strings.Contains(strings.ToLower(failure.Message), "previous actions")
	}

	return false
}
