package builder_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
)

// programs are what else the tests' own program can be, by its first argument.
var programs = map[string]func(args []string) error{}

// TestMain keeps Packer's own log, which is for its debugging, out of the tests' output.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	if len(os.Args) > 1 && programs[os.Args[1]] != nil {
		if err := programs[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var nothing = map[string]int{"droplets": 0, "images": 0, "keys": 0}

func prepared(t *testing.T, c *cloud, more object) *builder.Builder {
	t.Helper()
	b := new(builder.Builder)
	_, _, err := b.Prepare(c.options(t, more))
	require.NoError(t, err)
	return b
}

func bake(ctx context.Context, t *testing.T, b *builder.Builder) (packersdk.Artifact, error) {
	t.Helper()
	return b.Run(ctx, packersdk.TestUi(t), new(packersdk.MockHook))
}

func TestBakeLeavesTheImageAndNothingElse(t *testing.T) {
	c := newCloud(t)
	b := prepared(t, c, object{"snapshot_tags": []string{"mine"}})
	artifact, err := bake(t.Context(), t, b)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"droplets": 0, "images": 1, "keys": 0}, c.left())
	require.Contains(t, artifact.String(), "in nyc3")

	image := c.list("images", "")[0]
	tags := image["tags"].([]any)
	require.Subset(t, tags, []any{"hornero", "hornero:role:tiny", "hornero:release:debian-13", "mine"})
	require.True(t, strings.HasPrefix(tags[len(tags)-1].(string), "hornero:digest:"), "the digest's tag is the last: %v", tags)

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
	"POST account/keys", "POST droplets", "GET droplets/N", "POST droplets/N/actions snapshot", "GET droplets/N/snapshots",
	"POST tags", "POST tags/TAG/resources", "GET images/N",
}

func TestAFailureAtAnyStepLeavesNothing(t *testing.T) {
	for _, step := range steps {
		t.Run(step, func(t *testing.T) {
			c := newCloud(t)
			var failed atomic.Bool
			c.before = func(w http.ResponseWriter, _ *http.Request, call string) bool {
				if call != step || failed.Swap(true) {
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

func TestALostAnswerToTheCreationLeavesNoDroplet(t *testing.T) {
	c := newCloud(t)
	c.before = func(w http.ResponseWriter, _ *http.Request, call string) bool {
		if call != "POST droplets" {
			return false
		}
		c.mutex.Lock()
		c.add("droplets", object{"name": "made", "tags": []any{tagOfKey(c)}, "status": "active"})
		c.mutex.Unlock()
		refuse(w, http.StatusInternalServerError, "after the work was done")
		return true
	}
	_, err := bake(t.Context(), t, prepared(t, c, nil))
	require.ErrorContains(t, err, "after the work was done")
	require.Equal(t, 1, c.count("POST droplets"))
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
	require.Equal(t, map[string]int{"droplets": 0, "images": 1, "keys": 0}, c.left())
}

func TestADropletThatWillNotShutDownIsPoweredOff(t *testing.T) {
	c := newCloud(t)
	c.before = func(w http.ResponseWriter, _ *http.Request, call string) bool {
		if call != "POST droplets/N/actions shutdown" {
			return false
		}
		c.mutex.Lock()
		defer c.mutex.Unlock()
		reply(w, http.StatusCreated, object{"action": c.add("actions", object{"status": "completed"})})
		return true
	}
	_, err := bake(t.Context(), t, prepared(t, c, nil))
	require.NoError(t, err)
	require.Equal(t, 1, c.count("POST droplets/N/actions power_off"))
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

func TestOnlyDeadBuildsAreSwept(t *testing.T) {
	c := newCloud(t)
	living := ownTag(t, c)
	fields := strings.Split(living, "-")
	changed := func(at int, value string) string {
		other := slices.Clone(fields)
		other[at] = value
		return strings.Join(other, "-")
	}
	// Fields of a tag: "hornero", "build:HOST", process, its start, time, nonce.
	elsewhere := changed(1, "build:0123456789ab")
	old := func(tag string) string {
		parts := strings.Split(tag, "-")
		parts[4] = "1000000000"
		return strings.Join(parts, "-")
	}
	want := map[string]bool{ // whether it stays
		living:                true,  // this very process, earlier
		changed(2, "4194305"): false, // a process that this host does not have
		changed(3, "1"):       false, // its number is another process' now
		elsewhere:             true,
		old(elsewhere):        false,
		"hornero-build:what":  true, // not a form that we know
	}
	for tag := range want {
		c.add("droplets", object{"name": "left", "tags": []any{"hornero-build", tag}, "status": "active"})
		c.add("keys", object{"name": tag})
	}
	_, err := bake(t.Context(), t, prepared(t, c, object{"force": true}))
	require.NoError(t, err)
	for tag, stays := range want {
		require.Equal(t, stays, len(c.list("droplets", tag)) == 1, "Droplet of %s", tag)
		require.Equal(t, stays, slices.ContainsFunc(c.list("keys", ""), func(o object) bool { return o["name"] == tag }), "key of %s", tag)
	}
}

// ownTag bakes once and returns the tag that the build's Droplet had.
func ownTag(t *testing.T, c *cloud) string {
	t.Helper()
	var tag string
	c.before = func(_ http.ResponseWriter, _ *http.Request, call string) bool {
		if call == "POST droplets" {
			c.mutex.Lock()
			tag = tagOfKey(c)
			c.mutex.Unlock()
		}
		return false
	}
	_, err := bake(t.Context(), t, prepared(t, c, nil))
	require.NoError(t, err)
	c.before = nil
	return tag
}

func TestAHalfMadeImageOfADeadBuildIsSwept(t *testing.T) {
	c := newCloud(t)
	long, now := time.Now().Add(-48*time.Hour).UTC().Format(time.RFC3339), time.Now().UTC().Format(time.RFC3339)
	half := c.add("images", object{"name": "ours", "created_at": long, "tags": []any{}})
	fresh := c.add("images", object{"name": "ours", "created_at": now, "tags": []any{}})
	whole := c.add("images", object{"name": "ours", "created_at": long, "tags": []any{"hornero:digest:aa"}})
	other := c.add("images", object{"name": "theirs", "created_at": long, "tags": []any{}})
	_, err := bake(t.Context(), t, prepared(t, c, object{"snapshot_name": "ours"}))
	require.NoError(t, err)
	require.NotContains(t, c.thing["images"], half["id"])
	for _, image := range []object{fresh, whole, other} {
		require.Contains(t, c.thing["images"], image["id"])
	}
}
