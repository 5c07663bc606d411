package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hornero/hornero/internal/catalog"
	"github.com/hornero/hornero/internal/record"
)

func printImages(w io.Writer, images []catalog.Image) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tROLE\tRELEASE\tDIGEST\tAGE\tREGIONS\tSIZE\tDROPLETS")

	for _, image := range images {
		fmt.Fprintf(table, "%d\t%s\t%s\t%.12s\t%s\t%s\t%.2f GB\t%s\n", image.ID, image.Role, image.Release, image.Digest, age(
			image.Created,
			time.Now(),
		),
			strings.Join(image.Regions, ","), image.Size, users(image))
	}

	return table.Flush()
}

func users(image catalog.Image) string {
	names := make([]string, len(image.Runs))
	for i, droplet := range image.Runs {
		names[i] = droplet.Name
	}

	return cmp.Or(strings.Join(names, ","), "-")
}

// age is how long ago a moment was, in its largest unit.
func age(then, now time.Time) string {
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
	for _, line := range [][2]string{
		{
			"image",
			fmt.Sprintf("%d, %s", image.ID, image.Name),
		},
		{"role", written.Role}, {"release", written.Release}, {"base", written.Base}, {
			"layer",
			cmp.Or(written.Layer, "none: baked on the base image"),
		}, {"digest", written.Digest},
		{"built", written.BuiltAt}, {"recipe", written.Recipe}, {
			"regions",
			strings.Join(image.Regions, ", "),
		},
		{
			"size",
			fmt.Sprintf("%.2f GB; least disk %d GB", image.Size, image.MinDisk),
		}, {"droplets", users(image)},
	} {
		fmt.Fprintf(table, "%s\t%s\n", line[0], line[1])
	}

	for _, part := range []struct {
		title string
		list  map[string]string
	}{{
		title: "programs",
		list:  written.Programs,
	}, {
		title: "inputs",
		list:  written.Inputs,
	}, {
		title: "files",
		list:  written.Files,
	}, {
		title: "daemons",
		list:  written.Daemons,
	}, {
		title: "varies",
		list:  written.Varies,
	}, {
		title: "packages",
		list:  written.Packages,
	}} {
		fmt.Fprintf(table, "\n%s\t%d\n", part.title, len(part.list))

		for _, item := range sortedItems(part.list) {
			fmt.Fprintf(table, "  %s\t%s\n", item[0], item[1])
		}
	}

	return table.Flush()
}

func sortedItems(list map[string]string) [][2]string {
	items := make([][2]string, 0, len(list))
	for name, value := range list {
		items = append(items, [2]string{name, value})
	}

	slices.SortFunc(items, func(a, b [2]string) int {
		return cmp.Compare(a[0], b[0])
	})

	return items
}

func printDifference(w io.Writer, found comparison) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(
		table,
		"from\t%d, %s\nto\t%d, %s\n",
		found.From.ID,
		found.From.Name,
		found.To.ID,
		found.To.Name,
	)

	for _, part := range []struct {
		title   string
		changes []record.Change
		digits  int // of a value that are shown
	}{{"packages", found.Packages, 60}, {"files", found.Files, 12}} {
		fmt.Fprintf(table, "\n%s\t%d changed\n", part.title, len(part.changes))

		for _, change := range part.changes {
			fmt.Fprintf(
				table,
				"%s %s\t%s\n",
				sign(change),
				change.Name,
				told(change, part.digits),
			)
		}
	}

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

func told(change record.Change, digits int) string {
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
