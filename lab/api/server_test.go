package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/lab/state"
)

const token = "lab-token"

// world is a lab with fake machines, and godo pointed at it: w.Droplets.Create asks the lab for a Droplet.
type world struct {
	*godo.Client

	t         testing.TB
	path      string
	machines  *machines
	balancers *balancers
	volumes   *volumes
	store     *state.Store
	server    *api.Server
	http      *httptest.Server
}

func newWorld(t testing.TB, change ...func(*api.Options)) *world {
	w := &world{
		t:         t,
		path:      filepath.Join(t.TempDir(), "state.json"),
		machines:  newMachines(),
		balancers: &balancers{applied: map[string]api.Balancer{}},
		volumes:   newVolumes(),
	}
	w.start(change...)

	return w
}

// start opens the lab on what is at its path: a first start, or one after a crash.
func (w *world) start(change ...func(*api.Options)) {
	store, err := state.Open(w.path, api.Fresh(time.Now()))
	require.NoError(w.t, err)

	options := api.Options{
		Token:     token,
		Store:     store,
		Machines:  w.machines,
		Balancers: w.balancers,
		Volumes:   w.volumes,
		Public:    netip.MustParsePrefix("198.51.100.0/24"),
		Logger:    slog.New(slog.DiscardHandler),
	}

	for _, f := range change {
		f(&options)
	}

	w.store = store
	w.server = api.New(options)
	require.NoError(w.t, w.server.Start(w.t.Context()))

	w.http = httptest.NewServer(w.server.Handler())
	w.t.Cleanup(w.stop)

	w.Client, err = godo.New(&http.Client{Transport: bearer(token)}, godo.SetBaseURL(w.http.URL))
	require.NoError(w.t, err)
}

func (w *world) stop() {
	w.http.Close()
	w.server.Close()
}

type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// raw sends a request without godo, and returns the status and the decoded body.
func (w *world) raw(method, path, body string) (int, map[string]any, http.Header) {
	request, err := http.NewRequest(method, w.http.URL+path, strings.NewReader(body))
	require.NoError(w.t, err)

	answer, err := (&http.Client{Transport: bearer(token)}).Do(request)
	require.NoError(w.t, err)
	defer answer.Body.Close()

	data, err := io.ReadAll(answer.Body)
	require.NoError(w.t, err)

	decoded := map[string]any{}
	if len(data) > 0 {
		require.NoError(w.t, json.Unmarshal(data, &decoded), "%s", data)
	}

	return answer.StatusCode, decoded, answer.Header
}

func (w *world) eventually(what string, is func() bool) {
	w.t.Helper()
	require.Eventually(w.t, is, 5*time.Second, 2*time.Millisecond, what)
}

func request(name string) *godo.DropletCreateRequest {
	return &godo.DropletCreateRequest{
		Name:   name,
		Region: "nyc3",
		Size:   "s-1vcpu-1gb",
		Image:  godo.DropletCreateImage{Slug: "debian-13-x64"},
	}
}

// create makes a Droplet and waits until it is active.
func (w *world) create(request *godo.DropletCreateRequest) *godo.Droplet {
	w.t.Helper()
	droplet, _, err := w.Droplets.Create(w.t.Context(), request)
	require.NoError(w.t, err)

	return w.active(droplet.ID)
}

func (w *world) active(id int) *godo.Droplet {
	w.t.Helper()
	return w.until(id, "active")
}

func (w *world) until(id int, status string) *godo.Droplet {
	w.t.Helper()
	var droplet *godo.Droplet
	w.eventually(fmt.Sprintf("Droplet %d %s and unlocked", id, status), func() bool {
		got, _, err := w.Droplets.Get(context.Background(), id)
		require.NoError(w.t, err)
		droplet = got

		return got.Status == status && !got.Locked
	})

	return droplet
}

// destroy asks for the end of a Droplet; it is not waited for.
func (w *world) destroy(id int) {
	w.t.Helper()
	_, err := w.Droplets.Delete(w.t.Context(), id)
	require.NoError(w.t, err)
}

// did waits until the action that was asked for has ended, as in w.did(w.DropletActions.PowerOff(ctx, id)).
func (w *world) did(action *godo.Action, _ *godo.Response, err error) *godo.Action {
	w.t.Helper()
	require.NoError(w.t, err)

	return w.done(action)
}

// done waits until an action has ended, well or not.
func (w *world) done(action *godo.Action) *godo.Action {
	w.t.Helper()

	w.eventually(action.Type+" ended", func() bool {
		got, _, err := w.Actions.Get(context.Background(), action.ID)
		require.NoError(w.t, err)
		action = got

		return got.Status != godo.ActionInProgress
	})

	return action
}

