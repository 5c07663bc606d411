package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/media"
)

// errWrong ends a verify that found something.
var errWrong = errors.New("not all files are as they were kept")

func statusCommand(o *options) *cobra.Command {
	var asJSON bool

	command := &cobra.Command{
		Use:   "status",
		Short: "Tell what this node has, what is not kept yet, and what is wrong",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			status, err := media.AskStatus(cmd.Context(), o.socket)
			if err != nil {
				return err
			}

			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(status)
			}

			return printStatus(cmd.OutOrStdout(), status)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "as JSON")

	return command
}

func printStatus(out io.Writer, status media.Status) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)

	rows := [][2]any{
		{"node", status.Node},
		{"store", status.Store},
		{"files", fmt.Sprintf("%d, %d MiB", status.Files, status.Bytes>>20)},
		{"on this node", status.Here},
		{"on this node only", status.Only},
		{"not kept yet", status.Pending},
		{"set aside", status.Aside},
	}
	for _, row := range rows {
		if _, err := fmt.Fprintf(table, "%s\t%v\n", row[0], row[1]); err != nil {
			return err
		}
	}

	if status.Alone {
		status.Trouble = append(status.Trouble, "this node is alone: what it has, nobody else has")
	}

	for _, text := range status.Trouble {
		if _, err := fmt.Fprintf(table, "trouble\t%s\n", text); err != nil {
			return err
		}
	}

	return table.Flush()
}

func verifyCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Read all files here, compare them with what was kept, and ask the store for the rest",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			wrong, err := media.AskVerify(cmd.Context(), o.socket, cmd.OutOrStdout())
			if err == nil && wrong {
				err = errWrong
			}

			return err
		},
	}
}
