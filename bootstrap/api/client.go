package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

const (
	callTimeout = 4 * time.Second
	// idleConnection is how long a connection waits for the next call. Members wait longer: the caller is the
	// one that ends it.
	idleConnection = time.Minute
	pollPause      = 100 * time.Millisecond // however much changes, a watcher reads it ten times a second at most
)

// Client asks members for what it needs, one after the other until one answers.
type Client struct {
	http *http.Client
	port int
	own  string // this node's address, which is asked by nobody here

	mu      sync.Mutex
	members []string
}

// NewClient prepares calls to the members' VPC addresses, from this node's own: members let nobody join at another.
func NewClient(config *tls.Config, from string, port int, members []string) *Client {
	config = config.Clone()
	config.ClientCAs = nil
	dialer := &net.Dialer{Timeout: time.Second}

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

	if len(members) > 0 &&
		!slices.Equal(
			slices.Sorted(slices.Values(members)),
			slices.Sorted(slices.Values(c.members)),
		) {
		c.members = members
	}
}

// Join asks to be let in.
func (c *Client) Join(ctx context.Context, join peerset.Join) (peerset.Welcome, error) {
	var welcome peerset.Welcome
	err := c.call(ctx, "/v1/join", join, &welcome)
	return welcome, err
}

// News tells a member that there is something new to read. Whoever does not hear it finds out a little later.
func (c *Client) News(ctx context.Context, member string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()

	request, err := http.NewRequestWithContext(ctx,
		http.MethodPost,
		c.url(member, "/v1/news"),
		strings.NewReader("{}"),
	)
	if err == nil {
		_ = c.do(request, &struct{}{})
	}
}

// Beats gives a member the heartbeats that this one got, by name and incarnation, to write them down.
func (c *Client) Beats(ctx context.Context, member string, got map[string]int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()

	data, err := json.Marshal(beats(got))
	if err != nil {
		return err
	}

	request, err := http.NewRequestWithContext(ctx,
		http.MethodPost,
		c.url(member, "/v1/beats"),
		bytes.NewReader(data),
	)
	if err != nil {
		return err
	}

	return c.do(request, &struct{}{})
}

// Peers asks one member for the peer set as it knows it.
func (c *Client) Peers(ctx context.Context, member string) (peerset.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()

	var snapshot peerset.Snapshot
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(member, "/v1/peers"), nil)
	if err != nil {
		return snapshot, err
	}

	return snapshot, c.do(request, &snapshot)
}

func (c *Client) call(ctx context.Context, path string, body, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}

	return c.each(func(member string) error {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()

		request, err := http.NewRequestWithContext(ctx,
			http.MethodPost,
			c.url(member, path),
			bytes.NewReader(data),
		)
		if err != nil {
			return err
		}

		return c.do(request, answer)
	})
}

// each tries the members in turn; one that answers moves to the front, a refusal ends the round. A member of an
// older version forbids what it does not know: that is the last word when it is everybody's.
func (c *Client) each(try func(member string) error) error {
	c.mu.Lock()
	members := slices.Clone(c.members)
	c.mu.Unlock()

	if len(members) == 0 {
		return fmt.Errorf("%w: no member is known", peerset.ErrUnavailable)
	}

	var errs []error

	for _, member := range members {
		err := try(member)
		if err == nil || refusal(err) {
			c.prefer(member)
			return err
		}

		errs = append(errs, err)
	}

	if at := slices.IndexFunc(errs, forbidden); at >= 0 {
		return errs[at]
	}

	return fmt.Errorf("%w: %w", peerset.ErrUnavailable, errors.Join(errs...))
}

func refusal(err error) bool {
	return errors.Is(err, peerset.ErrEvicted) || errors.Is(err, peerset.ErrStaleEpoch)
}

func forbidden(err error) bool {
	return errors.Is(err, peerset.ErrForbidden)
}

func (c *Client) prefer(member string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.members, member); i > 0 {
		c.members = slices.Insert(slices.Delete(c.members, i, i+1), 0, member)
	}
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

	if sentinel, ok := kinds[said.Kind]; ok {
		return fmt.Errorf("%s: %w (%s)", request.URL.Host, sentinel, said.Message)
	}

	return fmt.Errorf("%s: %s", request.URL.Host, said.Message)
}

// Watcher is the peer set as a node outside consensus follows it. It implements peerset.Set.
type Watcher struct {
	client *Client
	log    *slog.Logger

	mu       sync.Mutex
	snapshot peerset.Snapshot
	tag      string // of the text that it came as
	changed  chan struct{}
}

// Watch follows the peer set by long poll until ctx ends.
func Watch(ctx context.Context, client *Client, first peerset.Snapshot, log *slog.Logger) *Watcher {
	w := &Watcher{
		client:   client,
		log:      log,
		snapshot: first,
		changed:  make(chan struct{}),
	}

	go w.run(ctx)

	return w
}

