package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/internal/status"
)

var errDrift = errors.New("this node is not as it was baked and written; replace it, or find out who changes it")

var errUnseen = errors.New("not everything could be compared: this node lacks files or memory, or its disk fails; " +
	"compare again, and replace it when that stays")

func driftCommand(stdout io.Writer) *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "drift",
		Short: "compare this node with its image's record and what the agent wrote, now; exit 1 when it differs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body, err := ask(cmd.Context(), http.MethodPost, "/drift")
			if err != nil {
				return err
			}

			if asJSON {
				_, err := stdout.Write(body)
				return err
			}

			var image status.Image
			if err := json.Unmarshal(body, &image); err != nil {
				return err
			}

			for _, finding := range image.Findings {
				fmt.Fprintln(stdout, finding.Path, finding.What)
			}

			printImage(stdout, image)

			// Scripts go by the exit code.
			if image.DriftFiles > 0 {
				return errDrift
			}

			if image.Unseen != "" {
				return errUnseen
			}

			return nil
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON, and exit 0 whatever it says")

	return command
}

// printImage says in a line or two whether the node is as its image.
func printImage(w io.Writer, image status.Image) {
	fmt.Fprintf(w, "image read-only %v, drift of %d files", image.ReadOnly, image.DriftFiles)

	if image.CheckedAt != "" {
		fmt.Fprintf(w,
			"; %d files compared at %s in %.1f s",
			image.Checked,
			image.CheckedAt,
			image.Seconds,
		)
	}

	fmt.Fprintln(w)

	for _, line := range []struct{ what, text string }{
		{"not read-only:", image.Problem},
		{"not compared:", image.Unseen},
		{"quarantined:", image.Quarantine},
		{"no quarantine:", image.Held},
	} {
		if line.text != "" {
			fmt.Fprintln(w, line.what, line.text)
		}
	}
}
