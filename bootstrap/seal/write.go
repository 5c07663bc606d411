package seal

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/hornero/hornero/bootstrap/immutable"
	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/record"
)

const bootstrapName = "hornero-bootstrap"

// Write completes the record that the builder began with what only the image knows, and leaves it in the image.
// It returns the image's packages, by name, for the bill of materials.
func (i *Image) Write(ctx context.Context, begun io.Reader, version string) ([]record.Package, error) {
	// The decoder leaves a field alone that the new record does not have.
	i.record = record.Image{}

	if err := json.NewDecoder(begun).Decode(&i.record); err != nil {
		return nil, fmt.Errorf("read the record that the builder began: %w", err)
	}

	if err := i.openManifests(); err != nil {
		return nil, err
	}

	packages, err := i.listPackages(ctx)
	if err != nil {
		return nil, err
	}

	i.record.Packages = map[string]string{}
	present := []record.Package{}

	for _, found := range sorted(packages) {
		if found.present() {
			i.record.Packages[found.Name] = found.Version
			present = append(present, found.Package)
		}
	}

	if i.record.Daemons, err = i.daemons(ctx); err != nil {
		return nil, err
	}

	if i.record.Programs == nil {
		i.record.Programs = map[string]string{}
	}

	i.record.Programs[bootstrapName] = version

	if i.record.Code, err = i.inventory(ctx); err != nil {
		return nil, err
	}

	// This comes last: it looks at all files that the record names by now.
	if i.record.Standing, err = (&immutable.Image{Root: i.Root}).Survey(ctx, i.record); err != nil {
		return nil, err
	}

	data, err := json.MarshalIndent(i.record, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the image's record: %w", err)
	}

	if _, err := file.Write(i.at(record.Path), append(data, '\n'), file.Options{Mode: 0o644}); err != nil {
		return nil, err
	}

	return present, nil
}
