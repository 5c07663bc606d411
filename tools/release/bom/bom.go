// Package bom writes a release's bill of materials: its programs, the Go modules that each is linked from, as the
// program itself tells them, and the C libraries of the static one. The same programs give the same bytes.
package bom

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
)

// Release is what the bill is of.
type Release struct {
	Name      string
	Version   string
	Date      time.Time
	Programs  []string  // paths
	Libraries []Library // linked into a program that is static
}

// Library is a source package of Debian.
type Library struct {
	Name    string
	Version string
}

// Document is the bill in CycloneDX JSON.
func (r Release) Document() ([]byte, error) {
	components := map[string]cyclonedx.Component{}
	var dependencies []cyclonedx.Dependency
	var programs []string

	for _, path := range r.Programs {
		program, parts, err := r.program(path)
		if err != nil {
			return nil, err
		}

		components[program.BOMRef] = program
		for _, part := range parts {
			components[part.BOMRef] = part
		}

		programs = append(programs, program.BOMRef)
		dependencies = append(dependencies, dependency(program.BOMRef, refs(parts)))
	}

	whole := cyclonedx.Component{
		BOMRef:  "release",
		Type:    cyclonedx.ComponentTypeApplication,
		Name:    r.Name,
		Version: r.Version,
	}
	dependencies = append(dependencies, dependency(whole.BOMRef, programs))

	list := make([]cyclonedx.Component, 0, len(components))
	for _, ref := range slices.Sorted(maps.Keys(components)) {
		list = append(list, components[ref])
	}

	document := cyclonedx.NewBOM()
	document.Components = &list
	document.Dependencies = &dependencies
	document.Metadata = &cyclonedx.Metadata{
		Timestamp: r.Date.UTC().Format(time.RFC3339),
		Component: &whole,
	}

	return encode(document)
}

func encode(document *cyclonedx.BOM) ([]byte, error) {
	var out bytes.Buffer
	encoder := cyclonedx.NewBOMEncoder(&out, cyclonedx.BOMFileFormatJSON)
	encoder.SetPretty(true)
	encoder.SetEscapeHTML(false) // package URLs hold "&"

	if err := encoder.Encode(document); err != nil {
		return nil, fmt.Errorf("write the bill of materials: %w", err)
	}

	return out.Bytes(), nil
}

// program is a program, and what it is linked from.
func (r Release) program(path string) (cyclonedx.Component, []cyclonedx.Component, error) {
	contents, err := os.ReadFile(path)
	if err != nil {
		return cyclonedx.Component{}, nil, err
	}

	info, err := buildinfo.Read(bytes.NewReader(contents))
	if err != nil {
		return cyclonedx.Component{}, nil, fmt.Errorf("read the modules of %s, a program built by go: %w", path, err)
	}

	name := filepath.Base(path)
	sum := sha256.Sum256(contents)
	program := cyclonedx.Component{
		BOMRef:  "program:" + name,
		Type:    cyclonedx.ComponentTypeApplication,
		Name:    name,
		Version: r.Version,
		Hashes: &[]cyclonedx.Hash{{
			Algorithm: cyclonedx.HashAlgoSHA256,
			Value:     hex.EncodeToString(sum[:]),
		}},
	}

	parts := []cyclonedx.Component{
		component(
			"pkg:golang/",
			"stdlib",
			strings.TrimPrefix(info.GoVersion, "go"),
			"",
		),
	}
	for _, module := range info.Deps {
		parts = append(parts, moduleComponent(module))
	}

	if isStatic(info) {
		for _, library := range r.Libraries {
			parts = append(parts, component(
				"pkg:deb/debian/",
				library.Name,
				library.Version,
				"?arch=source",
			))
		}
	}

	return program, parts, nil
}

// isStatic is true of a program with C in it: ours are static then.
func isStatic(info *buildinfo.BuildInfo) bool {
	return slices.ContainsFunc(info.Settings, func(setting debug.BuildSetting) bool {
		return setting.Key == "CGO_ENABLED" && setting.Value == "1"
	})
}

// moduleComponent is the module that was linked: the replacement, where there is one.
func moduleComponent(module *debug.Module) cyclonedx.Component {
	if module.Replace != nil {
		module = module.Replace
	}

	return component("pkg:golang/", module.Path, module.Version, "")
}

func component(kind, name, version, qualifiers string) cyclonedx.Component {
	address := kind + name + "@" + escape(version) + qualifiers

	return cyclonedx.Component{
		BOMRef:     address,
		Type:       cyclonedx.ComponentTypeLibrary,
		Name:       name,
		Version:    version,
		PackageURL: address,
	}
}

// escape writes a part of a package URL: percent-encoded, but for the colon.
func escape(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "%3A", ":")
}

func refs(components []cyclonedx.Component) []string {
	list := make([]string, len(components))
	for at, found := range components {
		list[at] = found.BOMRef
	}

	return list
}

func dependency(of string, on []string) cyclonedx.Dependency {
	return cyclonedx.Dependency{
		Ref:          of,
		Dependencies: &on,
	}
}
