package do_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/do"
)

// brief are retries that a test waits for.
var brief = do.Retries{
	Max:     3,
	MinWait: time.Millisecond,
	MaxWait: 5 * time.Millisecond,
	Reading: 50 * time.Millisecond,
	Writing: 100 * time.Millisecond,
}

// retry serves an API to a client with these retries.
func retry(t *testing.T, retries do.Retries, handler http.HandlerFunc) *godo.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)

	client, err := retries.NewClient(server.URL, "token", "test")
	require.NoError(t, err)

	return client
}

// hang answers never.
func hang(_ http.ResponseWriter, r *http.Request) {
	// Without its body read, net/http does not notice that the client is gone.
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// cut answers with the half of a Droplet.
func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, `{"droplet": {"id": 1`)
	_ = http.NewResponseController(w).Flush()

	panic(http.ErrAbortHandler)
}

// say answers 200 with a body.
func say(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, body)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, code, "not now")
	}
}

func TestWhatIsNoAnswerIsReadAgain(t *testing.T) {
	for name, wrong := range map[string]http.HandlerFunc{
		"hangs":   hang,
		"is cut":  cut,
		"is HTML": say("<html>soon back</html>"),
		"is half": say(`{"droplet": {`),
		"is none": say(""),
		"is 500":  status(http.StatusInternalServerError),
		"is 429":  status(http.StatusTooManyRequests),
	} {
		t.Run(name, func(t *testing.T) {
			var gets atomic.Int32
			client := retry(t, brief, func(w http.ResponseWriter, r *http.Request) {
				if gets.Add(1) < 3 {
					wrong(w, r)
					return
				}

				ok(w, "droplet", object{"id": 1})
			})

			droplet, _, err := client.Droplets.Get(t.Context(), 1)
			require.NoError(t, err)
			require.Equal(t, 1, droplet.ID)
			require.EqualValues(t, 3, gets.Load())
		})
	}
}

func TestAPostIsMadeOnceWhenItsAnswerIsLost(t *testing.T) {
	for name, wrong := range map[string]http.HandlerFunc{
		"hangs":  hang,
		"is cut": cut,
		"is 503": status(http.StatusServiceUnavailable),
	} {
		t.Run(name, func(t *testing.T) {
			var posts atomic.Int32
			client := retry(t, brief, func(w http.ResponseWriter, r *http.Request) {
				posts.Add(1)
				wrong(w, r)
			})

			request := &godo.DropletCreateRequest{Name: "x"}
			_, _, err := client.Droplets.Create(t.Context(), request)
			require.True(t, do.MayBeDone(err), "%v", err)
			require.True(t, do.IsDown(err))
			require.True(t, do.IsTransient(err))
			require.EqualValues(t, 1, posts.Load())
			require.ErrorContains(t, err, "/v2/droplets")
		})
	}
}

func TestNothingIsDoneWhereNobodyListens(t *testing.T) {
	client, err := brief.NewClient("http://127.0.0.1:1", "token", "test")
	require.NoError(t, err)

	_, _, err = client.Droplets.Create(t.Context(), &godo.DropletCreateRequest{Name: "x"})
	require.False(t, do.MayBeDone(err))
	require.True(t, do.IsDown(err))
}

func TestPatienceEndsWithTheLastAnswer(t *testing.T) {
	impatient := brief
	impatient.Max = 1000
	impatient.Patience = 200 * time.Millisecond

	busy := retry(t, impatient, status(http.StatusServiceUnavailable))
	_, _, err := busy.Droplets.Get(t.Context(), 1)
	require.Equal(t, http.StatusServiceUnavailable, do.Status(err))

	const late = `/v2/droplets/1": no answer within`
	_, _, err = retry(t, impatient, hang).Droplets.Get(t.Context(), 1)
	require.ErrorContains(t, err, late)
	require.True(t, do.IsDown(err))

	// A wait that is longer than the patience is not begun.
	limited := retry(t, impatient, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "40")
		refuse(w, http.StatusTooManyRequests, "slow down")
	})

	begun := time.Now()
	_, _, err = limited.Droplets.Get(t.Context(), 1)
	require.Equal(t, http.StatusTooManyRequests, do.Status(err))

	_, _, err = limited.Droplets.Get(t.Context(), 1)
	require.ErrorContains(t, err, "the API wants no request before")
	require.True(t, do.IsDown(err))
	require.Less(t, time.Since(begun), 5*time.Second)
}

