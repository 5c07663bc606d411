package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/lab/state"
)

var (
	// ErrNotRunning is the error of asking a lab that does not run.
	ErrNotRunning = errors.New("the lab is not running; `hornero lab start` starts it")
	// ErrNotPublished is the error of asking for an address that no load balancer has.
	ErrNotPublished = errors.New("no load balancer has this address")
)

// Endpoint is how a lab is reached: give both to godo.
type Endpoint struct {
	Name   string
	URL    string
	Inside string // the same for a Droplet of the lab, without what only the lab has
	Token  string
	spaces map[string]string // of a region
}

// ScopedToken makes a token that may do only what the scopes say, as in reserved_ip:update, and what they need.
func (e Endpoint) ScopedToken(scopes ...string) string {
	return api.ScopedToken(e.Token, scopes...)
}

// process is what a running lab writes down about itself.
type process struct {
	PID    int    `json:"pid"`
	URL    string `json:"url"`
	Inside string `json:"inside"`
	SpacesURLs
	ACMEURLs
}

// Locate finds a running lab by its name.
func Locate(name string) (Endpoint, error) {
	folder := FolderOf(name)
	running, err := folder.running()
	if err != nil {
		return Endpoint{}, err
	}

	token, err := os.ReadFile(folder.TokenFile())
	if err != nil {
		return Endpoint{}, fmt.Errorf("read the lab's token: %w", err)
	}

	return Endpoint{
		Name:   name,
		URL:    running.URL,
		Inside: running.Inside,
		Token:  string(token),
		spaces: running.FromHost,
	}, nil
}

// running tells which process serves the lab. That it holds the server's lock is what counts, not what was written:
// a lab that crashed is not running.
func (f Folder) running() (process, error) {
	// a crash leaves the file behind, but never the lock
	held, err := lockHeld(f.serverLock())
	if err != nil {
		return process{}, err
	}

	data, err := os.ReadFile(f.runFile())
	if !held || errors.Is(err, fs.ErrNotExist) {
		return process{}, fmt.Errorf("lab %s: %w", f.Name, ErrNotRunning)
	}

	if err != nil {
		return process{}, fmt.Errorf("find lab %s: %w", f.Name, err)
	}

	var p process

	if err := json.Unmarshal(data, &p); err != nil {
		return p, fmt.Errorf("read %s: %w", f.runFile(), err)
	}

	return p, nil
}

// lockHeld tells whether some process holds a lock.
func lockHeld(path string) (bool, error) {
	lock, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for a running lab: %w", err)
	}
	defer lock.Close()

	// a shared lock is taken: two that look at once must not see each other as the lab
	err = unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}

	return false, err
}

// Status asks the lab what it holds.
func (e Endpoint) Status(ctx context.Context) (api.Status, error) {
	var status api.Status
	return status, e.call(ctx, http.MethodGet, "/lab/v1/status", nil, &status)
}

// Published asks where on loopback a load balancer's address is reached.
func (e Endpoint) Published(ctx context.Context, ip string) (string, error) {
	var answer struct {
		Published string `json:"published"`
	}
	err := e.call(ctx, http.MethodGet, "/lab/v1/published?ip="+url.QueryEscape(ip), nil, &answer)
	var refused *api.Error
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return "", fmt.Errorf("%s: %w", ip, ErrNotPublished)
	}

	return answer.Published, err
}

// Spaces is where a region's Spaces are reached from this computer.
func (e Endpoint) Spaces(region string) (string, error) {
	address, there := e.spaces[region]
	if !there {
		return "", fmt.Errorf("lab %s has no Spaces in %s", e.Name, region)
	}

	return address, nil
}

// Kill loses a Droplet's machine at once.
func (e Endpoint) Kill(ctx context.Context, droplet int) error {
	return e.call(ctx, http.MethodPost, fmt.Sprintf("/lab/v1/droplets/%d/kill", droplet), nil, nil)
}

// Break breaks something on purpose, and tells the fault with its name.
func (e Endpoint) Break(ctx context.Context, request api.FaultRequest) (state.Fault, error) {
	var answer struct{ Fault state.Fault }
	return answer.Fault, e.call(ctx, http.MethodPost, "/lab/v1/faults", request, &answer)
}

// Faults lists what is broken.
func (e Endpoint) Faults(ctx context.Context) ([]state.Fault, error) {
	var answer struct{ Faults []state.Fault }
	err := e.call(ctx, http.MethodGet, "/lab/v1/faults?per_page=200", nil, &answer)
	return answer.Faults, err
}

// Lift ends a fault by its name, or all of them when the name is empty.
func (e Endpoint) Lift(ctx context.Context, name string) error {
	path := "/lab/v1/faults"
	if name != "" {
		path += "/" + url.PathEscape(name)
	}

	return e.call(ctx, http.MethodDelete, path, nil, nil)
}

func (e Endpoint) call(ctx context.Context, method, path string, body, answer any) error {
	var encoded []byte
	if body != nil {
		var err error
		if encoded, err = json.Marshal(body); err != nil {
			return err
		}
	}

	request, err := http.NewRequestWithContext(ctx, method, e.URL+path, bytes.NewReader(encoded))
	if err != nil {
		return err
	}

	request.Header.Set("Authorization", "Bearer "+e.Token)

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask lab %s: %w", e.Name, err)
	}
	defer response.Body.Close()

	data, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("ask lab %s: %w", e.Name, err)
	}

	if response.StatusCode >= http.StatusBadRequest {
		refused := &api.Error{
			Status:  response.StatusCode,
			Message: strings.TrimSpace(string(data)),
		}
		json.Unmarshal(data, refused) // a body of another shape stays the whole message

		return fmt.Errorf(
			"ask lab %s: %s %s: %d: %w",
			e.Name,
			method,
			path,
			response.StatusCode,
			refused,
		)
	}

	if answer == nil {
		return nil
	}

	return json.Unmarshal(data, answer)
}
