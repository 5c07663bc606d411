package builder_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
	"github.com/hornero/hornero/internal/do"
)

// programs are what else the tests' own program can be, by its first argument.
var programs = map[string]func(args []string) error{}

// setups run before the tests. What each returns undoes it after them.
var setups []func() (undo func() error, err error)

// TestMain keeps Packer's own log, which is for its debugging, out of the tests' output.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)

	if len(os.Args) > 1 && programs[os.Args[1]] != nil {
		exitOn(programs[os.Args[1]](os.Args[2:]))
		os.Exit(0)
	}

	var undos []func() error

	for _, setup := range setups {
		undo, err := setup()
		exitOn(err)

		undos = append(undos, undo)
	}

	code := m.Run()

	for _, undo := range undos {
		exitOn(undo())
	}

	os.Exit(code)
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// nothing is left in the cloud, or nothing but one image.
var (
	nothing = map[string]int{
		"droplets":       0,
		"images":         0,
		"keys":           0,
		"tags of builds": 0,
	}
	oneImage = map[string]int{
		"droplets":       0,
		"images":         1,
		"keys":           0,
		"tags of builds": 0,
	}
)

func prepared(t *testing.T, c *cloud, more object) *builder.Builder {
	t.Helper()
	b := new(builder.Builder)
	_, _, err := b.Prepare(c.options(t, more))
	require.NoError(t, err)

	return b
}

func bake(ctx context.Context, t *testing.T, b *builder.Builder) (packersdk.Artifact, error) {
	t.Helper()
	return b.Run(ctx,
		packersdk.TestUi(t),
		new(packersdk.MockHook),
	)
}

func TestBakeLeavesTheImageAndNothingElse(t *testing.T) {
	c := newCloud(t)
	b := prepared(t, c, object{"snapshot_tags": []string{"mine"}})
	artifact, err := bake(t.Context(), t, b)
	require.NoError(t, err)
	require.Equal(t, oneImage, c.left())
	require.Contains(t, artifact.String(), "in nyc3")

	image := c.list("images", "")[0]
	tags := image["tags"].([]any)
	require.Subset(t, tags, []any{"hornero", "hornero:role:tiny", "hornero:release:debian-13", "mine"})

	last := tags[len(tags)-1].(string)
	require.True(t,
		strings.HasPrefix(last, "hornero:digest:"),
		"the digest's tag is the last: %v",
		tags,
	)

	require.NoError(t, artifact.Destroy())
	require.Equal(t, nothing, c.left())
}

func TestUnchangedIsNotBakedAgain(t *testing.T) {
	c := newCloud(t)
	options := c.options(t, nil)
	run := func(more object) packersdk.Artifact {
		t.Helper()
		b := new(builder.Builder)
		_, _, err := b.Prepare(options, more)
		require.NoError(t, err)

		artifact, err := bake(t.Context(), t, b)
		require.NoError(t, err)

		return artifact
	}

	first := run(nil)
	require.Equal(t, first.Id(), run(nil).Id())
	require.Equal(t, 1, c.count("POST droplets"))

	require.NotEqual(t, first.Id(), run(object{"force": true}).Id())
}

// steps are the requests of a bake. Each is made to fail, and to be the moment of Ctrl-C.
var steps = []string{
	"POST account/keys",
	"POST droplets",
	"GET droplets/N",
	"POST droplets/N/actions snapshot",
	"GET droplets/N/snapshots",
	"POST tags",
	"POST tags/TAG/resources",
	"PUT images/N",
	"DELETE tags/TAG/resources",
	"GET images/N",
}

// believed is how many refusals in a row it takes until a poll is believed to be refused.
var believed = map[string]int32{"GET droplets/N": 9, "GET droplets/N/snapshots": 9}

func TestAFailureAtAnyStepLeavesNothing(t *testing.T) {
	for _, step := range steps {
		t.Run(step, func(t *testing.T) {
			c := newCloud(t)
			var failed atomic.Int32
			c.before = func(w http.ResponseWriter, _ *http.Request, call string) bool {
				if call != step || failed.Add(1) > max(1, believed[step]) {
					return false
				}

				refuse(w, http.StatusForbidden, "not you")

				return true
			}

			artifact, err := bake(t.Context(), t, prepared(t, c, nil))
			require.ErrorContains(t, err, "not you")
			require.Nil(t, artifact)
			require.Equal(t, nothing, c.left())
		})
	}
}

