package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/acme"
)

// maxJob is more than any job has.
const maxJob = 1 << 20

func readJob(in io.Reader) (acme.Job, error) {
	var job acme.Job

	decoder := json.NewDecoder(io.LimitReader(in, maxJob))
	decoder.DisallowUnknownFields()

	if err := decoder.Decode(&job); err != nil {
		return job, fmt.Errorf("read the job: %w", err)
	}

	return job, nil
}

func stepCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "step",
		Short: "Do the next step of a job: from standard input, as JSON; the result is JSON, too",
		Long: "Without an order in the job a step makes one. With an order it finishes that, from wherever it " +
			"stands, and brings the certificate. Keep the order before the next step: that one is paid for.\n\n" +
			"Both the job and the result hold private keys.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			job, err := readJob(cmd.InOrStdin())
			if err != nil {
				return err
			}

			return json.NewEncoder(cmd.OutOrStdout()).Encode(acme.Step(cmd.Context(), job))
		},
	}
}

func renewalCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "renewal",
		Short: "Ask when the authority wants the certificate renewed that the job replaces",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			job, err := readJob(cmd.InOrStdin())
			if err != nil {
				return err
			}

			window, problem := acme.Renewal(cmd.Context(), job)
			if problem != nil {
				return problem
			}

			return json.NewEncoder(cmd.OutOrStdout()).Encode(window)
		},
	}
}
