// Package cloud owns what a node asks of DigitalOcean itself: three calls of the API about one reserved IP, one
// that a token for them must not answer, and what the metadata service says of the address. godo is not used:
// it is 2.3 MB in a program that is in every image. It must not know why an address moves, or when.
package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/report"
)

// DefaultEndpoint is DigitalOcean's own.
const DefaultEndpoint = "https://api.digitalocean.com"

var (
	// ErrRefused means that the token is not valid, or not for this.
	ErrRefused = errors.New("DigitalOcean refuses the token")
	// ErrMissing means that the account has no such address, or the address no such action.
	ErrMissing = errors.New("DigitalOcean knows no such thing")
	// ErrBusy means that the same call may succeed later: another event is pending, too many requests, or
	// trouble at DigitalOcean's.
	ErrBusy = errors.New("DigitalOcean is busy")
)

// Failure is an answer that is not the one asked for.
type Failure struct {
	What    string
	Status  int
	Message string
	After   time.Duration // when to ask again, as the answer says; 0 when it does not
}

func (f *Failure) Error() string {
	return fmt.Sprintf("%s: %d %s", f.What, f.Status, f.Message)
}

// Unwrap is the kind of failure.
func (f *Failure) Unwrap() error {
	// The API answers 422 for a change that is under way and for a wrong request: only the text differs.
	pending := f.Status == http.StatusUnprocessableEntity && strings.Contains(f.Message, "pending event")

	switch {
	case f.Status == http.StatusUnauthorized || f.Status == http.StatusForbidden:
		return ErrRefused
	case f.Status == http.StatusNotFound:
		return ErrMissing
	case pending || f.Status == http.StatusTooManyRequests || f.Status >= http.StatusInternalServerError:
		return ErrBusy
	}

	return nil
}

// States of an action.
const (
	ActionCompleted = "completed"
	ActionErrored   = "errored"
)

// Action is a change under way.
type Action struct {
	ID     int    `json:"id"`
	Status string `json:"status"`
}

// Client asks the API about one reserved IP.
type Client struct {
	Endpoint string // empty means DefaultEndpoint
	Token    report.Secret
	Address  string
	Agent    string       // what the client calls itself
	HTTP     *http.Client // nil means one of its own
}

// Holder is the number of the Droplet that the address is assigned to, 0 for none, and whether a change of it
// is under way.
func (c Client) Holder(ctx context.Context) (droplet int, locked bool, err error) {
	var answer struct {
		ReservedIP struct {
			Droplet *struct {
				ID int `json:"id"`
			} `json:"droplet"`
			Locked bool `json:"locked"`
		} `json:"reserved_ip"`
	}

	err = c.call(ctx, "get reserved IP "+c.Address, http.MethodGet, c.path(), nil, &answer)
	if err == nil && answer.ReservedIP.Droplet != nil {
		droplet = answer.ReservedIP.Droplet.ID
	}

	return droplet, answer.ReservedIP.Locked, err
}

// Assign begins to assign the address to a Droplet, whoever has it now.
func (c Client) Assign(ctx context.Context, droplet int) (Action, error) {
	var answer struct{ Action Action }

	// The API needs no unassignment first: it takes the address from whoever has it.
	body := map[string]any{"type": "assign", "droplet_id": droplet}
	what := fmt.Sprintf("assign reserved IP %s to Droplet %d", c.Address, droplet)
	err := c.call(ctx, what, http.MethodPost, c.path("actions"), body, &answer)

	return answer.Action, err
}

// Follow reads how far a change is.
func (c Client) Follow(ctx context.Context, id int) (Action, error) {
	var answer struct{ Action Action }

	what := fmt.Sprintf("get action %d of reserved IP %s", id, c.Address)
	err := c.call(ctx, what, http.MethodGet, c.path("actions", strconv.Itoa(id)), nil, &answer)

	return answer.Action, err
}

// Broad tells whether the token can do more than it is for: it reads the account, which "reserved_ip:update"
// and the reads that come with it do not. A token with other rights but without that one is not found out.
func (c Client) Broad(ctx context.Context) (bool, error) {
	err := c.call(ctx, "read the account", http.MethodGet, "/v2/account", nil, nil)

	// Both are answers to a token without the scope for it.
	if failure := new(Failure); errors.As(err, &failure) &&
		(failure.Status == http.StatusForbidden || failure.Status == http.StatusNotFound) {
		return false, nil
	}

	return err == nil, err
}

func (c Client) path(parts ...string) string {
	all := append([]string{"/v2/reserved_ips", url.PathEscape(c.Address)}, parts...)

	return strings.Join(all, "/")
}

// largest bounds an answer: it holds a whole Droplet.
const largest = 1 << 20

func (c Client) call(ctx context.Context, what, method, path string, body, answer any) error {
	var text io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}

		text = bytes.NewReader(data)
	}

	endpoint := c.Endpoint
	if endpoint == "" {
		endpoint = DefaultEndpoint
	}

	address := strings.TrimSuffix(endpoint, "/") + path

	request, err := http.NewRequestWithContext(ctx, method, address, text)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}

	request.Header.Set("Authorization", "Bearer "+c.Token.Reveal())
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", c.Agent)

	response, err := c.client().Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer response.Body.Close()

	data, err := io.ReadAll(io.LimitReader(response.Body, largest))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}

	// A redirect is a failure, too: the token is for one host.
	if response.StatusCode >= http.StatusMultipleChoices {
		return failed(what, response, data)
	}

	if answer == nil {
		return nil
	}

	if err := json.Unmarshal(data, answer); err != nil {
		return fmt.Errorf("%s: read the answer: %w", what, err)
	}

	return nil
}

// client follows nobody elsewhere: the token is for one host.
func (c Client) client() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}

	// Calls are seconds or minutes apart: a connection would only wait.
	return &http.Client{
		Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// longestAfter bounds what an answer may ask to wait: the hour's limit of requests is over by then.
const longestAfter = time.Hour

func failed(what string, response *http.Response, data []byte) error {
	failure := &Failure{
		What:    what,
		Status:  response.StatusCode,
		Message: http.StatusText(response.StatusCode),
	}

	// A proxy or a broken gateway answers without the API's JSON.
	var said struct{ Message string }
	if json.Unmarshal(data, &said) == nil && said.Message != "" {
		failure.Message = said.Message
	}

	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		failure.After = min(time.Duration(seconds)*time.Second, longestAfter)
	}

	return failure
}
