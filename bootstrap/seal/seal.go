// Package seal owns the end of a bake, inside the image: the record of what the image is made of, the list of
// all its files, and the test that the sealed image makes of itself. It reads the image's own manifests and
// record and nothing from outside, changes nothing but those two files, and knows neither how an image is baked
// nor how a node runs.
package seal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/internal/systemd"
	"github.com/hornero/hornero/roles"
)

// ErrFaults is an image that did not pass its own test.
var ErrFaults = errors.New("the image's self-test did not pass")

// Image is a baked root filesystem that holds a record and the folders of its roles.
type Image struct {
	Root      string      // "/", or a test's folder
	Scratch   string      // where sample files are written for a moment; never inside the image
	Systemctl systemd.Ctl // asks this machine's systemd

	record    record.Image
	manifests []*roles.Manifest // common first
}

// Here is the image that this process runs in.
func Here() *Image {
	return &Image{
		Root:      "/",
		Scratch:   "/run",
		Systemctl: systemd.Systemctl,
	}
}

// at is where a path of the image lies for this process.
func (i *Image) at(path string) string {
	return filepath.Join(i.Root, path)
}

// real tells whether this is the machine's own root and not a folder.
func (i *Image) real() bool { return i.Root == "/" }

// open reads the record and the manifests that it names.
func (i *Image) open() error {
	data, err := os.ReadFile(i.at(record.Path))
	if err != nil {
		return fmt.Errorf("read the image's record: %w", err)
	}

	i.record = record.Image{}

	if err := json.Unmarshal(data, &i.record); err != nil {
		return fmt.Errorf("read %s: %w", record.Path, err)
	}

	return i.openManifests()
}

func (i *Image) openManifests() error {
	i.manifests = nil
	// common is an image, too: the others' layer
	for _, name := range slices.Compact([]string{roles.Common, i.record.Role}) {
		manifest, err := roles.Load(os.DirFS(i.at(record.RolesPath)), name)
		if err != nil {
			return err
		}

		i.manifests = append(i.manifests, manifest.On(i.record.Release))
	}

	return nil
}

// unit names a manifest's unit, which may use the manifest's variables.
func (i *Image) unit(manifest *roles.Manifest, text string) (string, error) {
	name, err := manifest.RenderText("unit", text, roles.Facts{
		Role:    i.record.Role,
		Release: i.record.Release,
	})

	return strings.TrimSpace(string(name)), err
}

// checks are all that the self-test looks at, in this order: what may leave something behind comes before what
// looks for leftovers.
var checks = []struct {
	name string
	run  func(*inspection, context.Context)
}{
	{"packages", (*inspection).checkPackages},
	{"files", (*inspection).checkFiles},
	{"units", (*inspection).checkUnits},
	{"texts", (*inspection).checkTexts},
	{"record", (*inspection).checkRecord},
	{"identity", (*inspection).checkIdentity},
	{"secrets", (*inspection).checkSecrets},
	{"leftovers", (*inspection).checkLeftovers},
	{"permissions", (*inspection).checkPermissions},
	{"ports", (*inspection).checkPorts},
}

// inspection is one run of the self-test.
type inspection struct {
	*Image
	check    string
	report   record.Report
	packages map[string]debian
}

func (n *inspection) fault(do, format string, args ...any) {
	what := strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " ")
	n.report.Faults = append(n.report.Faults, record.Fault{
		Check: n.check,
		What:  what,
		Do:    do,
	})
}

// Verify tests the image. Faults are in the report, all of them; an error is a test that could not be made at all.
func (i *Image) Verify(ctx context.Context) (record.Report, error) {
	if err := i.open(); err != nil {
		return record.Report{}, err
	}

	n := &inspection{
		Image: i,
		report: record.Report{
			Name:     i.record.Name,
			Role:     i.record.Role,
			Release:  i.record.Release,
			Passed:   []string{},
			Faults:   []record.Fault{},
			Packages: map[string]string{},
		},
	}

	// Every check runs, whatever the others found: all faults are told in one bake.
	for _, check := range checks {
		before := len(n.report.Faults)
		n.check = check.name
		check.run(n, ctx)

		if len(n.report.Faults) == before {
			n.report.Passed = append(n.report.Passed, check.name)
		}
	}

	// Checks that were cut off report faults that are none.
	if err := ctx.Err(); err != nil {
		return record.Report{}, fmt.Errorf("test the image: %w", context.Cause(ctx))
	}

	return n.report, nil
}

// abbreviate writes a list that may be long as its beginning and how many more there are.
func abbreviate(list []string) string {
	const shown = 3
	if len(list) <= shown {
		return strings.Join(list, ", ")
	}

	return fmt.Sprintf("%s and %d more", strings.Join(list[:shown], ", "), len(list)-shown)
}