func TestTheEndOfAContextIsNotTheAPIsFault(t *testing.T) {
	client := retry(t, brief, hang)

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()

	_, _, err := client.Droplets.Get(ctx, 1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.False(t, do.IsDown(err))
	require.False(t, do.IsTransient(err))

	ctx, cancel = do.WithPatience(t.Context(), 10*time.Millisecond)
	defer cancel()

	_, _, err = client.Droplets.Get(ctx, 1)
	require.True(t, do.IsDown(err), "%v", err)
}

func TestARequestAtTheEndOfItsContextIsNotTheAPIsFault(t *testing.T) {
	client := retry(t, brief, func(w http.ResponseWriter, _ *http.Request) {
		ok(w, "droplet", object{"id": 1})
	})

	// Over already, whether or not its timer has fired.
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()

	_, _, err := client.Droplets.Get(ctx, 1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.False(t, do.IsDown(err))

	// A poll that takes every error for the end says no more than that the time is over.
	options := quick
	options.Timeout = 20 * time.Millisecond

	err = do.Wait(t.Context(), "it", func(ctx context.Context) (do.State, error) {
		<-ctx.Done()
		return do.Errored, ctx.Err()
	}, options)
	require.ErrorIs(t, err, do.ErrTimedOut)
	require.NotErrorIs(t, err, do.ErrErrored)
}

func TestRequestsKeepWithinTheBucket(t *testing.T) {
	var gets atomic.Int32
	few := brief
	few.Burst = 5
	few.Rate = 50

	client := retry(t, few, func(w http.ResponseWriter, _ *http.Request) {
		gets.Add(1)
		ok(w, "droplet", object{"id": 1})
	})

	begun := time.Now()

	var group sync.WaitGroup
	for range 15 {
		group.Go(func() {
			_, _, err := client.Droplets.Get(t.Context(), 1)
			if err != nil {
				t.Error(err)
			}
		})
	}

	group.Wait()
	require.EqualValues(t, 15, gets.Load())
	require.GreaterOrEqual(t, time.Since(begun), 190*time.Millisecond, "ten of them at 50 a second")
}

func TestAllRequestsHeedA429(t *testing.T) {
	once := brief
	once.Max = 0

	var gets atomic.Int32
	client := retry(t, once, func(w http.ResponseWriter, _ *http.Request) {
		if gets.Add(1) == 1 {
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusTooManyRequests, "slow down")

			return
		}

		ok(w, "droplet", object{"id": 1})
	})

	begun := time.Now()
	_, _, err := client.Droplets.Get(t.Context(), 1)
	require.Equal(t, http.StatusTooManyRequests, do.Status(err))

	// Another request, which was not refused itself.
	_, _, err = client.Droplets.Get(t.Context(), 2)
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(begun), time.Second)
}

func TestTroubleIsToldOnceAChange(t *testing.T) {
	var lines []string
	telling := brief
	telling.Max = 10
	telling.MinWait = 0
	telling.MaxWait = 0
	telling.Tell = func(line string) { lines = append(lines, line) }

	answers := []int{
		0,
		0,
		503,
		429,
		200,
		503,
		200,
	}
	client := retry(t, telling, func(w http.ResponseWriter, r *http.Request) {
		next := answers[0]
		answers = answers[1:]

		switch next {
		case 0:
			cut(w, r)
		case 200:
			ok(w, "droplet", object{"id": 1})
		case 429:
			w.Header().Set("RateLimit-Remaining", "0")
			w.Header().Set("RateLimit-Reset", "1")
			refuse(w, next, "slow down")
		default:
			w.Header().Set("Retry-After", "2")
			refuse(w, next, "busy")
		}
	})

	for range 2 {
		_, _, err := client.Droplets.Get(t.Context(), 1)
		require.NoError(t, err)
	}

	require.Len(t, lines, 5, strings.Join(lines, "\n"))

	const cutOff = "the API does not answer (GET /v2/droplets/1: read the answer (200 OK): unexpected EOF"
	require.Contains(t, lines[0], cutOff)
	require.Equal(t, "the API answers 503 (GET /v2/droplets/1); waiting 2s", lines[1])
	require.Equal(t, "the API answers again", lines[2])
	require.Equal(t, lines[1:3], lines[3:])
}

func TestAnActionMayShowLate(t *testing.T) {
	var polls atomic.Int32
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if polls.Add(1) < 5 {
			refuse(w, http.StatusNotFound, "no such action")
			return
		}

		ok(w, "action", object{
			"id":     5,
			"status": "completed",
		})
	})

	_, err := do.WaitAction(t.Context(), client, 5, quick)
	require.NoError(t, err)

	never := serve(t, status(http.StatusNotFound))

	_, err = do.WaitAction(t.Context(), never, 5, quick)
	require.ErrorIs(t, err, do.ErrGone)
	require.True(t, do.IsNotFound(err))
}

func TestADropletMayBeActiveBeforeItHasAddresses(t *testing.T) {
	public := object{
		"ip_address": "198.51.100.7",
		"type":       "public",
	}
	private := object{
		"ip_address": "10.0.0.7",
		"type":       "private",
	}

	steps := [][]object{nil, {public}, {private}, {public, private}}

	var polls atomic.Int32
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		step := polls.Add(1) - 1
		ok(w, "droplet", object{
			"status":   "active",
			"networks": object{"v4": steps[step]},
		})
	})

	droplet, err := do.WaitDropletAddressed(t.Context(), client, 1, quick)
	require.NoError(t, err)
	require.EqualValues(t, len(steps), polls.Load())

	got, _ := droplet.PrivateIPv4()
	require.Equal(t, "10.0.0.7", got)
}

func TestAThingThatShowsLateIsNotMadeTwice(t *testing.T) {
	lost := retry(t, brief, status(http.StatusBadGateway))

	made := "made"
	asked, looked := 0, 0

	create := func(ctx context.Context) (*string, error) {
		asked++
		_, _, err := lost.Droplets.Create(ctx, &godo.DropletCreateRequest{Name: "x"})

		return nil, err
	}

	look := func(context.Context) (*string, error) {
		looked++
		if looked < 3 {
			return nil, nil
		}

		return &made, nil
	}

	found, err := do.Ensure(t.Context(), "make it", quick, look, create)
	require.NoError(t, err)
	require.Equal(t, &made, found)
	require.Equal(t, 1, asked)
}
