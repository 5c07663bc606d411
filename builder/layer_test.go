package builder_test

import (
	"path/filepath"
	"testing"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
)

// What the layer is made of changes every role, and what a role is made of changes that role alone.
func TestDigestCoversTheLayer(t *testing.T) {
	dir := writeRoles(t)
	writeFile(t,
		filepath.Join(dir, "other/role.yaml"),
		"version: 1\nname: other\nsummary: another\npeers: client\n",
	)

	program := writeProgram(t, nil)
	digests := func() map[string]string {
		all := map[string]string{}
		for _, role := range []string{"common", "tiny", "other"} {
			all[role] = load(t, builder.RecipeConfig{
				Role:            role,
				Release:         "debian-13",
				RolesDir:        dir,
				BootstrapBinary: program,
				Layer:           "common",
			}).Digest
		}

		return all
	}

	changed := func(before map[string]string) (roles []string) {
		after := digests()
		for _, role := range []string{"common", "tiny", "other"} {
			if before[role] != after[role] {
				roles = append(roles, role)
			}
		}

		return roles
	}

	first := digests()
	require.Empty(t, changed(first))
	writeFile(t, filepath.Join(dir, "tiny/motd"), "good bye\n")
	require.Equal(t, []string{"tiny"}, changed(first))

	second := digests()

	writeFile(t,
		filepath.Join(dir, "common/role.yaml"),
		"version: 1\nname: common\nsummary: all\nabstract: true\npackages: {all: [nftables, more]}\n",
	)

	require.Equal(t, []string{"common", "tiny", "other"}, changed(second))

	recipe := load(t, builder.RecipeConfig{
		Role:            "tiny",
		Release:         "debian-13",
		RolesDir:        dir,
		BootstrapBinary: program,
		Layer:           "common",
	})

	require.Equal(t,
		digests()["common"],
		recipe.Layer.Digest,
		"the layer is known by what a build of its own would give it",
	)

	flat := load(t, builder.RecipeConfig{
		Role:            "tiny",
		Release:         "debian-13",
		RolesDir:        dir,
		BootstrapBinary: program,
	})
	require.NotEqual(t, flat.Digest, recipe.Digest)
	require.Contains(t, recipe.Inputs, "layer")

	require.Contains(t,
		recipe.Inputs,
		"roles/common/role.yaml",
		"the record tells all that is beneath, too",
	)
}

func TestARoleIsBakedOnItsLayersImage(t *testing.T) {
	c := newCloud(t)
	options := c.options(t, nil)
	run := func(more object) (packersdk.Artifact, error) {
		t.Helper()
		b := new(builder.Builder)
		_, _, err := b.Prepare(options, more)
		require.NoError(t, err)

		return bake(t.Context(), t, b)
	}

	_, err := run(object{"layer": "common"})
	require.ErrorIs(t, err, builder.ErrNoLayer)
	require.ErrorContains(t, err, "packer build -only='common.*'")
	require.Zero(t, c.count("POST account/keys"), "nothing was begun")

	layer, err := run(object{"role": "common", "layer": "common"})
	require.NoError(t, err)

	role, err := run(object{"layer": "common"})
	require.NoError(t, err)
	require.NotEmpty(t, role.Id())
	require.Len(t, c.started, 2)
	require.Equal(t, "debian-13-x64", c.started[0]["image"])
	require.EqualValues(t, layer.(*builder.Artifact).ImageID, c.started[1]["image"])

	// A bake for updates: the same content by name, with newer packages.
	renewed, err := run(object{"role": "common", "layer": "common", "force": true})
	require.NoError(t, err)
	require.NotEqual(t, layer.Id(), renewed.Id())

	_, err = run(object{"layer": "common", "force": true})
	require.NoError(t, err)
	require.EqualValues(t, renewed.(*builder.Artifact).ImageID, c.started[3]["image"], "on the newest of its layer")

	role, err = run(object{"layer": "common"})
	require.NoError(t, err)
	require.Len(t, c.started, 4)

	require.NoError(t, layer.Destroy())
	require.NoError(t, renewed.Destroy())

	again, err := run(object{"layer": "common"})
	require.NoError(t, err, "what is baked needs its layer no more")
	require.Equal(t, role.Id(), again.Id())
}

// What the layer has done already is neither sent nor done again, and the record tells it all the same.
func TestOnlyWhatIsNewGoesOnALayer(t *testing.T) {
	flat, layered := applied(t, nil), applied(t, object{"layer": "common"})
	require.Contains(t, flat.files["files.list"], builder.BootstrapPath)
	require.NotContains(t, layered.files["files.list"], builder.BootstrapPath)
	require.NotContains(t, layered.files["files.list"], "/roles/common/")
	require.Contains(t, layered.files["files.list"], "/etc/motd\n")
	require.Contains(t, flat.files["commands.sh"], "echo common")
	require.NotContains(t, layered.files["commands.sh"], "echo common")
	require.Contains(t, layered.files["commands.sh"], "echo tiny13.service")
	require.Equal(t, flat.files["packages"], layered.files["packages"])
	require.Equal(t, flat.begun.Files, layered.begun.Files)
	require.Empty(t, flat.begun.Layer)
	require.Len(t, layered.begun.Layer, 64)
}
