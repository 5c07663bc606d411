package seal

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"

	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/record"
)

const bootstrapName = "hornero-bootstrap"

// writeSBOM leaves the image's bill of materials: Debian's packages, Hornero's files, and the modules that the bootstrap
// is linked from. The same record gives the same bytes.
func (i *Image) writeSBOM(packages map[string]debian) error {
	components := []cyclonedx.Component{i.system()}
	for _, found := range sorted(packages) {
		if found.present() {
			components = append(components, i.packageComponent(found))
		}
	}
	components = append(components, i.bootstrapComponents()...)
	for _, path := range slices.Sorted(maps.Keys(i.record.Files)) {
		if path != record.BootstrapPath {
			components = append(components, fileComponent(path, i.record.Files[path]))
		}
	}
	image := cyclonedx.Component{BOMRef: "image", Type: cyclonedx.ComponentTypeContainer, Name: i.record.Name, Version: i.record.Digest}
	bom := cyclonedx.NewBOM()
	bom.SerialNumber = serial(i.record)
	bom.Metadata = &cyclonedx.Metadata{Timestamp: i.record.BuiltAt, Tools: &cyclonedx.ToolsChoice{Components: i.tools()}, Component: &image}
	bom.Components = &components
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: image.BOMRef, Dependencies: refs(components)}}

	var out bytes.Buffer
	if err := cyclonedx.NewBOMEncoder(&out, cyclonedx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).Encode(bom); err != nil {
		return fmt.Errorf("write the bill of materials: %w", err)
	}
	_, err := file.Write(i.at(record.SBOMPath), out.Bytes(), file.Options{Mode: 0o644})
	return err
}

// readSBOM reads the bill of materials back and holds it to the record.
func (i *Image) readSBOM() error {
	data, err := os.Open(i.at(record.SBOMPath))
	if err != nil {
		return err
	}
	defer data.Close()
	bom := new(cyclonedx.BOM)
	if err := cyclonedx.NewBOMDecoder(data, cyclonedx.BOMFileFormatJSON).Decode(bom); err != nil {
		return err
	}
	if bom.SerialNumber != serial(i.record) {
		return fmt.Errorf("its serial number is %q, that of the record %q", bom.SerialNumber, serial(i.record))
	}
	return nil
}

// serial is a UUID (RFC 9562, version 8: of our own making) from what the image is and when it was baked.
func serial(image record.Image) string {
	id := sha256.Sum256([]byte(image.Digest + " " + image.BuiltAt))
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:16])
}

func refs(components []cyclonedx.Component) *[]string {
	list := make([]string, len(components))
	for at, component := range components {
		list[at] = component.BOMRef
	}
	return &list
}

func (i *Image) tools() *[]cyclonedx.Component {
	var tools []cyclonedx.Component
	for _, name := range slices.Sorted(maps.Keys(i.record.Programs)) {
		tools = append(tools, cyclonedx.Component{Type: cyclonedx.ComponentTypeApplication, Name: name, Version: i.record.Programs[name]})
	}
	return &tools
}

func (i *Image) system() cyclonedx.Component {
	name, version, _ := strings.Cut(i.record.Release, "-")
	return cyclonedx.Component{BOMRef: "os:" + i.record.Release, Type: cyclonedx.ComponentTypeOS, Name: name, Version: version}
}

// packageComponent tells a package as scanners look it up: by its source package, and its distribution.
func (i *Image) packageComponent(found debian) cyclonedx.Component {
	upstream := found.source
	if found.sourceVersion != found.version {
		upstream += "@" + found.sourceVersion
	}
	purl := fmt.Sprintf("pkg:deb/debian/%s@%s?arch=%s&distro=%s&upstream=%s", escape(found.name), escape(found.version), found.architecture, escape(i.record.Release), escape(upstream))
	return cyclonedx.Component{
		BOMRef: purl, Type: cyclonedx.ComponentTypeLibrary, Name: found.name, Version: found.version, PackageURL: purl,
		Supplier: &cyclonedx.OrganizationalEntity{Name: found.origin},
	}
}

// bootstrapComponents are the bootstrap and the Go modules in it, as its own build information tells them.
func (i *Image) bootstrapComponents() []cyclonedx.Component {
	program := fileComponent(record.BootstrapPath, i.record.Files[record.BootstrapPath])
	program.Type, program.Name, program.Version = cyclonedx.ComponentTypeApplication, bootstrapName, i.record.Programs[bootstrapName]
	list := []cyclonedx.Component{program}
	info, err := buildinfo.ReadFile(i.at(record.BootstrapPath))
	if err != nil {
		return list // not a Go program: a bootstrap of somebody's own
	}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		purl := "pkg:golang/" + module.Path + "@" + escape(module.Version)
		list = append(list, cyclonedx.Component{BOMRef: purl, Type: cyclonedx.ComponentTypeLibrary, Name: module.Path, Version: module.Version, PackageURL: purl})
	}
	return list
}

func fileComponent(path, digest string) cyclonedx.Component {
	return cyclonedx.Component{
		BOMRef: "file:" + path, Type: cyclonedx.ComponentTypeFile, Name: path,
		Hashes: &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: digest}},
	}
}

// escape writes a part of a package URL: percent-encoded, but for the colon.
func escape(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "%3A", ":")
}
