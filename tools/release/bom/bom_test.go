package bom_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/tools/release/bom"
)

func TestDocument(t *testing.T) {
	release := bom.Release{
		Name:     "kiln",
		Version:  "1.2",
		Date:     time.Date(2026, 2, 3, 4, 5, 6, 0, time.FixedZone("", 3600)),
		Programs: []string{build(t, "..", "release", "0")},
	}

	document, err := release.Document()
	require.NoError(t, err)

	again, err := release.Document()
	require.NoError(t, err)
	require.Equal(t, document, again)

	bill := decode(t, document)
	require.Equal(t, "2026-02-03T03:05:06Z", bill.Metadata.Timestamp)
	require.Equal(t, "kiln", bill.Metadata.Component.Name)
	require.Equal(t, "1.2", bill.Metadata.Component.Version)

	found := byName(bill)
	module := found["github.com/CycloneDX/cyclonedx-go"]
	require.Equal(t, "pkg:golang/github.com/CycloneDX/cyclonedx-go@"+module.Version, module.PackageURL)
	require.Regexp(t, `^v\d`, module.Version)
	require.Regexp(t, `^1\.\d+`, found["stdlib"].Version)

	program := found["release"]
	require.Equal(t, cyclonedx.ComponentTypeApplication, program.Type)
	require.Len(t, (*program.Hashes)[0].Value, 64)

	dependencies := dependenciesOf(bill)
	require.Equal(t, []string{program.BOMRef}, dependencies["release"])
	require.Contains(t, dependencies[program.BOMRef], module.BOMRef)
}

// Only what is built with C has the libraries.
func TestLibraries(t *testing.T) {
	release := bom.Release{
		Programs: []string{
			build(t, "../testdata/standin", "plain", "0"),
			build(t, "../testdata/standin", "static", "1"),
		},
		Libraries: []bom.Library{{
			Name:    "clay",
			Version: "1:2.3+dfsg-4",
		}},
	}

	document, err := release.Document()
	require.NoError(t, err)

	bill := decode(t, document)
	library := byName(bill)["clay"]
	require.Equal(t, "pkg:deb/debian/clay@1:2.3%2Bdfsg-4?arch=source", library.PackageURL)

	dependencies := dependenciesOf(bill)
	require.Contains(t, dependencies["program:static"], library.BOMRef)
	require.NotContains(t, dependencies["program:plain"], library.BOMRef)
}

func decode(t *testing.T, document []byte) cyclonedx.BOM {
	t.Helper()

	var bill cyclonedx.BOM
	decoder := cyclonedx.NewBOMDecoder(
		bytes.NewReader(document),
		cyclonedx.BOMFileFormatJSON,
	)
	require.NoError(t, decoder.Decode(&bill))

	return bill
}

func byName(bill cyclonedx.BOM) map[string]cyclonedx.Component {
	found := map[string]cyclonedx.Component{}
	for _, component := range *bill.Components {
		found[component.Name] = component
	}

	return found
}

func dependenciesOf(bill cyclonedx.BOM) map[string][]string {
	found := map[string][]string{}
	for _, dependency := range *bill.Dependencies {
		found[dependency.Ref] = *dependency.Dependencies
	}

	return found
}

// build builds a program, with C or without.
func build(t *testing.T, source, name, cgo string) string {
	t.Helper()

	path := filepath.Join(t.TempDir(), name)
	command := exec.Command("go", "build", "-buildvcs=false", "-o", path, source)
	command.Env = append(os.Environ(), "CGO_ENABLED="+cgo)

	said, err := command.CombinedOutput()
	require.NoError(t, err, string(said))

	return path
}

func TestWhatIsNoProgramOfGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755))

	_, err := bom.Release{Programs: []string{path}}.Document()
	require.ErrorContains(t, err, "read the modules of "+path)
}
