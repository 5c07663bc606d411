package do_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/do"
)

var quick = do.WaitOptions{
	Timeout:  2 * time.Second,
	Interval: time.Millisecond,
	Longest:  5 * time.Millisecond,
}

func serve(t *testing.T, handler http.HandlerFunc) *godo.Client {
	t.Helper()
	return serveTo(t, do.DefaultRetries, handler)
}

// serveTo serves a client with retries of its own.
func serveTo(t *testing.T, retries do.Retries, handler http.HandlerFunc) *godo.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)

	client, err := retries.NewClient(server.URL, "token", "test")
	require.NoError(t, err)

	return client
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, object{
		"id":      "refused",
		"message": message,
	})
}

// ok answers with one thing by its name.
func ok(w http.ResponseWriter, name string, thing object) {
	answer(w, http.StatusOK, object{name: thing})
}

type object = map[string]any

func TestNewClientRefusesWhatWouldLeakTheToken(t *testing.T) {
	for endpoint, want := range map[string]error{
		"http://api.example.com": do.ErrEndpoint,
		"localhost:8080":         do.ErrEndpoint,
		"http://127.0.0.1:80":    nil,
		"http://[::1]:80":        nil,
		"":                       nil,
	} {
		_, err := do.NewClient(endpoint, "token", "test")
		require.ErrorIs(t, err, want, endpoint)
	}

	_, err := do.NewClient("", " ", "test")
	require.ErrorIs(t, err, do.ErrNoToken)
}

func TestPostIsNotRepeatedAfterAServerError(t *testing.T) {
	var posts, gets atomic.Int32
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posts.Add(1)
			refuse(w, http.StatusInternalServerError, "after the work was done")
			return
		}

		if gets.Add(1) == 1 {
			refuse(w, http.StatusServiceUnavailable, "busy")
			return
		}

		ok(w, "droplet", object{"id": 1})
	})

	request := &godo.DropletCreateRequest{Name: "x"}
	_, _, err := client.Droplets.Create(t.Context(), request)
	require.Equal(t, http.StatusInternalServerError, do.Status(err))
	require.EqualValues(t, 1, posts.Load())

	_, _, err = client.Droplets.Get(t.Context(), 1)
	require.NoError(t, err)
	require.EqualValues(t, 2, gets.Load())
}

func TestPostIsRepeatedWhenThrottled(t *testing.T) {
	var posts atomic.Int32
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if posts.Add(1) == 1 {
			w.Header().Set("Retry-After", "0")
			refuse(w, http.StatusTooManyRequests, "slow down")
			return
		}

		answer(w, http.StatusAccepted, object{"droplet": object{"id": 7}})
	})

	request := &godo.DropletCreateRequest{Name: "x"}
	droplet, _, err := client.Droplets.Create(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, 7, droplet.ID)
}

func TestListsAreReadToTheLastPage(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		require.Equal(t, "some:tag", query.Get("tag_name"))

		page := query.Get("page")
		links := object{}
		if page != "3" {
			links["pages"] = object{
				"next": "http://" + r.Host + "/v2/droplets?page=99",
				"last": "http://x/?page=99",
			}
		}

		droplet := object{
			"id":   len(page),
			"name": "on-page-" + page,
		}

		answer(w, http.StatusOK, object{
			"droplets": []object{droplet},
			"links":    links,
		})
	})

	list, err := do.DropletsByTag(t.Context(), client, "some:tag")
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Equal(t, "on-page-3", list[2].Name)
}

func TestWaitTellsHowItEnded(t *testing.T) {
	cause := errors.New("the cause")
	for name, test := range map[string]struct {
		state do.State
		err   error
		want  []error
	}{
		"done": {state: do.Done},
		"errored": {
			state: do.Errored,
			err:   cause,
			want:  []error{do.ErrErrored, cause},
		},
		"gone": {
			state: do.Gone,
			want:  []error{do.ErrGone},
		},
		"fatal": {
			err:  cause,
			want: []error{cause},
		},
		"late": {want: []error{do.ErrTimedOut}},
	} {
		t.Run(name, func(t *testing.T) {
			options := quick
			options.Timeout = 20 * time.Millisecond

			poll := func(context.Context) (do.State, error) {
				return test.state, test.err
			}

			err := do.Wait(t.Context(), "it", poll, options)
			if test.want == nil {
				require.NoError(t, err)
			}

			for _, want := range test.want {
				require.ErrorIs(t, err, want)
			}
		})
	}
}

