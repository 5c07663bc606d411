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

			ok(w, "action", object{
				"id":     5,
				"status": "completed",
			})
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

	three := do.Retries{
		Max:     3,
		MinWait: time.Millisecond,
		MaxWait: 2 * time.Millisecond,
	}
	other, err := three.NewClient(client.BaseURL.String(), "token", "test")
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

	const want = "the API refused the token: set DIGITALOCEAN_ACCESS_TOKEN or api_token to one that is valid: " +
		"list Droplets: GET "
	_, err := do.Droplets(t.Context(), client)
	err = do.ExplainRefusal(err)
	require.ErrorIs(t, err, do.ErrRefused)
	require.ErrorContains(t, err, want)
	require.Equal(t, err, do.ExplainRefusal(err))
	require.NoError(t, do.ExplainRefusal(nil))
}

func TestEnsureLooksBeforeItAsksAgain(t *testing.T) {
	lost := serve(t, func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusBadGateway, "lost")
	})

	// Without the client's own retries each request is one that Ensure made.
	once, err := do.Retries{}.NewClient(lost.BaseURL.String(), "token", "test")
	require.NoError(t, err)

	asked := 0
	create := func(ctx context.Context) (*string, error) {
		asked++
		_, err := once.Tags.Delete(ctx, "x") // any request that fails

		return nil, err
	}

	made := "made"
	isThere := func(context.Context) (*string, error) {
		return &made, nil
	}

	found, err := do.Ensure(t.Context(), "make it", quick, isThere, create)
	require.NoError(t, err)
	require.Equal(t, &made, found)
	require.Equal(t, 1, asked)

	isMissing := func(context.Context) (*string, error) {
		return nil, nil
	}

	// One of the first Ensure, and those of the second: before each but the first it is looked for three times.
	_, err = do.Ensure(t.Context(), "make it", quick, isMissing, create)
	require.Equal(t, http.StatusBadGateway, do.Status(err))
	require.True(t, strings.HasPrefix(err.Error(), "make it: DELETE "), err)
	require.Equal(t, 1+3, asked)
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

			ok(w, "action", action)

		default:
			regions := []string{"nyc3"}
			if polls.Add(1) > 3 {
				regions = append(regions, "ams3")
			}

			ok(w, "image", object{
				"id":      4,
				"regions": regions,
			})
		}
	}
}

func TestATransferIsDoneWhenTheRegionShows(t *testing.T) {
	client := serve(t, transfers("completed", ""))
	err := do.TransferImage(t.Context(), client, 4, "ams3", quick)
	require.NoError(t, err)

	client = serve(t, transfers("", "Image is already being transferred"))
	err = do.TransferImage(t.Context(), client, 4, "ams3", quick)
	require.NoError(t, err, "another build began it")

	const want = "transfer image 4 to ams3: wait for action 9: ended in an error state: transfer of image 4"
	client = serve(t, transfers("errored", ""))
	err = do.TransferImage(t.Context(), client, 4, "ams3", quick)
	require.ErrorIs(t, err, do.ErrErrored)
	require.ErrorContains(t, err, want)

	client = serve(t, transfers("", "no such region"))
	err = do.TransferImage(t.Context(), client, 4, "mars1", quick)
	require.Equal(t, http.StatusUnprocessableEntity, do.Status(err))
}
