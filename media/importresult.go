package media

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/hornero/hornero/internal/space"
)

// ofOne are faults of one object, or of one file's name. They say nothing of the others.
var ofOne = []error{
	space.ErrNotThere,
	space.ErrRefused,
	ErrDamaged,
	gzip.ErrHeader,
	gzip.ErrChecksum,
	syscall.ENAMETOOLONG,
	syscall.ENOTDIR,
	syscall.EISDIR,
	syscall.EEXIST,
}

func isOfOne(err error) bool {
	for _, fault := range ofOne {
		if errors.Is(err, fault) {
			return true
		}
	}

	return false
}

// tellRefused names what the library cannot hold.
func (i *spaceImport) tellRefused() error {
	for _, one := range i.plan.refused {
		if _, err := fmt.Fprintf(i.Out, "passed over: %s: %s\n", one.key, one.why); err != nil {
			return err
		}
	}

	return nil
}

// tellPlan tells what would be done.
func (i *spaceImport) tellPlan() error {
	var bytes int64
	for _, one := range i.plan.wanted {
		bytes += one.object.Size
	}

	_, err := fmt.Fprintf(
		i.Out,
		"%d files would be added, %d MiB; %d are there, %d are the stack's own already, %d are passed over\n",
		len(i.plan.wanted),
		bytes>>20,
		i.plan.there,
		len(i.plan.adopted),
		len(i.plan.refused),
	)

	return err
}

// conclude asks the daemon whether all is known, and tells what was done.
func (i *spaceImport) conclude(ctx context.Context) error {
	known, err := askEntries(ctx, i.socket)
	if err != nil {
		return err
	}

	_, err = fmt.Fprintf(
		i.Out,
		"%d files added, %d MiB; %d were there, %d are the stack's own already, %d passed over, %d not copied\n",
		i.added,
		i.bytes>>20,
		i.plan.there,
		len(i.plan.adopted),
		len(i.plan.refused),
		len(i.failed),
	)
	if err != nil {
		return err
	}

	missing := i.missing(known)

	switch {
	case len(missing) > 0:
		return fmt.Errorf(
			"import: %w: %d of them, as %s; look at hornero media status, and begin again",
			ErrIncomplete,
			len(missing),
			missing[0],
		)
	case len(i.failed) > 0:
		return fmt.Errorf(
			"import: %w: %d were not copied",
			ErrIncomplete,
			len(i.failed),
		)
	}

	return nil
}

// missing are the files that the daemon knows nothing of.
func (i *spaceImport) missing(known map[string]told) []string {
	failed := map[string]bool{}
	for _, one := range i.failed {
		failed[one.key] = true
	}

	paths := slices.Clone(i.plan.adopted)

	for _, one := range i.plan.wanted {
		if !failed[one.object.Key] {
			paths = append(paths, one.path)
		}
	}

	var missing []string

	for _, path := range paths {
		if known[path].Path == "" {
			missing = append(missing, path)
		}
	}

	return missing
}
