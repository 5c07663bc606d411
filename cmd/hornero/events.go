package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/status"
)

func eventsCommand(file *string) *cobra.Command {
	var asJSON, follow bool
	var number int
	command := &cobra.Command{
		Use:   "events",
		Short: "show what happened: who joined and left, where the writes moved and why",
		Args:  cobra.NoArgs,
		Long:  "The peer set remembers the last thousand events. Any node that answers tells them.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withFleet(cmd, *file, func(ctx context.Context, f *fleet.Fleet) error {
				each := func(event status.Event) error {
					return printEvent(cmd.OutOrStdout(), event, asJSON)
				}
				if follow {
					return f.Follow(ctx, number, each)
				}

				events, err := f.Events(ctx, number)
				if err != nil {
					return err
				}

				for _, event := range events {
					if err := each(event); err != nil {
						return err
					}
				}

				return nil
			})
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print each event as one line of JSON")
	command.Flags().BoolVar(&follow, "follow", false, "go on with what happens from now on")
	command.Flags().IntVarP(&number, "number", "n", 0, "only the newest `N`; 0 for all")

	return command
}

func printEvent(w io.Writer, event status.Event, asJSON bool) error {
	if asJSON {
		// One line an event: a follower's output has no end that could close a list.
		return json.NewEncoder(w).Encode(event)
	}

	_, err := fmt.Fprintln(w, event.Line())

	return err
}
