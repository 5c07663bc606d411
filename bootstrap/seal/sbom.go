package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/record"
)

const bootstrapName = "hornero-bootstrap"

// writeSBOM leaves the image's bill of materials: Debian's packages, Hornero's files, and the modules that the bootstrap
// is linked from. The same record gives the same bytes.
func (i *Image) writeSBOM(packages map[string]debian) error {
	components := []bomComponent{i.system()}
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
	image := bomComponent{BOMRef: "image", Type: typeContainer, Name: i.record.Name, Version: i.record.Digest}
	bom := materials{
		Format: bomFormat, Spec: bomSpec, Serial: serial(i.record), Version: 1, Components: components,
		Metadata:     bomMetadata{Timestamp: i.record.BuiltAt, Tools: bomTools{Components: i.tools()}, Component: image},
		Dependencies: []bomDependency{{Ref: image.BOMRef, DependsOn: refs(components)}},
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(bom); err != nil {
		return fmt.Errorf("write the bill of materials: %w", err)
	}
	_, err := file.Write(i.at(record.SBOMPath), out.Bytes(), file.Options{Mode: 0o644})
	return err
}

// readSBOM reads the bill of materials back and holds it to the record.
func (i *Image) readSBOM() error {
	data, err := os.ReadFile(i.at(record.SBOMPath))
	if err != nil {
		return err
	}
	var bom materials
	if err := json.Unmarshal(data, &bom); err != nil {
		return err
	}
	if bom.Serial != serial(i.record) {
		return fmt.Errorf("its serial number is %q, that of the record %q", bom.Serial, serial(i.record))
	}
	return nil
}

// serial is a UUID (RFC 9562, version 8: of our own making) from what the image is and when it was baked.
func serial(image record.Image) string {
	id := sha256.Sum256([]byte(image.Digest + " " + image.BuiltAt))
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:16])
}

func refs(components []bomComponent) []string {
	list := make([]string, len(components))
	for at, component := range components {
		list[at] = component.BOMRef
	}
	return list
}

func (i *Image) tools() []bomComponent {
	var tools []bomComponent
	for _, name := range slices.Sorted(maps.Keys(i.record.Programs)) {
		tools = append(tools, bomComponent{Type: typeApplication, Name: name, Version: i.record.Programs[name]})
	}
	return tools
}

func (i *Image) system() bomComponent {
	name, version, _ := strings.Cut(i.record.Release, "-")
	return bomComponent{BOMRef: "os:" + i.record.Release, Type: typeOS, Name: name, Version: version}
}

// packageComponent tells a package as scanners look it up: by its source package, and its distribution.
func (i *Image) packageComponent(found debian) bomComponent {
	upstream := found.source
	if found.sourceVersion != found.version {
		upstream += "@" + found.sourceVersion
	}
	purl := fmt.Sprintf("pkg:deb/debian/%s@%s?arch=%s&distro=%s&upstream=%s", escape(found.name), escape(found.version), found.architecture, escape(i.record.Release), escape(upstream))
	return bomComponent{
		BOMRef: purl, Type: typeLibrary, Name: found.name, Version: found.version, PackageURL: purl,
		Supplier: &bomSupplier{Name: found.origin},
	}
}

// bootstrapComponents are the bootstrap and the Go modules in it, as its own build information tells them.
func (i *Image) bootstrapComponents() []bomComponent {
	program := fileComponent(record.BootstrapPath, i.record.Files[record.BootstrapPath])
	program.Type, program.Name, program.Version = typeApplication, bootstrapName, i.record.Programs[bootstrapName]
	list := []bomComponent{program}
	modules, err := linkedModules(i.at(record.BootstrapPath))
	if err != nil {
		return list // not a Go program: a bootstrap of somebody's own
	}
	for _, module := range modules {
		if module.Replace != nil {
			module = module.Replace
		}
		purl := "pkg:golang/" + module.Path + "@" + escape(module.Version)
		list = append(list, bomComponent{BOMRef: purl, Type: typeLibrary, Name: module.Path, Version: module.Version, PackageURL: purl})
	}
	return list
}

func fileComponent(path, digest string) bomComponent {
	return bomComponent{
		BOMRef: "file:" + path, Type: typeFile, Name: path,
		Hashes: []bomHash{{Algorithm: "SHA-256", Value: digest}},
	}
}

// escape writes a part of a package URL: percent-encoded, but for the colon.
func escape(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "%3A", ":")
}
