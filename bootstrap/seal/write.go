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

// Write completes the record that the builder began with what only the image knows, and leaves it and the bill of
// materials in the image.
func (i *Image) Write(ctx context.Context, begun io.Reader, version string) error {
	i.record = record.Image{}
	if err := json.NewDecoder(begun).Decode(&i.record); err != nil {
		return fmt.Errorf("read the record that the builder began: %w", err)
	}
	if err := i.openManifests(); err != nil {
		return err
	}
	packages, err := i.listPackages(ctx)
	if err != nil {
		return err
	}
	i.record.Packages = map[string]string{}
	for name, found := range packages {
		if found.present() {
			i.record.Packages[name] = found.version
		}
	}
	if i.record.Daemons, err = i.daemons(ctx); err != nil {
		return err
	}
	if i.record.Programs == nil {
		i.record.Programs = map[string]string{}
	}
	i.record.Programs[bootstrapName] = version
	if i.record.Standing, err = (&immutable.Image{Root: i.Root}).Survey(ctx, i.record); err != nil {
		return err
	}
	data, err := json.MarshalIndent(i.record, "", "  ")
	if err != nil {
		return fmt.Errorf("write the image's record: %w", err)
	}
	if _, err := file.Write(i.at(record.Path), append(data, '\n'), file.Options{Mode: 0o644}); err != nil {
		return err
	}
	return i.writeSBOM(packages)
}
