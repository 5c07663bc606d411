package do_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/do"
)

func TestAPollBearsAFewRefusals(t *testing.T) {
	for refusals, want := range map[int32]int{
		1: 0,
		8: 0,
		9: http.StatusForbidden,
	} {
		var polls atomic.Int32
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if polls.Add(1) <= refusals {
				refuse(w, http.StatusForbidden, "not you")
				return
			}

			answer(w, http.StatusOK, object{"action": object{"id": 5, "status": "completed"}})
		})

		_, err := do.WaitAction(t.Context(), client, 5, quick)
		require.Equal(t, want, do.Status(err), "%d refusals", refusals)
	}
}

func TestRetriesAreTold(t *testing.T) {
	var gets atomic.Int32
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		gets.Add(1)
		refuse(w, http.StatusServiceUnavailable, "busy")
	})

	other, err := do.Retries{
		Most:     3,
		Shortest: time.Millisecond,
		Longest:  2 * time.Millisecond,
	}.NewClient(
		client.BaseURL.String(),
		"token",
		"test",
	)
	require.NoError(t, err)

	_, _, err = other.Droplets.Get(t.Context(), 1)
	require.Equal(t, http.StatusServiceUnavailable, do.Status(err))
	require.EqualValues(t, 4, gets.Load())

	none, err := do.Retries{}.NewClient(client.BaseURL.String(), "token", "test")
	require.NoError(t, err)

	_, _, err = none.Droplets.Get(t.Context(), 1)
	require.Error(t, err)
	require.EqualValues(t, 5, gets.Load())
}

func TestARefusedTokenIsExplained(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusUnauthorized, "Unable to authenticate you")
	})
	_, err := do.Droplets(t.Context(), client)
	err = do.Explained(err)
	require.ErrorIs(t, err, do.ErrRefused)

	require.ErrorContains(t,
		err,
		"the API refused the token: set DIGITALOCEAN_ACCESS_TOKEN or api_token to one that is valid: list "+
			"Droplets: GET ",
	)

	require.Equal(t, err, do.Explained(err))
	require.NoError(t, do.Explained(nil))
}

func TestEnsureLooksBeforeItAsksAgain(t *testing.T) {
	lost := serve(t, func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusBadGateway, "lost")
	})
	asked, made := 0, "made"
	create := func(ctx context.Context) (*string, error) {
		asked++
		_, err := lost.Tags.Delete(ctx, "x") // any request that fails
		return nil, err
	}

	none, err := do.Retries{}.NewClient(lost.BaseURL.String(), "token", "test")
	require.NoError(t, err)

	lost = none

	found, err := do.Ensure(
		t.Context(),
		"make it",
		quick,
		func(context.Context) (*string, error) { return &made, nil },
		create,
	)
	require.NoError(t, err)
	require.Equal(t, &made, found)
	require.Equal(t, 1, asked)

	_, err = do.Ensure(
		t.Context(),
		"make it",
		quick,
		func(context.Context) (*string, error) { return nil, nil },
		create,
	)
	require.Equal(t, http.StatusBadGateway, do.Status(err))
	require.True(t, strings.HasPrefix(err.Error(), "make it: DELETE "), err)
	require.Equal(t, 1+8, asked)
}

// transfers answers for image 4, which comes to a region when its action is polled the second time.
func transfers(status string, refusal string) http.HandlerFunc {
	var polls atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		action := object{
			"id":            9,
			"type":          "transfer",
			"resource_type": "image",
			"resource_id":   4,
			"status":        "in-progress",
		}

		switch {
		case r.Method == http.MethodPost && refusal != "":
			refuse(w, http.StatusUnprocessableEntity, refusal)
		case r.Method == http.MethodPost:
			answer(w, http.StatusCreated, object{"action": action})

		case strings.HasPrefix(r.URL.Path, "/v2/actions/"):
			if polls.Add(1) > 1 {
				action["status"] = status
			}

			answer(w, http.StatusOK, object{"action": action})

		case polls.Add(1) > 3:
			answer(w,
				http.StatusOK,
				object{"image": object{
					"id":      4,
					"regions": []string{"nyc3", "ams3"},
				}},
			)

		default:
			answer(w, http.StatusOK, object{"image": object{
				"id":      4,
				"regions": []string{"nyc3"},
			}})
		}
	}
}

func TestATransferIsDoneWhenTheRegionShows(t *testing.T) {
	require.NoError(t, do.TransferImage(
		t.Context(),
		serve(t, transfers("completed", "")),
		4,
		"ams3",
		quick,
	))

	require.NoError(t,
		do.TransferImage(
			t.Context(),
			serve(t, transfers("", "Image is already being transferred")),
			4,
			"ams3",
			quick,
		),
		"another build began it",
	)

	err := do.TransferImage(t.Context(), serve(t, transfers("errored", "")), 4, "ams3", quick)
	require.ErrorIs(t, err, do.ErrErrored)

	require.ErrorContains(t,
		err,
		"transfer image 4 to ams3: wait for action 9: ended in an error state: transfer of image 4",
	)

	err = do.TransferImage(
		t.Context(),
		serve(t, transfers("", "no such region")),
		4,
		"mars1",
		quick,
	)
	require.Equal(t, http.StatusUnprocessableEntity, do.Status(err))
}
