package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/acme"
	"github.com/hornero/hornero/internal/certificates"
)

func statusCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Tell what there is of each certificate, and which one this node shows",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := acme.LoadConfig(o.config)
			if err != nil {
				return err
			}

			kept, err := o.store().Read(cmd.Context())
			if err != nil {
				return err
			}

			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "CERTIFICATE\tENDS\tRENEWS\tSHOWN HERE\tSTATE")

			for _, wanted := range config.Request.Certificates {
				// Nothing is told before the first run.
				var told acme.Told
				if text := kept[certificates.ToldPrefix+wanted.Name]; text != "" {
					if err := json.Unmarshal([]byte(text), &told); err != nil {
						return fmt.Errorf("read what is told of %s: %w", wanted.Name, err)
					}
				}

				// What cannot be asked for is shown as it is.
				serial, err := o.shown().Serial(cmd.Context(), wanted)
				printTold(table, wanted, told, shownAs(told, serial, err))
			}

			return table.Flush()
		},
	}
}

// shownAs tells what a node shows, beside what there is.
func shownAs(told acme.Told, serial string, err error) string {
	switch {
	case err != nil:
		return "unknown: " + err.Error()
	case told.Serial == "":
		return "the stack's own"
	case acme.SameSerial(serial, told.Serial):
		return "yes"
	}

	return "another: " + serial
}

func printTold(out io.Writer, wanted acme.Wanted, told acme.Told, shown string) {
	state := cmp.Or(told.Alarm, told.Trouble, "well")

	if told.Fallback {
		state += ", by the second authority"
	}

	if told.Serial == "" && told.Trouble == "" {
		state = "not asked for yet"
	}

	if told.Trouble != "" && !told.Next.IsZero() {
		state += "; next try " + told.Next.UTC().Format(time.RFC3339)
	}

	fmt.Fprintf(
		out,
		"%s\t%s\t%s\t%s\t%s\n",
		wanted.Name,
		dayOf(told.Ends),
		dayOf(told.Renews),
		shown,
		state,
	)
}

func dayOf(at time.Time) string {
	if at.IsZero() {
		return "-"
	}

	return at.UTC().Format(time.DateOnly)
}
