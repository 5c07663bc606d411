package builder_test

import (
	"context"
	"testing"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
)

// shelved adds an image that a filter can find and returns its id.
func shelved(c *cloud, name, created, region, kind string, tags ...any) int {
	return c.add("images", object{
		"name":       name,
		"created_at": created,
		"regions":    []string{region},
		"status":     "available",
		"type":       kind,
		"tags":       tags,
	})["id"].(int)
}

func TestTheBaseImageIsFilteredFor(t *testing.T) {
	c := newCloud(t)
	old := shelved(c, "golden-1", "2026-01-01T00:00:00Z", "nyc3", "snapshot", "golden", "good")
	newer := shelved(c, "golden-2", "2026-02-01T00:00:00Z", "nyc3", "snapshot", "golden")
	shelved(c, "golden-3", "2026-03-01T00:00:00Z", "ams3", "snapshot", "golden") // elsewhere

	base := shelved(c, "13 x64", "2025-01-01T00:00:00Z", "nyc3", "base")
	pending := shelved(c, "golden-4", "2026-03-01T00:00:00Z", "nyc3", "snapshot", "golden")
	c.thing["images"][pending]["status"] = "pending"

	for name, test := range map[string]struct {
		filter object
		want   int
		err    string
	}{
		"name": {
			filter: object{"name": "golden-1"},
			want:   old,
		},
		"regex, newest": {
			filter: object{"name_regex": "^golden-", "most_recent": true},
			want:   newer,
		},
		"tags": {
			filter: object{"tags": []string{"golden", "good"}},
			want:   old,
		},
		"type": {
			filter: object{"name_regex": ".", "type": "distribution"},
			want:   base,
		},
		"several": {
			filter: object{"tags": []string{"golden"}},
			err: "image_filter: the filter does not name one image: 2 in nyc3 are like that (102 golden-2, " +
				"101 golden-1): say more, or most_recent = true",
		},
		"none": {
			filter: object{"name": "golden-3"},
			err:    "image_filter: the filter does not name one image: no image in nyc3 is like that",
		},
		"not yet there": {
			filter: object{"name": "golden-4"},
			err:    "no image in nyc3 is like that",
		},
		"a part of names": {
			filter: object{"name": "golden"},
			err:    "no image in nyc3 is like that",
		},
	} {
		t.Run(name, func(t *testing.T) {
			begun := len(c.started)

			_, err := bake(
				t.Context(),
				t,
				prepared(t, c, object{"image_filter": test.filter, "force": true}),
			)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				require.Len(t, c.started, begun)
				return
			}

			require.NoError(t, err)
			require.EqualValues(t, test.want, c.started[begun]["image"])
		})
	}
}

// The digest is over the image that was found, and the provisioner reckons with the same.
func TestAnotherBaseImageIsAnotherDigest(t *testing.T) {
	c := newCloud(t)
	options := c.options(t,
		object{"image_filter": object{"name_regex": "^golden-", "most_recent": true}},
	)
	run := func() *builder.Artifact {
		t.Helper()
		b := new(builder.Builder)
		_, _, err := b.Prepare(options)
		require.NoError(t, err)

		p := new(builder.Provisioner)
		require.NoError(t,
			p.Prepare(object{
				"role":             "tiny",
				"roles_dir":        options["roles_dir"],
				"bootstrap_binary": options["bootstrap_binary"],
				"records_dir":      t.TempDir(),
			}),
		)

		hook := &agreeing{t: t, provisioner: p}
		artifact, err := b.Run(t.Context(), packersdk.TestUi(t), hook)
		require.NoError(t, err)

		return artifact.(*builder.Artifact)
	}

	shelved(c, "golden-1", "2026-01-01T00:00:00Z", "nyc3", "snapshot")

	first := run()
	require.Equal(t, first.Id(), run().Id())
	shelved(c, "golden-2", "2026-02-01T00:00:00Z", "nyc3", "snapshot")
	require.NotEqual(t, first.Name, run().Name)
}

// A release without a base image of DigitalOcean's is baked on the one that is found.
func TestAFilterStandsForTheReleasesBase(t *testing.T) {
	c := newCloud(t)
	want := shelved(c, "stretch", "2026-01-01T00:00:00Z", "nyc3", "custom")

	_, err := bake(
		t.Context(),
		t,
		prepared(t, c, object{
			"release":      "debian-9",
			"image_filter": object{"name": "stretch"},
		}),
	)
	require.NoError(t, err)
	require.EqualValues(t, want, c.started[0]["image"])

	_, _, err = new(builder.Builder).Prepare(c.options(t, object{"release": "debian-9"}))
	require.ErrorContains(t, err, "DigitalOcean has no image of debian-9")
}

// agreeing lets the provisioner work on a machine that answers as one should.
type agreeing struct {
	packersdk.MockHook
	t           *testing.T
	provisioner *builder.Provisioner
}

func (a *agreeing) Run(
	ctx context.Context,
	name string,
	ui packersdk.Ui,
	_ packersdk.Communicator,
	data any,
) error {
	if name != packersdk.HookProvision {
		return nil
	}

	m := &machine{answers: map[string]func(*packersdk.RemoteCmd) int{"verify --json": says(passed, 0)}}
	m.complete(a.t)

	return a.provisioner.Provision(ctx, ui, m, data.(map[string]any))
}
