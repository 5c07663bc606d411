package builder_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
)

func process(t *testing.T, p packersdk.PostProcessor, artifact packersdk.Artifact, options ...any) error {
	t.Helper()
	require.NoError(t, p.Configure(options...))

	passed, keep, forced, err := p.PostProcess(t.Context(), packersdk.TestUi(t), artifact)
	require.Equal(t, artifact, passed)
	require.True(t, keep && forced, "the image is kept")

	return err
}

func TestTheManifestTellsWhatWasBuilt(t *testing.T) {
	t.Setenv("PACKER_RUN_UUID", "this-run")
	c := newCloud(t)
	b := prepared(t, c, inThree)
	artifact, err := bake(t.Context(), t, b)
	require.NoError(t, err)

	path := filepath.Join(t.TempDir(), "deep", "manifest.json")
	options := object{
		"output":            path,
		"packer_build_name": "tiny",
		"custom_data":       map[string]string{"commit": "abc"},
	}
	require.NoError(t, process(t, new(builder.ManifestPostProcessor), artifact, options))

	manifest, err := builder.ReadManifest(path)
	require.NoError(t, err)
	require.Len(t, manifest.Builds, 1)

	build := manifest.Builds[0]
	require.Equal(t, "tiny", build.Build)
	require.Equal(t, "hornero.droplet", build.Builder)
	require.Equal(t, artifact.Id(), build.Artifact)
	require.Equal(t, "this-run", build.Run)
	require.Equal(t, map[string]string{"commit": "abc"}, build.CustomData)
	require.Equal(t, artifact.Id(), fmt.Sprint(build.Image.ID))
	require.Equal(t, "tiny", build.Image.Role)
	require.Equal(t, "debian-13", build.Image.Release)
	require.Equal(t, "debian-13-x64", build.Image.Base)
	require.Len(t, build.Image.Digest, 64)
	require.ElementsMatch(t, []string{"nyc3", "ams3", "fra1"}, build.Image.Regions)

	require.NoError(t,
		process(t, new(builder.ManifestPostProcessor), artifact, options),
		"unchanged: its entry is replaced",
	)

	manifest, err = builder.ReadManifest(path)
	require.NoError(t, err)
	require.Len(t, manifest.Builds, 1)
}

// Builds that end at once lose nothing, and leave nothing but the file.
func TestBuildsShareAManifest(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "manifest.json")
	const builds = 40
	var all sync.WaitGroup

	for i := range builds {
		all.Go(func() {
			p := new(builder.ManifestPostProcessor)
			artifact := &packersdk.MockArtifact{IdValue: fmt.Sprint(i)}

			if err := p.Configure(object{"output": path, "packer_build_name": "others"}); err != nil {
				t.Error(err)
			}

			if _, _, _, err := p.PostProcess(
				t.Context(),
				packersdk.TestUi(t),
				artifact,
			); err != nil {
				t.Error(err)
			}
		})
	}

	all.Wait()

	manifest, err := builder.ReadManifest(path)
	require.NoError(t, err)

	seen := map[string]bool{}

	for _, build := range manifest.Builds {
		seen[build.Artifact] = true
		require.Nil(t, build.Image, "an artifact of somebody else's tells of no image")
	}

	require.Len(t, seen, builds)

	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, left, 1)
}

func TestAFileThatIsNoManifestIsKept(t *testing.T) {
	for _, text := range []string{"", "mine", "{}", `{"version": 2}`, "[]"} {
		path := filepath.Join(t.TempDir(), "file")
		writeFile(t, path, text)

		err := process(t,
			new(builder.ManifestPostProcessor),
			new(packersdk.MockArtifact),
			object{"output": path},
		)
		require.ErrorIs(t, err, builder.ErrManifest)
		require.ErrorContains(t, err, "move it away")

		left, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, text, string(left))
	}

	require.ErrorContains(t,
		new(builder.ManifestPostProcessor).Configure(object{"output": t.TempDir()}),
		"output: wrong configuration: must be a file",
	)
}

func TestPruneKeepsTheNewestAndWhatRuns(t *testing.T) {
	c := newCloud(t)
	digest := func(i int) string { return fmt.Sprintf("%032x", i) }
	run := baked(c, "tiny", "debian-13", digest(1), "nyc3")
	c.add("droplets", object{
		"name":  "web-1",
		"tags":  []any{},
		"image": object{"id": run},
	})

	old := baked(c, "tiny", "debian-13", digest(2), "nyc3")
	there := baked(c, "tiny", "debian-13", digest(3), "ams3")
	other := baked(c, "other", "debian-13", digest(4), "nyc3")
	baked(c, "other", "debian-13", digest(5), "nyc3")

	twelve := baked(c, "tiny", "debian-12", digest(6), "nyc3")
	baked(c, "tiny", "debian-12", digest(7), "nyc3")

	artifact, err := bake(t.Context(), t, prepared(t, c, nil))
	require.NoError(t, err)

	all := slices.Sorted(maps.Keys(c.thing["images"]))

	options := object{
		"api_url":     c.URL,
		"api_token":   "token",
		"keep":        1,
		"records_dir": t.TempDir(),
	}

	gone := func() []int {
		return slices.DeleteFunc(slices.Clone(all), func(id int) bool {
			_, there := c.thing["images"][id]
			return there
		})
	}

	require.NoError(t, process(t,
		new(builder.PrunePostProcessor),
		artifact,
		options,
		object{"dry_run": true},
	))

	require.Empty(t, gone())
	require.NoError(t, process(t, new(builder.PrunePostProcessor), artifact, options))
	require.Equal(t, []int{old}, gone(), "of this role and release, in its region")

	require.NoError(t, process(t,
		new(builder.PrunePostProcessor),
		artifact,
		options,
		object{"all": true},
	))

	require.Equal(t, []int{old, other, twelve}, gone())
	require.Contains(t, c.thing["images"], there)
}

// A build that found nothing to bake gives an image that need not be the newest.
func TestPruneKeepsTheBuildsOwnImage(t *testing.T) {
	c := newCloud(t)
	artifact, err := bake(t.Context(), t, prepared(t, c, nil))
	require.NoError(t, err)

	newer := baked(c, "tiny", "debian-13", newDigest, "nyc3")

	require.NoError(t, process(t, new(builder.PrunePostProcessor), artifact, object{
		"api_url":     c.URL,
		"api_token":   "token",
		"keep":        1,
		"records_dir": t.TempDir(),
	}))

	require.Len(t, c.thing["images"], 2)
	require.Contains(t, c.thing["images"], newer)
}

func TestPruneNamesEachWrongOption(t *testing.T) {
	err := new(builder.PrunePostProcessor).Configure(object{
		"api_url":             "http://api.example.com",
		"api_token":           "x",
		"keep":                0,
		"http_retry_wait_max": 0.1,
		"kep":                 1,
	})

	for _, told := range []string{"kep", "api_url: ", "keep: wrong configuration: must be 1 or " +
		"more, got 0", "http_retry_wait_max: "} {
		require.ErrorContains(t, err, told)
	}

	err = process(t,
		new(builder.PrunePostProcessor),
		new(packersdk.MockArtifact),
		object{"api_url": "http://127.0.0.1:1", "api_token": "x"},
	)

	require.ErrorContains(t,
		err,
		"prune images: wrong configuration: the artifact of bid is no image of a role",
	)
}
