package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/internal/archive"
	"github.com/hornero/hornero/internal/catalog"
	"github.com/hornero/hornero/internal/record"
)

// listedImage is what `hornero images list --json` prints of each.
type listedImage struct {
	catalog.Image
	Updates []archive.Update `json:"updates"` // null: not known
	// Signature is "signed", "unsigned" or "forged", for the keys that the stack trusts; empty where it knows none.
	Signature string `json:"signature,omitempty"`
}

// state is what is wrong with an image, in a line.
func (l listedImage) state() string {
	line := updatesLine(l.Updates)

	if l.Signature != "" {
		line = l.Signature + ", " + line
	}
	if l.Rejected {
		line = "rejected, " + line
	}

	return line
}

// withUpdates looks up what is newer than the images whose records are in the folder.
func withUpdates(newer *updates, folder record.Folder, all []catalog.Image) []listedImage {
	listed := []listedImage{}

	for _, image := range all {
		listed = append(listed, listedImage{
			Image:   image,
			Updates: newer.kept(folder, image.RecordName(), image.ID),
		})
	}

	return listed
}

// current lists images with what is newer now. Where the package lists cannot be had, it says so and goes on.
func (c *imagesCommands) current(cmd *cobra.Command, all []catalog.Image) ([]listedImage, error) {
	folder, err := c.folder()
	if err != nil {
		return nil, err
	}

	debian, err := newArchive(cmd.Context())
	if err != nil {
		return nil, err
	}

	newer := currentUpdates(cmd.Context(), debian)
	listed := withUpdates(newer, folder, all)
	c.addSignatures(cmd, listed)

	for _, wrong := range newer.wrong {
		// A release that gets none is nothing to tell.
		if wrong != nil && !errors.Is(wrong, archive.ErrNoSecurity) {
			fmt.Fprintf(cmd.ErrOrStderr(), "updates are not known: %v\n", wrong)
		}
	}

	return listed, nil
}

func printListed(w io.Writer, listed []listedImage) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, imageColumns+"\tSTATE")

	for _, image := range listed {
		fmt.Fprintln(table, imageRow(image.Image)+"\t"+image.state())
	}

	return table.Flush()
}

// printUpdates names all that is newer than an image.
func printUpdates(w io.Writer, image listedImage) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "\nstate\t%s\n", image.state())

	for _, update := range image.Updates {
		kind := ""
		if update.Security {
			kind = "security"
		}

		fmt.Fprintf(table, "  %s\t%s -> %s\t%s\n", update.Source, update.From, update.To, kind)
	}

	return table.Flush()
}
