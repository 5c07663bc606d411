package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

const (
	callTimeout = 4 * time.Second
	// idleConnection is how long a connection waits for the next call. Members wait longer: the caller is the
	// one that ends it.
	idleConnection = time.Minute
)

// ErrNoMember means that there is nobody to ask.
var ErrNoMember = fmt.Errorf("%w: no member is known", peerset.ErrUnavailable)

// Client asks members for what it needs, one after the other until one answers.
type Client struct {
	http *http.Client
	port int
	own  string // this node's address, which is never asked

	mu      sync.Mutex
	members []string
}

// NewClient prepares calls to the members' VPC addresses, from this node's own: members let nobody join at another.
func NewClient(config *tls.Config, from string, port int, members []string) *Client {
	config = config.Clone()

	// This side only calls: it judges no client.
	config.ClientCAs = nil
	dialer := &net.Dialer{
		Timeout: time.Second,
		// A machine that is lost ends no connection: a call that waits for news notices it by these.
		KeepAliveConfig: net.KeepAliveConfig{
			Enable:   true,
			Idle:     2 * time.Second,
			Interval: time.Second,
			Count:    3,
		},
	}

	// Members compare the address in a join with the one that it comes from.
	if own := net.ParseIP(from); own != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: own}
	}

	transport := &http.Transport{
		TLSClientConfig:     config,
		DialContext:         dialer.DialContext,
		IdleConnTimeout:     idleConnection,
		TLSHandshakeTimeout: 2 * time.Second,
	}

	return &Client{
		http:    &http.Client{Transport: transport},
		port:    port,
		own:     from,
		members: slices.Clone(members),
	}
}

// SetMembers replaces the members' addresses. A node on its way into consensus is among them, and does not ask
// itself.
func (c *Client) SetMembers(members []string) {
	members = slices.DeleteFunc(slices.Clone(members), func(member string) bool {
		return member == c.own
	})

	c.mu.Lock()
	defer c.mu.Unlock()

	// The order stays while the members do: who answered last is the first.
	if len(members) > 0 && !sameMembers(members, c.members) {
		c.members = members
	}
}

// AddMember adds a member's address, as that of one to be asked last.
func (c *Client) AddMember(member string) {
	c.mu.Lock()
	defer c.mu.Unlock()

	if member != c.own && !slices.Contains(c.members, member) {
		c.members = append(slices.Clone(c.members), member)
	}
}

func sameMembers(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// Join asks to be let in.
func (c *Client) Join(ctx context.Context, join peerset.Join) (peerset.Welcome, error) {
	var welcome peerset.Welcome
	err := c.call(ctx, "/v1/join", join, &welcome)

	return welcome, err
}

// JoinAt asks one member to be let in.
func (c *Client) JoinAt(ctx context.Context, member string, join peerset.Join) (peerset.Welcome, error) {
	var welcome peerset.Welcome
	err := c.postWithin(ctx, member, "/v1/join", join, &welcome)

	return welcome, err
}

// NotifyChange tells a member that there is something new to read. Whoever does not hear it finds out a little later.
func (c *Client) NotifyChange(ctx context.Context, member string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()

	// An error is of no matter: the member reads the change a little later by itself.
	_ = c.post(ctx, member, "/v1/news", []byte("{}"), &struct{}{})
}

// SendHeartbeats gives a member the heartbeats that this one got, by name and incarnation, to write them down.
func (c *Client) SendHeartbeats(ctx context.Context, member string, got map[string]int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()

	data, err := json.Marshal(beats(got))
	if err != nil {
		return err
	}

	return c.post(ctx, member, "/v1/beats", data, &struct{}{})
}

// Peers asks one member for the peer set as it knows it.
func (c *Client) Peers(ctx context.Context, member string) (peerset.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()

	var snapshot peerset.Snapshot
	err := c.get(ctx, member, "/v1/peers", &snapshot)

	return snapshot, err
}

func (c *Client) get(ctx context.Context, member, path string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(member, path), nil)
	if err != nil {
		return err
	}

	return c.do(request, answer)
}

func (c *Client) post(ctx context.Context, member, path string, body []byte, answer any) error {
	url := c.url(member, path)

	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}

	return c.do(request, answer)
}

