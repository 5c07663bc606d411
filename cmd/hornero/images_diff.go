package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/internal/catalog"
	"github.com/hornero/hornero/internal/record"
)

// side is one of the two images that are compared.
type side struct {
	image    catalog.Image
	record   record.Image
	contents record.Contents // nil when there is no list of its files
	missing  error           // why
}

// comparison is what `hornero images diff --json` prints.
type comparison struct {
	From catalog.Image `json:"from"`
	To   catalog.Image `json:"to"`
	record.Difference
	// Contents is every path that differs on the root file system; null when one image has no list of its files.
	Contents []record.Change `json:"contents"`
	// Varying is what differs and both records name as varying.
	Varying []record.Change `json:"varying"`
}

func (c *imagesCommands) diffCommand() *cobra.Command {
	diff := &cobra.Command{
		Use:               "diff IMAGE IMAGE",
		Short:             "tell which packages and files changed from one image to another",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: c.complete(2),
		RunE:              c.diff,
		Long: "Tells which packages, which of Hornero's files and daemons, and which of all files on the root file " +
			"system changed from one image to\nanother. What no two bakes have alike is named in the " +
			"records, with the " +
			"reason, and counted by itself.",
	}

	const allHelp = "name every file that differs, and those that the records name as varying"
	diff.Flags().BoolVar(&c.all, "all", false, allHelp)

	return diff
}

func (c *imagesCommands) diff(cmd *cobra.Command, args []string) error {
	_, images, err := c.open(cmd)
	if err != nil {
		return err
	}

	var sides [2]side

	for i, name := range args {
		side := &sides[i]

		if side.image, err = catalog.Pick(images, name); err != nil {
			return err
		}

		if side.record, err = c.record(cmd, side.image); err != nil {
			return err
		}

		// No error: images of older versions have no list, and packages can still be compared.
		side.contents, side.missing = c.contents(cmd, side.image)
	}

	return c.compare(cmd.OutOrStdout(), sides[0], sides[1])
}

func (c *imagesCommands) compare(w io.Writer, from, to side) error {
	found := comparison{
		From:       from.image,
		To:         to.image,
		Difference: record.Diff(from.record, to.record),
	}

	// One list alone compares with nothing.
	missing := errors.Join(from.missing, to.missing)
	if missing == nil {
		found.Contents, found.Varying = record.DiffContents(from.record, to.record, from.contents, to.contents)
	}

	if c.json {
		return printJSON(w, found)
	}

	if err := printDifference(w, found); err != nil {
		return err
	}

	if missing != nil {
		_, err := fmt.Fprintf(w, "\nall files  not compared: %v\n", missing)
		return err
	}

	return c.printContents(w, found, to.record.Varies)
}

// shown is how many files that differ are named without --all.
const shown = 20

func (c *imagesCommands) printContents(w io.Writer, found comparison, reasons map[string]string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	changed := len(found.Contents)
	varying := len(found.Varying)
	fmt.Fprintf(table, "\nall files\t%d changed, and %d that the records name as varying\n", changed, varying)

	for at, change := range found.Contents {
		// Images of different days may differ in thousands of files.
		if at == shown && !c.all {
			fmt.Fprintf(table, "and %d more; --all names them\n", changed-shown)
			break
		}

		fmt.Fprint(table, escapedf("%s %s\t%s\n", sign(change), change.Name, printedEntry(change)))
	}

	if c.all {
		for _, change := range found.Varying {
			fmt.Fprint(table, escapedf("varying %s\t%s\n", change.Name, reasons[change.Name]))
		}
	}

	return table.Flush()
}

// printedEntry shortens digests and leaves modes and owners whole.
func printedEntry(change record.Change) string {
	short := record.Change{
		From: shortEntry(change.From),
		To:   shortEntry(change.To),
	}

	return printed(short, 80)
}

func shortEntry(entry string) string {
	const digest, digits = 64, 12
	if len(entry) > digest && entry[digest] == ' ' {
		return entry[:digits] + entry[digest:]
	}

	return entry
}
