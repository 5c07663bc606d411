package builder_test

import (
	"encoding/json"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/record"
)

const listed = `[
	{"name": "libstdc++6", "version": "14.2", "architecture": "amd64", "source": "gcc-14", "source_version": "14.2"},
	{"name": "shopd", "version": "2.0+b1", "architecture": "amd64", "source": "shop", "source_version": "2.0",
	 "maintainer": "Somebody"},
	{"name": "prosed", "version": "1", "architecture": "all", "source": "prosed", "source_version": "1"}
]`

// copyrights are what packages say of their licences: two in Debian's form, one in prose.
const copyrights = `libstdc++6/copyright:License: who knows
prosed/copyright:License: see below
shopd/copyright:Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
shopd/copyright:License: Expat
shopd/copyright:license: GPL-2+  or Artistic
shopd/copyright:License:
shopd/copyright:License: MIT
`

func TestTheBillOfMaterialsIsCycloneDX(t *testing.T) {
	program := filepath.Join(t.TempDir(), "hornero-bootstrap")
	_, err := command.Run(t.Context(), command.Command{
		Args: []string{"go", "build", "-o", program, "./testdata/program"},
		Env:  []string{"CGO_ENABLED=0"},
	})
	require.NoError(t, err)
	var whole record.Image

	m := &machine{answers: map[string]func(*packersdk.RemoteCmd) int{
		"verify --json":            says(passed, 0),
		"hornero-bootstrap record": says(listed, 0),
		"/copyright":               says(copyrights, 0),
	}}
	require.NoError(t, provision(t, m, object{"bootstrap_binary": program}, nil))
	var text string

	for i, command := range m.commands {
		switch {
		case strings.HasSuffix(command, "hornero-bootstrap record"):
			require.NoError(t, json.Unmarshal(m.inputs[i], &whole))
		case strings.Contains(command, record.SBOMPath):
			text = string(m.inputs[i])
		}
	}

	bom := new(cyclonedx.BOM)
	require.NoError(t,
		cyclonedx.NewBOMDecoder(strings.NewReader(text), cyclonedx.BOMFileFormatJSON).Decode(bom),
	)
	require.Equal(t, cyclonedx.BOMFormat, bom.BOMFormat)
	require.Equal(t, cyclonedx.SpecVersion1_6, bom.SpecVersion)
	require.Equal(t, whole.Serial(), bom.SerialNumber)

	require.Regexp(t,
		`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
		bom.SerialNumber,
	)

	require.Equal(t, whole.Name, bom.Metadata.Component.Name)

	byRef := map[string]cyclonedx.Component{}

	for _, component := range *bom.Components {
		require.NotContains(t, byRef, component.BOMRef)
		byRef[component.BOMRef] = component
	}

	require.Equal(t,
		"2.0+b1",
		byRef["pkg:deb/debian/shopd@2.0%2Bb1?arch=amd64&distro=debian-13&upstream=shop%402.0"].Version,
	)

	require.Contains(t,
		byRef,
		"pkg:deb/debian/libstdc%2B%2B6@14.2?arch=amd64&distro=debian-13&upstream=gcc-14",
	)

	shop := byRef["pkg:deb/debian/shopd@2.0%2Bb1?arch=amd64&distro=debian-13&upstream=shop%402.0"]
	require.Equal(t, []string{"MIT", "GPL-2+ or Artistic"}, licensesOf(shop))

	prosed := byRef["pkg:deb/debian/prosed@1?arch=all&distro=debian-13&upstream=prosed"]
	require.Equal(t, []string{"NOASSERTION"}, licensesOf(prosed))

	version := strings.TrimPrefix(runtime.Version(), "go")
	require.Equal(t, []string{"BSD-3-Clause"}, licensesOf(byRef["pkg:golang/stdlib@"+version]))

	require.Contains(t, byRef, "pkg:golang/github.com/CycloneDX/cyclonedx-go@v0.9.2")

	require.Equal(t,
		cyclonedx.ComponentTypeApplication,
		byRef["file:/usr/bin/hornero-bootstrap"].Type,
	)

	require.Len(t, (*byRef["file:/etc/motd"].Hashes)[0].Value, 64)

	require.Len(t,
		*(*bom.Dependencies)[0].Dependencies,
		len(byRef),
	)
}

// licensesOf are the licences of a component, by their identifiers or their names.
func licensesOf(component cyclonedx.Component) []string {
	var names []string
	if component.Licenses == nil {
		return nil
	}

	for _, choice := range *component.Licenses {
		names = append(names, choice.License.ID+choice.License.Name)
	}

	return names
}
