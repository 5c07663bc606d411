package builder_test

import (
	"debug/elf"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/builder"
	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/record"
)

// helped is tiny with two programs of the release.
const helped = tinyManifest + `programs:
  - {name: hornero-helper}
  - {name: hornero-other, path: /usr/local/bin/other, except: [debian-12]}
`

// release is a folder of programs: the bootstrap, and those named. It returns the bootstrap's path.
func release(t *testing.T, names ...string) string {
	t.Helper()

	bootstrap := writeProgram(t, nil)
	data, err := os.ReadFile(bootstrap)
	require.NoError(t, err)

	for _, name := range names {
		path := filepath.Join(filepath.Dir(bootstrap), name)
		require.NoError(t, os.WriteFile(path, data, 0o755))
	}

	return bootstrap
}

func helpedRoles(t *testing.T) string {
	t.Helper()

	dir := writeRoles(t)
	writeFile(t, filepath.Join(dir, "tiny/role.yaml"), helped)

	return dir
}

func TestTheDigestIsOverPrograms(t *testing.T) {
	config := builder.RecipeConfig{
		Role:            "tiny",
		Release:         "debian-13",
		RolesDir:        helpedRoles(t),
		BootstrapBinary: release(t, "hornero-helper", "hornero-other"),
	}

	first := load(t, config)
	require.Len(t, first.Programs, 2)
	require.Contains(t, first.Inputs, "programs/hornero-helper")

	// Another build of the program.
	path := filepath.Join(filepath.Dir(config.BootstrapBinary), "hornero-helper")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(data, 0), 0o755))

	require.NotEqual(t, first.Digest, load(t, config).Digest)

	config.Release = "debian-12"
	require.Len(t, load(t, config).Programs, 1)
}

func TestAProgramThatWouldNotRunIsRefused(t *testing.T) {
	config := builder.RecipeConfig{
		Role:            "tiny",
		Release:         "debian-13",
		RolesDir:        helpedRoles(t),
		BootstrapBinary: release(t, "hornero-other"),
	}

	_, err := config.Load()
	require.ErrorIs(t, err, builder.ErrConfig)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "hornero-helper")
	require.ErrorContains(t, err, "beside hornero-bootstrap")

	dynamic, err := os.ReadFile(writeProgram(t, []elf.ProgType{elf.PT_INTERP}))
	require.NoError(t, err)

	path := filepath.Join(filepath.Dir(config.BootstrapBinary), "hornero-helper")
	require.NoError(t, os.WriteFile(path, dynamic, 0o755))

	_, err = config.Load()
	require.ErrorContains(t, err, "hornero-helper: is linked dynamically")
}

// The program is installed, recorded, and told with its modules.
func TestTheImageHasThePrograms(t *testing.T) {
	bootstrap := release(t, "hornero-other")
	_, err := command.Run(t.Context(), command.Command{
		Args: []string{
			"go", "build", "-o", filepath.Join(filepath.Dir(bootstrap), "hornero-helper"), "./testdata/program",
		},
		Env: []string{"CGO_ENABLED=0"},
	})
	require.NoError(t, err)

	m := &machine{answers: map[string]func(*packersdk.RemoteCmd) int{
		"verify --json":            says(passed, 0),
		"hornero-bootstrap record": says(listed, 0),
	}}
	require.NoError(t, provision(t, m, object{
		"roles_dir":        helpedRoles(t),
		"bootstrap_binary": bootstrap,
	}, nil))

	list := unpack(t, m.inputs[0])["files.list"]
	require.Regexp(t, `(?m)^\d+ 0755 root:root [0-9a-f]{64} /usr/lib/hornero/hornero-helper$`, list)
	require.Regexp(t, `(?m)^\d+ 0755 root:root [0-9a-f]{64} /usr/local/bin/other$`, list)

	var begun record.Image
	require.NoError(t, json.Unmarshal(m.inputs[2], &begun))
	require.Contains(t, begun.Files, "/usr/lib/hornero/hornero-helper")

	bom := new(cyclonedx.BOM)

	for i, command := range m.commands {
		if strings.Contains(command, record.SBOMPath) {
			decoder := cyclonedx.NewBOMDecoder(strings.NewReader(string(m.inputs[i])), cyclonedx.BOMFileFormatJSON)
			require.NoError(t, decoder.Decode(bom))
		}
	}

	byRef := map[string]cyclonedx.Component{}

	for _, component := range *bom.Components {
		require.NotContains(t, byRef, component.BOMRef)
		byRef[component.BOMRef] = component
	}

	require.Equal(t, "hornero-helper", byRef["file:/usr/lib/hornero/hornero-helper"].Name)
	require.Equal(t, cyclonedx.ComponentTypeApplication, byRef["file:/usr/lib/hornero/hornero-helper"].Type)
	require.Contains(t, byRef, "pkg:golang/github.com/CycloneDX/cyclonedx-go@v0.9.2")
}
