package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hornero/hornero/internal/catalog"
	"github.com/hornero/hornero/internal/record"
)

const imageColumns = "ID\tROLE\tRELEASE\tDIGEST\tAGE\tREGIONS\tSIZE\tDROPLETS"

func printImages(w io.Writer, images []catalog.Image) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, imageColumns)

	for _, image := range images {
		fmt.Fprintln(table, imageRow(image))
	}

	return table.Flush()
}

// imageRow is an image in the columns of a table.
func imageRow(image catalog.Image) string {
	return escapedf(
		"%d\t%s\t%s\t%.12s\t%s\t%s\t%.2f GB\t%s",
		image.ID,
		image.Role,
		image.Release,
		image.Digest,
		age(image.Created, time.Now()),
		strings.Join(image.Regions, ","),
		image.Size,
		users(image),
	)
}

func users(image catalog.Image) string {
	names := make([]string, len(image.Droplets))
	for i, droplet := range image.Droplets {
		names[i] = droplet.Name
	}

	return cmp.Or(strings.Join(names, ","), "-")
}

// age is how long ago a moment was, in its largest unit.
func age(then, now time.Time) string {
	// The API's clock may be ahead of this one.
	gone := max(now.Sub(then), 0)
	switch {
	case then.IsZero():
		return "?"
	case gone < time.Minute:
		return fmt.Sprintf("%ds", int(gone.Seconds()))
	case gone < time.Hour:
		return fmt.Sprintf("%dm", int(gone.Minutes()))
	case gone < 48*time.Hour:
		return fmt.Sprintf("%dh", int(gone.Hours()))
	}

	return fmt.Sprintf("%dd", int(gone.Hours()/24))
}

func printRecord(w io.Writer, image catalog.Image, written record.Image) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(title, value string) {
		fmt.Fprint(table, escapedf("%s\t%s\n", title, value))
	}

	line("image", fmt.Sprintf("%d, %s", image.ID, image.Name))
	line("role", written.Role)
	line("release", written.Release)
	line("base", written.Base)
	line("layer", cmp.Or(written.Layer, "none: baked on the base image"))
	line("digest", written.Digest)
	line("built", written.BuiltAt)
	line("recipe", written.Recipe)
	line("regions", strings.Join(image.Regions, ", "))
	line("size", fmt.Sprintf("%.2f GB; least disk %d GB", image.Size, image.MinDisk))
	line("droplets", users(image))

	list := func(title string, items map[string]string) {
		fmt.Fprintf(table, "\n%s\t%d\n", title, len(items))

		for _, name := range slices.Sorted(maps.Keys(items)) {
			fmt.Fprint(table, escapedf("  %s\t%s\n", name, items[name]))
		}
	}

	list("programs", written.Programs)
	list("code", codeVersions(written.Code))
	list("inputs", written.Inputs)
	list("files", written.Files)
	list("daemons", written.Daemons)
	list("varies", written.Varies)
	list("packages", written.Packages)

	return table.Flush()
}

// codeVersions are the versions of code that no package brought, by kind and name.
func codeVersions(found []record.Code) map[string]string {
	versions := map[string]string{}

	for _, code := range found {
		versions[code.Kind+" "+code.Name] = code.Version
	}

	return versions
}

func printDifference(w io.Writer, found comparison) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, escapedf("from\t%d, %s\n", found.From.ID, found.From.Name))
	fmt.Fprint(table, escapedf("to\t%d, %s\n", found.To.ID, found.To.Name))

	list := func(title string, changes []record.Change, digits int) {
		fmt.Fprintf(table, "\n%s\t%d changed\n", title, len(changes))

		for _, change := range changes {
			fmt.Fprint(table, escapedf("%s %s\t%s\n", sign(change), change.Name, printed(change, digits)))
		}
	}

	list("packages", found.Packages, 60)
	list("files", found.Files, 12)

	return table.Flush()
}

func sign(change record.Change) string {
	switch {
	case change.From == "":
		return "+"
	case change.To == "":
		return "-"
	}

	return "~"
}

// printed is a change with so many digits of each value.
func printed(change record.Change, digits int) string {
	if change.From == "" || change.To == "" {
		return fmt.Sprintf("%.*s", digits, change.From+change.To)
	}

	return fmt.Sprintf("%.*s -> %.*s", digits, change.From, digits, change.To)
}

// printPruned says what is gone, or would be.
func (c *imagesCommands) printPruned(w io.Writer, all int, surplus, gone []catalog.Image, dry bool) error {
	if c.json {
		return printJSON(w, struct {
			Surplus []catalog.Image `json:"surplus"`
			Deleted []catalog.Image `json:"deleted"`
		}{surplus, gone})
	}

	if dry {
		if err := printImages(w, surplus); err != nil {
			return err
		}

		_, err := fmt.Fprintf(w, "would delete %s of %d\n", count(len(surplus), "image"), all)

		return err
	}

	_, err := fmt.Fprintf(w, "deleted %s of %d\n", count(len(gone), "image"), all)

	return err
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}

	return fmt.Sprintf("%d %ss", n, what)
}
