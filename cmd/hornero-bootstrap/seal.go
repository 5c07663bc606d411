package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/bootstrap/seal"
	"github.com/hornero/hornero/internal/record"
)

const recordSummary = "complete the image's record on standard input, write it, and print the image's packages " +
	"(what a bake runs before sealing)"

func recordCommand(stdin io.Reader, stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "record",
		Short: recordSummary,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			packages, err := seal.Here().Write(cmd.Context(), stdin, version)
			if err != nil {
				return err
			}

			// The builder makes the bill of materials from this list.
			return json.NewEncoder(stdout).Encode(packages)
		},
	}
}

func contentsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "contents",
		Short: "list all files of this sealed image into " + record.ContentsPath + " (what a bake runs after sealing)",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return seal.Here().WriteContents()
		},
	}
}

func verifyCommand(stdout io.Writer) *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "verify",
		Short: "test this sealed image (what a bake runs last); exit 1 when it is at fault",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			result, err := seal.Here().Verify(cmd.Context())
			if err != nil {
				return err
			}

			if asJSON {
				err = json.NewEncoder(stdout).Encode(result)
			} else {
				err = printResult(stdout, result)
			}

			// The bake goes by the exit code; the faults are printed above.
			if err == nil && len(result.Faults) > 0 {
				err = fmt.Errorf("%w: %d faults", seal.ErrFaults, len(result.Faults))
			}

			return err
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")

	return command
}

func printResult(stdout io.Writer, result record.Report) error {
	for _, check := range result.Passed {
		if _, err := fmt.Fprintln(stdout, "passed:", check); err != nil {
			return err
		}
	}

	for _, fault := range result.Faults {
		if _, err := fmt.Fprintln(stdout, fault); err != nil {
			return err
		}
	}

	return nil
}