func TestInterruptionAtAnyStepLeavesNothing(t *testing.T) {
	for _, step := range append(steps, "POST droplets/N/actions shutdown", "GET actions/N") {
		t.Run(step, func(t *testing.T) {
			c := newCloud(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()

			c.before = func(_ http.ResponseWriter, _ *http.Request, call string) bool {
				if call == step {
					cancel()
				}

				return false // the request is served: its answer is lost, its work is done
			}

			artifact, err := bake(ctx, t, prepared(t, c, nil))
			require.ErrorIs(t, err, builder.ErrInterrupted)
			require.Nil(t, artifact)
			require.Equal(t, nothing, c.left())
		})
	}
}

// The API has no idempotency key: what a lost answer may have made is looked for before it is asked for again.
func TestALostAnswerIsNoSecondThing(t *testing.T) {
	for _, call := range []string{
		"POST account/keys",
		"POST droplets",
		"POST droplets/N/actions snapshot",
		"POST tags",
		"POST tags/TAG/resources",
	} {
		for what, done := range map[string]bool{"after the work": true, "before the work": false} {
			t.Run(call+" "+what, func(t *testing.T) {
				c := newCloud(t)
				var lost atomic.Bool
				c.before = func(w http.ResponseWriter, r *http.Request, asked string) bool {
					if asked != call || lost.Swap(true) {
						return false
					}
					if done {
						c.work(r, asked)
					}

					refuse(w, http.StatusBadGateway, "the answer is lost")

					return true
				}

				_, err := bake(t.Context(), t, prepared(t, c, nil))
				require.NoError(t, err)
				require.Equal(t, oneImage, c.left())
			})
		}
	}
}

func TestAnAPIThatStaysDownEndsTheBuild(t *testing.T) {
	c := newCloud(t)
	c.before = func(w http.ResponseWriter, _ *http.Request, call string) bool {
		if call == "POST droplets" {
			refuse(w, http.StatusBadGateway, "down")
		}

		return call == "POST droplets"
	}

	_, err := bake(t.Context(), t, prepared(t, c, nil))
	require.ErrorContains(t, err, "create Droplet hornero-build-tiny: POST ")
	require.ErrorContains(t, err, "502 down")
	require.Equal(t, 3, c.count("POST droplets"), "before each but the first it is looked for")
	require.Equal(t, nothing, c.left())
}

// tagOfKey is the running build's own tag: its key bears it as a name.
func tagOfKey(c *cloud) string {
	for _, key := range c.thing["keys"] {
		return key["name"].(string)
	}

	return ""
}

func TestAProvisionerThatFailsLeavesNothing(t *testing.T) {
	c := newCloud(t)
	cause := errors.New("no such package")
	hook := &packersdk.MockHook{RunFunc: func(context.Context) error { return cause }}
	_, err := prepared(t, c, nil).Run(t.Context(), packersdk.TestUi(t), hook)
	require.ErrorContains(t, err, cause.Error()) // Packer flattens it
	require.Equal(t, nothing, c.left())
}

func TestCleanupOutlastsAPendingEvent(t *testing.T) {
	c := newCloud(t)
	var refused atomic.Int32
	c.before = func(w http.ResponseWriter, _ *http.Request, call string) bool {
		if call != "DELETE droplets/N" || refused.Add(1) > 2 {
			return false
		}

		refuse(w, http.StatusUnprocessableEntity, "Droplet already has a pending event.")

		return true
	}

	_, err := bake(t.Context(), t, prepared(t, c, nil))
	require.NoError(t, err)
	require.Equal(t, oneImage, c.left())
}

func TestADropletThatWillNotShutDownIsPoweredOff(t *testing.T) {
	c := newCloud(t)
	c.before = func(w http.ResponseWriter, _ *http.Request, call string) bool {
		if call != "POST droplets/N/actions shutdown" {
			return false
		}

		c.mutex.Lock()
		defer c.mutex.Unlock()

		reply(w,
			http.StatusCreated,
			object{"action": c.add("actions", object{"status": "completed"})},
		)

		return true
	}

	_, err := bake(t.Context(), t, prepared(t, c, nil))
	require.NoError(t, err)
	require.Equal(t, 1, c.count("POST droplets/N/actions power_off"))
}

// An action that ended in an error is not polled until the time is over.
func TestASnapshotThatErrsEndsTheBuildAtOnce(t *testing.T) {
	c := newCloud(t)
	c.before = func(w http.ResponseWriter, _ *http.Request, call string) bool {
		if call != "POST droplets/N/actions snapshot" {
			return false
		}

		c.mutex.Lock()
		defer c.mutex.Unlock()

		action := c.add("actions", object{
			"status":        "errored",
			"type":          "snapshot",
			"resource_type": "droplet",
			"resource_id":   7,
		})
		reply(w, http.StatusCreated, object{"action": action})

		return true
	}

	_, err := bake(t.Context(), t, prepared(t, c, nil))
	require.ErrorIs(t, err, do.ErrErrored)
	require.ErrorContains(t, err, "ended in an error state: snapshot of droplet 7")
	require.Equal(t, 1, c.count("POST droplets/N/actions snapshot"))
	require.Equal(t, nothing, c.left())
}

func TestATagThatDoesNotStickIsNoSuccess(t *testing.T) {
	c := newCloud(t)
	c.before = func(w http.ResponseWriter, _ *http.Request, call string) bool {
		if call != "POST tags/TAG/resources" {
			return false
		}

		w.WriteHeader(http.StatusNoContent)

		return true
	}

	_, err := bake(t.Context(), t, prepared(t, c, nil))
	require.ErrorContains(t, err, "the tag was taken but is not there")
	require.Equal(t, nothing, c.left())
}
