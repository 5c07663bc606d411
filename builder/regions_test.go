package builder_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
)

var inThree = object{"snapshot_regions": []string{"ams3", "fra1", "nyc3"}}

func TestAnImageIsTransferredToItsRegions(t *testing.T) {
	c := newCloud(t)
	artifact, err := bake(t.Context(), t, prepared(t, c, inThree))
	require.NoError(t, err)
	require.Equal(t, 2, c.count("POST images/N/actions transfer"), "not to the one that it is in")
	require.ElementsMatch(t, []string{"nyc3", "ams3", "fra1"}, artifact.(*builder.Artifact).Regions)
	require.Equal(t, oneImage, c.left())
}

// All transfers are asked for before the first is over.
func TestTransfersRunSideBySide(t *testing.T) {
	c := newCloud(t)
	var asked sync.WaitGroup
	asked.Add(2)

	c.before = func(_ http.ResponseWriter, _ *http.Request, call string) bool {
		if call == "POST images/N/actions transfer" {
			asked.Done()
			asked.Wait()
		}

		return false
	}

	_, err := bake(t.Context(), t, prepared(t, c, inThree))
	require.NoError(t, err)
}

func TestRegionsThatAreMissingAreTransferredTo(t *testing.T) {
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
	require.Equal(t, first.Id(), run(inThree).Id())
	require.Equal(t, 1, c.count("POST droplets"), "nothing is baked anew")
	require.Equal(t, 2, c.count("POST images/N/actions transfer"))
	require.Equal(t, first.Id(), run(inThree).Id())
	require.Equal(t, 2, c.count("POST images/N/actions transfer"), "it is in all of them")

	require.NotEqual(t,
		first.Id(),
		run(object{"force": true}).Id(),
	)

	require.Equal(t, first.Id(), run(inThree).Id(), "the older one is in more of the regions")
}

func TestATransferThatFailsKeepsTheImageAndIsTakenUpAgain(t *testing.T) {
	c := newCloud(t)
	options := c.options(t, inThree)
	run := func() (packersdk.Artifact, error) {
		b := new(builder.Builder)
		_, _, err := b.Prepare(options)
		require.NoError(t, err)

		return bake(t.Context(), t, b)
	}

	c.before = func(w http.ResponseWriter, r *http.Request, call string) bool {
		if call == "POST images/N/actions transfer" &&
			r.Context().Value(bodyKey{}).(object)["region"] == "fra1" {
			refuse(w, http.StatusUnprocessableEntity, "the region is full")
			return true
		}

		return false
	}

	artifact, err := run()
	require.Nil(t, artifact)
	require.ErrorIs(t, err, builder.ErrTransfer)

	require.ErrorContains(t,
		err,
		"is published in nyc3, ams3: run the build again, it transfers what is missing: transfer image ",
	)

	require.ErrorContains(t, err, "to fra1: POST ")
	require.ErrorContains(t, err, "the region is full")
	require.Equal(t, oneImage, c.left())

	c.before = nil
	artifact, err = run()
	require.NoError(t, err)
	require.Len(t, artifact.(*builder.Artifact).Regions, 3)
	require.Equal(t, 1, c.count("POST droplets"))
}

func TestInterruptingATransferKeepsTheImage(t *testing.T) {
	c := newCloud(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	c.before = func(_ http.ResponseWriter, _ *http.Request, call string) bool {
		if call == "POST images/N/actions transfer" {
			cancel()
		}

		return false
	}

	artifact, err := bake(ctx, t, prepared(t, c, inThree))
	require.ErrorIs(t, err, builder.ErrInterrupted)
	require.Nil(t, artifact)
	require.Equal(t, oneImage, c.left())
}

func TestTransfersNeedNotBeWaitedFor(t *testing.T) {
	c := newCloud(t)
	c.before = func(w http.ResponseWriter, r *http.Request, call string) bool {
		if call != "POST images/N/actions transfer" {
			return false
		}

		c.mutex.Lock()
		defer c.mutex.Unlock()

		reply(w,
			201,
			object{"action": c.add("actions", object{"status": "in-progress", "type": "transfer"})},
		)

		return true
	}

	artifact, err := bake(
		t.Context(),
		t,
		prepared(t, c, object{
			"snapshot_regions":       []string{"ams3"},
			"wait_snapshot_transfer": false,
		}),
	)
	require.NoError(t, err)

	require.Equal(t,
		[]string{"nyc3"},
		artifact.(*builder.Artifact).Regions,
		"the artifact names the regions that it is in",
	)

	require.Equal(t, 1, c.count("POST images/N/actions transfer"))
}

func TestARegionThatIsNotThereIsToldBeforeAnythingIsMade(t *testing.T) {
	c := newCloud(t)
	_, err := bake(
		t.Context(),
		t,
		prepared(t, c, object{"snapshot_regions": []string{"ams3", "mars1"}}),
	)

	require.ErrorContains(t,
		err,
		`snapshot_regions: no such region: "mars1"; known are ams3, fra1, nyc3`,
	)

	require.False(t, slices.ContainsFunc(c.calls, func(call string) bool {
		return strings.HasPrefix(call, "POST")
	}))
}