func (w *Watcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := w.poll(ctx); err != nil && ctx.Err() == nil {
			w.log.Debug("watch peer set", "err", err)
			w.mu.Lock()
			w.snapshot.Quorum = false
			w.mu.Unlock()
		}

		select {
		case <-ctx.Done():
		case <-time.After(pollPause):
		}
	}
}

func (w *Watcher) poll(ctx context.Context) error {
	w.mu.Lock()
	generation, tag := w.snapshot.Generation, w.tag
	if !w.snapshot.Quorum {
		generation, tag = 0, "" // what is only remembered is to be confirmed at once
	}

	w.mu.Unlock()

	query := url.Values{
		"generation": {strconv.FormatUint(generation, 10)},
		"wait":       {"10s"},
	}

	return w.client.each(func(member string) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second+callTimeout)
		defer cancel()

		request, err := http.NewRequestWithContext(ctx,
			http.MethodGet,
			w.client.url(member, "/v1/peers?"+query.Encode()),
			nil,
		)
		if err != nil {
			return err
		}

		if tag != "" {
			request.Header.Set("If-None-Match", tag)
		}

		var next peerset.Snapshot
		fresh, err := w.client.fetch(request, &next)
		if errors.Is(err, errSame) {
			return nil
		}

		if err != nil {
			return err
		}

		if !next.Quorum {
			return fmt.Errorf("%s: %w: it has no quorum itself", member, peerset.ErrUnavailable)
		}

		w.publish(next, fresh)

		return nil
	})
}

func (w *Watcher) publish(next peerset.Snapshot, tag string) {
	if next.Founded == "" {
		return // a member that has not caught up yet knows less than we do
	}

	var members []string

	for _, peer := range next.Peers {
		if peer.Kind == peerset.KindMember {
			members = append(members, peer.Address)
		}
	}

	w.client.SetMembers(members)
	w.mu.Lock()
	defer w.mu.Unlock()

	lags := next.Era() < w.snapshot.Era() ||
		next.Era() == w.snapshot.Era() && next.Generation < w.snapshot.Generation
	if next.Founded == w.snapshot.Founded && lags {
		return // a member that lags behind
	}

	w.snapshot, w.tag = next, tag
	close(w.changed)

	w.changed = make(chan struct{})
}

// Snapshot returns the last known snapshot.
func (w *Watcher) Snapshot() peerset.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.snapshot.Clone()
}

// Changed returns a channel that is closed when there is a newer snapshot.
func (w *Watcher) Changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

// Report sends this node's heartbeat.
func (w *Watcher) Report(ctx context.Context, report peerset.Report) error {
	return w.client.call(ctx, "/v1/report", report, &struct{}{})
}

// Hold takes or renews a lease.
func (w *Watcher) Hold(ctx context.Context, lease string, ttl time.Duration) (peerset.Lease, bool, error) {
	var answer holdAnswer
	err := w.client.call(ctx, "/v1/hold", holdRequest{lease, ttl}, &answer)
	return answer.Lease, answer.Held, err
}

// Seize takes the writer lease at once, as it was seen.
func (w *Watcher) Seize(ctx context.Context, seen peerset.Lease, reason string) (peerset.Lease, error) {
	var answer peerset.Lease
	err := w.client.call(ctx, "/v1/seize", seizeRequest{
		Lease:  seen.Name,
		Epoch:  seen.Epoch,
		Reason: reason,
	}, &answer)

	return answer, err
}

// Release gives a lease up.
func (w *Watcher) Release(ctx context.Context, lease peerset.Lease) error {
	return w.client.call(ctx, "/v1/release", lease, &struct{}{})
}

// Put writes a setting under a lease.
func (w *Watcher) Put(ctx context.Context, key, value string, fence peerset.Lease) error {
	return w.client.call(ctx, "/v1/put", putRequest{key, value, fence}, &struct{}{})
}

// Note adds an event about this node.
func (w *Watcher) Note(ctx context.Context, note peerset.Note) error {
	return w.client.call(ctx, "/v1/event", note, &struct{}{})
}

// Events returns the newest of the events after an id, at most limit of them, in order.
func (w *Watcher) Events(ctx context.Context, after int64, limit int) ([]peerset.Event, error) {
	var events []peerset.Event

	query := url.Values{
		"after": {strconv.FormatInt(after, 10)},
		"n":     {strconv.Itoa(limit)},
	}

	err := w.client.each(func(member string) error {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()

		request, err := http.NewRequestWithContext(ctx,
			http.MethodGet,
			w.client.url(member, "/v1/events?"+query.Encode()),
			nil,
		)
		if err != nil {
			return err
		}

		return w.client.do(request, &events)
	})

	return events, err
}

// Forget is for members, on the operator's word; a node outside consensus may not.
func (w *Watcher) Forget(context.Context, string) error {
	return fmt.Errorf("forget: %w: run it on a database or proxy node", peerset.ErrForbidden)
}