// refused asserts an answer of the API's error shape.
func refused(t *testing.T, err error, status int, message string) {
	t.Helper()
	var refusal *godo.ErrorResponse
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, status, refusal.Response.StatusCode, refusal.Message)
	require.Contains(t, refusal.Message, message)
	require.NotEmpty(t, refusal.RequestID)
}

func TestCommonRules(t *testing.T) {
	w := newWorld(t)
	request, err := http.NewRequest("GET", w.http.URL+"/v2/account", nil)
	require.NoError(t, err)

	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, 401, answer.StatusCode)
	require.NotEmpty(t, answer.Header.Get("ratelimit-remaining"))

	status, body, header := w.raw("GET", "/v2/nothing/here", "")
	require.Equal(t, 404, status)
	require.Equal(t, "not_found", body["id"])
	require.Equal(t, header.Get("x-request-id"), body["request_id"])
	require.NotEmpty(t, header.Get("ratelimit-reset"))

	for _, c := range []struct {
		method, path, body string
		status             int
		id                 string
	}{
		{
			method: "GET",
			path:   "/v2/droplets/abc",
			status: 404,
			id:     "not_found",
		},
		{
			method: "GET",
			path:   "/v2/images/no-such-slug",
			status: 404,
			id:     "not_found",
		},
		{
			method: "PATCH",
			path:   "/v2/droplets",
			body:   "{}",
			status: 405,
			id:     "method_not_allowed",
		},
		{
			method: "POST",
			path:   "/v2/droplets",
			body:   "{",
			status: 400,
			id:     "bad_request",
		},
		{
			method: "POST",
			path:   "/v2/droplets",
			status: 400,
			id:     "bad_request",
		},
		{
			method: "POST",
			path:   "/v2/droplets",
			body:   `{"name": 5}`,
			status: 422,
			id:     "unprocessable_entity",
		},
		{
			method: "POST",
			path:   "/v2/droplets",
			body:   `{"name":"x","image":true}`,
			status: 422,
			id:     "unprocessable_entity",
		},
		{
			method: "POST",
			path:   "/v2/droplets",
			body:   `{"name":"` + strings.Repeat("a", 1<<20) + `"}`,
			status: 413,
			id:     "request_entity_too_large",
		},
		{
			method: "DELETE",
			path:   "/v2/droplets",
			status: 422,
			id:     "unprocessable_entity",
		},
	} {
		status, body, _ := w.raw(c.method, c.path, c.body)
		require.Equal(t, c.status, status, "%s %s: %v", c.method, c.path, body)
		require.Equal(t, c.id, body["id"])
		require.NotEmpty(t, body["message"])
	}
}

func TestAPanicIsAnAnswer(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(o *api.Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	w.balancers.panics.Store(true)

	status, body, _ := w.raw("GET", "/lab/v1/published?ip=198.51.100.9", "")
	w.stop()
	require.Equal(t, 500, status)
	require.Equal(t, "server_error", body["id"])
	require.Contains(t, log.String(), "request panicked")
}

func TestPaging(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for i := range 5 {
		_, _, err := w.Tags.Create(
			ctx,
			&godo.TagCreateRequest{Name: fmt.Sprintf("tag-%d", i)},
		)
		require.NoError(t, err)
	}

	options := &godo.ListOptions{
		Page:    1,
		PerPage: 2,
	}
	var seen []string

	for {
		tags, answer, err := w.Tags.List(ctx, options)
		require.NoError(t, err)
		require.Equal(t, 5, answer.Meta.Total)

		for _, tag := range tags {
			seen = append(seen, tag.Name)
		}

		page, err := answer.Links.CurrentPage()
		if answer.Links.IsLastPage() {
			require.Equal(t, 3, page)
			require.Empty(t, answer.Links.Pages.Last)
			break
		}

		require.NoError(t, err)
		require.Equal(t, options.Page, page)
		options.Page++
	}

	require.Equal(t, []string{"tag-0", "tag-1", "tag-2", "tag-3", "tag-4"}, seen)

	_, body, _ := w.raw("GET", "/v2/images?type=distribution&per_page=1", "")
	next, err := url.Parse(body["links"].(map[string]any)["pages"].(map[string]any)["next"].(string))
	require.NoError(t, err)
	require.Equal(t, "distribution", next.Query().Get("type"))
	require.True(t, next.IsAbs())

	_, body, _ = w.raw("GET", "/v2/tags?page=9", "")
	require.Equal(t, []any{}, body["tags"])

	_, body, _ = w.raw("GET", "/v2/droplets?tag_name=none", "")
	require.Equal(t, []any{}, body["droplets"])
	require.Equal(t, map[string]any{}, body["links"])
}
