package builder

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/roles"
)

// installed is one file of the image that the recipe brings.
type installed struct {
	path, mode, owner string
	data              []byte
	code              bool // the stack's own: many files, packed by themselves
}

// payload is the archive that goes to the Droplet: scripts, lists, and the files under files/. What the layer
// beneath has done already is not in it.
func (r Recipe) payload() ([]byte, error) {
	files, err := r.newFiles()
	if err != nil {
		return nil, err
	}

	units, err := r.units()
	if err != nil {
		return nil, err
	}

	commands, err := r.commands()
	if err != nil {
		return nil, err
	}

	release, err := LoadRelease(r.Release)
	if err != nil {
		return nil, err
	}

	parts := map[string][]byte{
		"apt-options":  lines(release.AptOptions()),
		"sources.list": []byte(release.Sources(r.Mirrors, "")),
		"packages":     lines(r.Packages()),
		"excluded":     lines(r.Excluded()),
		"preferences":  []byte(preferences(r.Excluded())),
		"units":        lines(units),
		"commands.sh":  []byte(commands),
	}

	if err := addFolder(parts, ".", scripts); err != nil {
		return nil, err
	}

	maps.Copy(parts, r.codeLists())

	var list []string
	var code []installed

	for i, file := range files {
		if file.code {
			code = append(code, file)
			continue
		}

		// By number: a path may hold any character, and two files may have one name.
		parts[fmt.Sprintf("files/%d", i)] = file.data

		list = append(list, fmt.Sprintf(
			"%d %s %s %x %s",
			i,
			file.mode,
			file.owner,
			sha256.Sum256(file.data),
			file.path,
		))
	}

	if parts["code.tar.gz"], err = packCode(code); err != nil {
		return nil, err
	}

	parts["files.list"] = lines(list)

	return archive(parts, 0o600)
}

// files lists all that the recipe installs: the manifests' files and programs, the roles' folders and the bootstrap.
// A later file takes the place of an earlier one at the same path, so that a role can replace a file of common.
func (r Recipe) files() ([]installed, error) {
	byPath := map[string]installed{BootstrapPath: {
		path:  BootstrapPath,
		mode:  "0755",
		owner: "root:root",
		data:  r.Bootstrap,
	}}

	for _, manifest := range r.Manifests {
		for _, file := range manifest.Files {
			data, err := file.Data()
			if err != nil {
				return nil, fmt.Errorf("read %s of role %s: %w", file.Source, manifest.Name, err)
			}

			byPath[file.Path] = installed{
				path:  file.Path,
				mode:  cmp.Or(file.Mode, "0644"),
				owner: cmp.Or(file.Owner, "root:root"),
				data:  data,
			}
		}

		for _, program := range r.programsOf(manifest) {
			byPath[program.Path] = program.installed()
		}

		// What the image has of the role itself: the node renders the templates.
		baked := map[string][]byte{}

		if err := addRole(baked, record.RolesPath, manifest); err != nil {
			return nil, err
		}

		for name, data := range baked {
			byPath[name] = installed{
				path:  name,
				mode:  "0644",
				owner: "root:root",
				data:  data,
			}
		}
	}

	for _, file := range r.code.Files {
		byPath[file.Path] = installed{
			path:  file.Path,
			mode:  "0644",
			owner: "root:root",
			data:  file.Data,
			code:  true,
		}
	}

	return slices.SortedFunc(
		maps.Values(byPath),
		func(a, b installed) int {
			return cmp.Compare(a.path, b.path)
		},
	), nil
}

// units lists the manifests' services: they are disabled in the image.
func (r Recipe) units() ([]string, error) {
	var units []string
	for _, manifest := range r.newManifests() {
		for _, service := range manifest.Services {
			unit, err := r.render(manifest, "services", service.Unit)
			if err != nil {
				return nil, err
			}

			units = append(units, unit)
		}
	}

	return unique(units), nil
}

// commands writes the manifests' bake commands as one script. They may use the manifest's variables.
func (r Recipe) commands() (string, error) {
	var script strings.Builder
	script.WriteString("set -e\n")

	for _, manifest := range r.newManifests() {
		for _, command := range manifest.Bake.Commands {
			text, err := r.render(manifest, "bake.commands", command)
			if err != nil {
				return "", err
			}
			if text != "" { // one that is not for this release
				// In a subshell, so that a cd or an exit of one command is not the next one's.
				fmt.Fprintf(&script, "(\n%s\n)\n", text)
			}
		}
	}

	return script.String(), nil
}

func (r Recipe) render(manifest *roles.Manifest, name, text string) (string, error) {
	data, err := manifest.RenderText(name, text, roles.Facts{
		Role:    r.Role,
		Release: r.Release,
	})

	return strings.TrimSpace(string(data)), err
}

// preferences pins the excluded packages below everything (apt_preferences(5): a negative priority is never
// installed).
func preferences(excluded []string) string {
	var b strings.Builder
	for _, name := range excluded {
		fmt.Fprintf(&b, "Package: %s\nPin: release *\nPin-Priority: -1\n\n", name)
	}

	return b.String()
}

func lines(list []string) []byte {
	if len(list) == 0 {
		return nil
	}

	return []byte(strings.Join(list, "\n") + "\n")
}

// archive packs parts, all with one mode.
func archive(parts map[string][]byte, mode int64) ([]byte, error) {
	var out bytes.Buffer
	packed, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}

	writer := tar.NewWriter(packed)

	// Sorted, so that the same recipe gives the same archive.
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		header := &tar.Header{
			Name:     name,
			Mode:     mode,
			Size:     int64(len(parts[name])),
			Typeflag: tar.TypeReg,
		}

		if err := writer.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}

		if _, err := writer.Write(parts[name]); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
	}

	if err := writer.Close(); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}

	if err := packed.Close(); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}

	return out.Bytes(), nil
}

// record begins the image's record with what the recipe knows; the bootstrap completes it inside the image.
func (r Recipe) record(plugin, packer string, now time.Time) ([]byte, error) {
	// All files, also those of the layer beneath: the record is of the whole image.
	files, err := r.files()
	if err != nil {
		return nil, err
	}

	begun := record.Image{
		Version: record.Version,
		Name:    r.ImageName(),
		Role:    r.Role,
		Release: r.Release,
		Base:    r.Base,
		Digest:  r.Digest,
		Inputs:  r.Inputs,
		Recipe:  recipeVersion,
		BuiltAt: now.UTC().Format(time.RFC3339),
		Programs: map[string]string{
			userAgent: cmp.Or(plugin, "unknown"),
			"packer":  cmp.Or(packer, "unknown"),
		},
		Files:  map[string]string{},
		Varies: record.Varying(),
	}
	if r.Layer != nil {
		begun.Layer = r.Layer.Digest
	}

	for _, manifest := range r.Manifests {
		maps.Copy(begun.Varies, manifest.Bake.Varies)
	}

	for _, file := range files {
		begun.Files[file.path] = fmt.Sprintf("%x", sha256.Sum256(file.data))
	}

	data, err := json.Marshal(begun)
	if err != nil {
		return nil, fmt.Errorf("begin image record: %w", err)
	}

	return data, nil
}
