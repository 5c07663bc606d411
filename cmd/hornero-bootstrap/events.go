package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/internal/status"
)

// followEvery is how often somebody who follows asks for more.
const followEvery = time.Second

func eventsCommand(stdout io.Writer) *cobra.Command {
	var asJSON, follow bool
	var after int64
	var number int
	command := &cobra.Command{Use: "events", Short: "print what happened to the stack, as the peer set remembers it (the last thousand)", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		for {
			events, err := askEvents(cmd.Context(), after, number)
			if err != nil {
				return err
			}
			for _, event := range events {
				after, number = event.ID, 0
				if err := printEvent(stdout, event, asJSON); err != nil {
					return err
				}
			}
			if !follow {
				return nil
			}
			number = 0 // from here on all
			select {
			case <-cmd.Context().Done():
				return nil
			case <-time.After(followEvery):
			}
		}
	}}
	command.Flags().BoolVar(&asJSON, "json", false, "print each event as one line of JSON")
	command.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what happens from now on")
	command.Flags().IntVarP(&number, "number", "n", 0, "only the newest `N`; 0 for all")
	command.Flags().Int64Var(&after, "after", 0, "only those after this `ID`")
	return command
}

func askEvents(ctx context.Context, after int64, number int) ([]status.Event, error) {
	query := url.Values{"after": {strconv.FormatInt(after, 10)}}
	if number > 0 {
		query.Set("n", strconv.Itoa(number))
	}
	body, err := ask(ctx, http.MethodGet, "/events?"+query.Encode())
	if err != nil {
		return nil, err
	}
	var events []status.Event
	if err := json.Unmarshal(body, &events); err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return events, nil
}

func printEvent(w io.Writer, event status.Event, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(event)
	}
	_, err := fmt.Fprintln(w, event.Line())
	return err
}
