package builder

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"

	"github.com/hornero/hornero/internal/record"
)

const bootstrapName = "hornero-bootstrap"

// billOfMaterials is in CycloneDX JSON: Debian's packages, Hornero's files, and the modules that its programs are
// linked from, the bootstrap and others, with Go's own library. The same record gives the same bytes.
func billOfMaterials(
	image record.Image,
	packages []record.Package,
	licenses map[string][]string,
	programs []Program,
) ([]byte, error) {
	components := []cyclonedx.Component{system(image)}
	for _, found := range packages {
		component := packageComponent(image, found)
		component.Licenses = licensesOf(licenses[found.Name])
		components = append(components, component)
	}

	components = append(components, programComponents(image, programs)...)

	for _, found := range image.Code {
		components = append(components, codeComponent(found))
	}

	for _, path := range slices.Sorted(maps.Keys(image.Files)) {
		isProgram := slices.ContainsFunc(programs, func(p Program) bool { return p.Path == path })
		if !isProgram {
			components = append(components, fileComponent(path, image.Files[path]))
		}
	}

	whole := cyclonedx.Component{
		BOMRef:  "image",
		Type:    cyclonedx.ComponentTypeContainer,
		Name:    image.Name,
		Version: image.Digest,
	}

	bom := cyclonedx.NewBOM()
	bom.SerialNumber = image.Serial()
	bom.Components = &components

	bom.Metadata = &cyclonedx.Metadata{
		Timestamp: image.BuiltAt,
		Tools:     &cyclonedx.ToolsChoice{Components: tools(image)},
		Component: &whole,
	}

	bom.Dependencies = &[]cyclonedx.Dependency{{
		Ref:          whole.BOMRef,
		Dependencies: refs(components),
	}}

	// Package URLs hold "&", which would become an escape that people cannot read.
	var out bytes.Buffer
	encoder := cyclonedx.NewBOMEncoder(&out, cyclonedx.BOMFileFormatJSON)
	encoder.SetPretty(true)
	encoder.SetEscapeHTML(false)

	if err := encoder.Encode(bom); err != nil {
		return nil, fmt.Errorf("write the bill of materials: %w", err)
	}

	return out.Bytes(), nil
}

func refs(components []cyclonedx.Component) *[]string {
	list := make([]string, len(components))
	for at, component := range components {
		list[at] = component.BOMRef
	}

	return &list
}

func tools(image record.Image) *[]cyclonedx.Component {
	var tools []cyclonedx.Component
	for _, name := range slices.Sorted(maps.Keys(image.Programs)) {
		tools = append(tools, cyclonedx.Component{
			Type:    cyclonedx.ComponentTypeApplication,
			Name:    name,
			Version: image.Programs[name],
		})
	}

	return &tools
}

func system(image record.Image) cyclonedx.Component {
	name, version, _ := strings.Cut(image.Release, "-")
	return cyclonedx.Component{
		BOMRef:  "os:" + image.Release,
		Type:    cyclonedx.ComponentTypeOS,
		Name:    name,
		Version: version,
	}
}

// packageComponent tells a package as scanners look it up: by its source package, and its distribution.
func packageComponent(image record.Image, found record.Package) cyclonedx.Component {
	// Vulnerabilities are listed by source package, and its version may differ (a binary rebuild).
	upstream := found.Source
	if found.SourceVersion != found.Version {
		upstream += "@" + found.SourceVersion
	}

	purl := fmt.Sprintf(
		"pkg:deb/debian/%s@%s?arch=%s&distro=%s&upstream=%s",
		escape(found.Name),
		escape(found.Version),
		found.Architecture,
		escape(image.Release),
		escape(upstream),
	)

	return cyclonedx.Component{
		BOMRef:     purl,
		Type:       cyclonedx.ComponentTypeLibrary,
		Name:       found.Name,
		Version:    found.Version,
		PackageURL: purl,
		Supplier:   &cyclonedx.OrganizationalEntity{Name: found.Maintainer},
	}
}

// programComponents are Hornero's programs and the Go modules in them, each once, as their own build information tells.
func programComponents(image record.Image, programs []Program) []cyclonedx.Component {
	var list []cyclonedx.Component

	modules := map[string]cyclonedx.Component{}

	for _, program := range programs {
		found := fileComponent(program.Path, image.Files[program.Path])
		found.Type = cyclonedx.ComponentTypeApplication
		found.Name = program.Name
		// All programs of a release have its version.
		found.Version = image.Programs[bootstrapName]
		list = append(list, found)

		for _, module := range moduleComponents(program.Data) {
			modules[module.BOMRef] = module
		}
	}

	for _, ref := range slices.Sorted(maps.Keys(modules)) {
		list = append(list, modules[ref])
	}

	return list
}

// moduleComponents are Go's own library and the modules in a program: nothing in one that Go did not build, as
// somebody's own bootstrap.
func moduleComponents(program []byte) []cyclonedx.Component {
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		return nil
	}

	list := []cyclonedx.Component{runtimeComponent(info.GoVersion)}

	for _, module := range info.Deps {
		// The replacement is what was linked.
		if module.Replace != nil {
			module = module.Replace
		}

		purl := "pkg:golang/" + module.Path + "@" + escape(module.Version)
		list = append(list, cyclonedx.Component{
			BOMRef:     purl,
			Type:       cyclonedx.ComponentTypeLibrary,
			Name:       module.Path,
			Version:    module.Version,
			PackageURL: purl,
		})
	}

	return list
}

// runtimeComponent is what every Go program has of Go itself, by the name that scanners look it up by: many
// vulnerabilities of a program are in there.
func runtimeComponent(goVersion string) cyclonedx.Component {
	// A toolchain with experiments says so behind its version.
	version, _, _ := strings.Cut(strings.TrimPrefix(goVersion, "go"), " ")
	purl := "pkg:golang/stdlib@" + escape(version)

	return cyclonedx.Component{
		BOMRef:     purl,
		Type:       cyclonedx.ComponentTypeLibrary,
		Name:       "stdlib",
		Version:    version,
		PackageURL: purl,
		CPE:        "cpe:2.3:a:golang:go:" + version + ":*:*:*:*:*:*:*",
		Licenses:   licensesOf([]string{"BSD-3-clause"}),
	}
}

// codeComponent tells a piece of code that no package brought, as the role's inventory names it.
func codeComponent(found record.Code) cyclonedx.Component {
	component := cyclonedx.Component{
		BOMRef:  "code:" + found.Kind + "/" + found.Name,
		Type:    cyclonedx.ComponentTypeLibrary,
		Group:   found.Kind,
		Name:    found.Name,
		Version: found.Version,
	}

	if found.License != "" {
		component.Licenses = &cyclonedx.Licenses{{
			License: &cyclonedx.License{Name: found.License},
		}}
	}

	return component
}

func fileComponent(path, digest string) cyclonedx.Component {
	return cyclonedx.Component{
		BOMRef: "file:" + path,
		Type:   cyclonedx.ComponentTypeFile,
		Name:   path,
		Hashes: &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: digest}},
	}
}

// escape writes a part of a package URL: percent-encoded, but for the colon.
func escape(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "%3A", ":")
}