// postWithin is post to one member, with the time that any call has.
func (c *Client) postWithin(ctx context.Context, member, path string, body, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()

	return c.post(ctx, member, path, data, answer)
}

func (c *Client) call(ctx context.Context, path string, body, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}

	return c.each(ctx, 0, func(ctx context.Context, member string) error {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()

		return c.post(ctx, member, path, data, answer)
	})
}

// each tries the members in turn, from the one at a place of their order; one that answers moves to the front, one
// that does not to the end, and a refusal ends the round. A member of an older version forbids what it does not know:
// that is the last word when it is everybody's.
func (c *Client) each(ctx context.Context, first int, try func(ctx context.Context, member string) error) error {
	// The calls are made without the mutex: each may take seconds.
	c.mu.Lock()
	members := slices.Clone(c.members)
	c.mu.Unlock()

	if len(members) == 0 {
		return ErrNoMember
	}

	first %= len(members)

	var errs []error

	for i, member := range slices.Concat(members[first:], members[:first]) {
		err := tryOne(ctx, len(members)-i, member, try)

		// A refusal is the peer set's word: every other member would say the same.
		if err == nil || refusal(err) {
			// Who listens to a second member leaves the first to the others.
			if first == 0 {
				c.move(member, 0)
			}

			return err
		}

		// The next round begins with another, also when this one has no time left.
		c.move(member, len(members)-1)

		errs = append(errs, err)

		if ctx.Err() != nil {
			break
		}
	}

	// No member took it: one that forbids says more than one that does not answer.
	if at := slices.IndexFunc(errs, forbidden); at >= 0 {
		return errs[at]
	}

	return fmt.Errorf("%w: %w", peerset.ErrUnavailable, errors.Join(errs...))
}

// tryOne tries a member. Where time is set for the round, one that keeps silent takes half of what is left of it from
// those that come after.
func tryOne(
	ctx context.Context,
	left int,
	member string,
	try func(ctx context.Context, member string) error,
) error {
	if until, set := ctx.Deadline(); set && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(until)/2)
		defer cancel()
	}

	return try(ctx, member)
}

func refusal(err error) bool {
	return errors.Is(err, peerset.ErrEvicted) || errors.Is(err, peerset.ErrStaleEpoch)
}

func forbidden(err error) bool {
	return errors.Is(err, peerset.ErrForbidden)
}

// move gives a member a place in the order in which they are asked.
func (c *Client) move(member string, to int) {
	c.mu.Lock()
	defer c.mu.Unlock()

	i := slices.Index(c.members, member)
	if i < 0 || to >= len(c.members) {
		return
	}

	c.members = slices.Insert(slices.Delete(slices.Clone(c.members), i, i+1), to, member)
}

func (c *Client) url(member, path string) string {
	return "https://" + net.JoinHostPort(member, strconv.Itoa(c.port)) + path
}

func (c *Client) do(request *http.Request, answer any) error {
	_, err := c.fetch(request, answer)
	return err
}

// errSame says that there is nothing newer.
var errSame = errors.New("nothing changed")

// fetch is do, with the answer's tag.
func (c *Client) fetch(request *http.Request, answer any) (string, error) {
	response, err := c.http.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()

	// This answer has no body that could be read.
	if response.StatusCode == http.StatusNotModified {
		return "", errSame
	}

	// A connection is used again only when its answer was read to the end.
	defer io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer))

	return response.Header.Get("ETag"), readAnswer(request, response, answer)
}

func readAnswer(request *http.Request, response *http.Response, answer any) error {
	body := json.NewDecoder(io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode == http.StatusOK {
		return body.Decode(answer)
	}

	var said failure
	if err := body.Decode(&said); err != nil {
		return fmt.Errorf("%s: %s", request.URL.Host, response.Status)
	}

	// Callers tell an eviction or a stale epoch from trouble that passes.
	if sentinel, ok := kinds[said.Kind]; ok {
		return fmt.Errorf("%s: %w (%s)", request.URL.Host, sentinel, said.Message)
	}

	return fmt.Errorf("%s: %s", request.URL.Host, said.Message)
}
