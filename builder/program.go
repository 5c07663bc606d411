package builder

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/roles"
)

// Program is a program of Hornero's that the image has.
type Program struct {
	Name string // in the release
	Path string // in the image
	Data []byte
}

// loadPrograms reads the programs that the manifests name, from the folder of the bootstrap: a release has all its
// programs in one. A later manifest's takes the place of an earlier one's at the same path.
func (r *Recipe) loadPrograms(folder string) error {
	names := map[string]string{}

	for _, manifest := range r.Manifests {
		for _, program := range manifest.Programs {
			names[program.Target()] = program.Name
		}
	}

	var wrong []error

	for _, target := range slices.Sorted(maps.Keys(names)) {
		data, err := readProgram(filepath.Join(folder, names[target]))
		if err != nil {
			wrong = append(wrong, fmt.Errorf("programs: %w: %w", ErrConfig, err))
			continue
		}

		r.Programs = append(r.Programs, Program{
			Name: names[target],
			Path: target,
			Data: data,
		})
	}

	return errors.Join(wrong...)
}

func readProgram(path string) ([]byte, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf(
			"%w: it comes with hornero, beside hornero-bootstrap; make build leaves both in bin/",
			err,
		)
	}

	// As for the bootstrap: what does not run would be found out only on a Droplet.
	if err := checkProgram(path); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}

	return os.ReadFile(path)
}

// programsOf are the programs that a manifest puts into the image.
func (r Recipe) programsOf(manifest *roles.Manifest) []Program {
	var found []Program

	for _, named := range manifest.Programs {
		for _, program := range r.Programs {
			if program.Path == named.Target() {
				found = append(found, program)
			}
		}
	}

	return found
}

func (p Program) installed() installed {
	return installed{
		path:  p.Path,
		mode:  "0755",
		owner: "root:root",
		data:  p.Data,
	}
}

// linked are all programs of Hornero's in the image, the bootstrap first.
func (r Recipe) linked() []Program {
	bootstrap := Program{
		Name: bootstrapName,
		Path: record.BootstrapPath,
		Data: r.Bootstrap,
	}

	return append([]Program{bootstrap}, r.Programs...)
}