func TestWaitTellsTheLastSightAndTheCauseOfCancellation(t *testing.T) {
	options := quick
	options.Timeout = 20 * time.Millisecond

	still := func(context.Context) (do.State, error) {
		return do.Pending, do.Seen("status %s", "new")
	}
	err := do.Wait(t.Context(), "Droplet 1", still, options)
	require.ErrorContains(t, err, "wait for Droplet 1: timed out after 20ms; last seen: status new")

	interrupted := errors.New("interrupted by the user")
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupt := func(context.Context) (do.State, error) {
		cancel(interrupted)
		return do.Pending, nil
	}

	err = do.Wait(ctx, "it", interrupt, quick)
	require.ErrorIs(t, err, interrupted)
	require.NotErrorIs(t, err, do.ErrTimedOut)
}

func TestWaitDropletActiveWaitsForLockAndAddress(t *testing.T) {
	public := object{
		"ip_address": "198.51.100.7",
		"type":       "public",
	}
	address := object{"v4": []object{public}}

	steps := []object{
		{
			"status": "new",
			"locked": true,
		},
		{
			"status":   "active",
			"locked":   true,
			"networks": address,
		},
		{
			"status":   "active",
			"networks": object{},
		},
		{
			"status":   "active",
			"networks": address,
		},
	}

	var polls atomic.Int32
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		step := polls.Add(1) - 1
		ok(w, "droplet", steps[step])
	})

	droplet, err := do.WaitDropletActive(t.Context(), client, 1, quick)
	require.NoError(t, err)
	require.EqualValues(t, len(steps), polls.Load())

	got, _ := droplet.PublicIPv4()
	require.Equal(t, "198.51.100.7", got)
}

func TestWaitActionEndsAtErrored(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		ok(w, "action", object{
			"id":            5,
			"status":        "errored",
			"type":          "snapshot",
			"resource_type": "droplet",
			"resource_id":   9,
		})
	})

	_, err := do.WaitAction(t.Context(), client, 5, quick)
	require.ErrorIs(t, err, do.ErrErrored)
	require.ErrorContains(t, err, "snapshot of droplet 9")
}

func TestDeleteDropletOutlastsAPendingEvent(t *testing.T) {
	var deletes, gets atomic.Int32

	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodDelete && deletes.Add(1) < 3:
			refuse(w, http.StatusUnprocessableEntity, "Droplet already has a pending event.")
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		case gets.Add(1) < 3:
			ok(w, "droplet", object{"status": "active"})
		default:
			refuse(w, http.StatusNotFound, "not there")
		}
	})

	err := do.DeleteDroplet(t.Context(), client, 1, quick)
	require.NoError(t, err)
	require.EqualValues(t, 3, deletes.Load())
}

func TestActTellsTheAPIsAnswer(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusUnprocessableEntity, "Droplet is already powered off")
	})

	powerOff := func(ctx context.Context) (*godo.Action, *godo.Response, error) {
		return client.DropletActions.PowerOff(ctx, 1)
	}

	_, err := do.Act(t.Context(), client, "power off", powerOff, quick)
	require.Equal(t, http.StatusUnprocessableEntity, do.Status(err))
	require.ErrorContains(t, err, "already powered off")
}

func TestTagImageIsNotDoneUntilItShows(t *testing.T) {
	shown := []string{"one"}
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v2/images/4":
			ok(w, "image", object{"id": 4, "tags": shown})
		case r.URL.Path == "/v2/tags":
			answer(w, http.StatusCreated, object{"tag": object{}})
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})

	err := do.TagImage(t.Context(), client, 4, []string{"one"}, quick)
	require.NoError(t, err)

	err = do.TagImage(t.Context(), client, 4, []string{"one", "two"}, quick)
	require.ErrorIs(t, err, do.ErrNotTagged)
}

func ExampleSeen() {
	fmt.Println(do.Seen("status %s", "new"))
	// Output: status new
}
