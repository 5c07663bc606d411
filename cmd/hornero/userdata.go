package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/fleet"
)

func userdataCommand(file *string) *cobra.Command {
	var reveal, asJSON bool
	cmd := &cobra.Command{
		Use:   "userdata NODE",
		Short: "print the user-data that a node would be launched with now, its secrets masked",
		Args:  cobra.ExactArgs(1),

		ValidArgsFunction: completeNode(file),
		Long: "Prints the #cloud-config that the node's next Droplet would be given: its incarnation, whom it " +
			"joins, and what its role needs.\nKeys and certificates are made for this answer, as " +
			"they are made anew for each " +
			"launch. Secrets are masked unless --reveal.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withFleet(cmd, *file, func(ctx context.Context, f *fleet.Fleet) error {
				node, err := f.Stack.Node(args[0])
				if err != nil {
					return err
				}

				document, err := f.Preview(ctx, node)
				if err != nil {
					return err
				}

				return printUserData(cmd.OutOrStdout(), document, reveal, asJSON)
			})
		},
	}

	flags := cmd.Flags()
	flags.BoolVar(&reveal, "reveal", false, "print secrets as they are")
	flags.BoolVar(&asJSON, "json", false, "print JSON: the document's fields, the user-data and its size")

	return cmd
}

// preview is what `hornero userdata --json` prints.
type preview struct {
	Node     string         `json:"node"`
	Masked   bool           `json:"masked"`
	Bytes    int            `json:"bytes"` // as launched, not as masked
	Limit    int            `json:"limit"`
	Document map[string]any `json:"document"`
	UserData string         `json:"user_data"`
}

func printUserData(stdout io.Writer, document cloudinit.Node, reveal, asJSON bool) error {
	// Encode sets the version in its own copy; the fields below are printed from this one.
	document.Version = cloudinit.Version
	data, err := cloudinit.Encode(document)
	if err != nil {
		return err
	}

	// Before the masking: the limit counts what is launched.
	size := len(data)

	if !reveal {
		document = document.Masked()
		if data, err = cloudinit.Encode(document); err != nil {
			return err
		}
	}

	if !asJSON {
		_, err = stdout.Write(data)
		return err
	}

	fields, err := document.Fields()
	if err != nil {
		return err
	}

	return printJSON(stdout, preview{
		Node:     document.Node,
		Masked:   !reveal,
		Bytes:    size,
		Limit:    cloudinit.MaxUserData,
		Document: fields,
		UserData: string(data),
	})
}
