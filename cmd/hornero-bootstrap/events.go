package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/internal/status"
)

// followEvery is how often somebody who follows asks for more.
const followEvery = time.Second

func eventsCommand(stdout, stderr io.Writer) *cobra.Command {
	var asJSON, follow bool
	var follower status.Follower
	var number int
	command := &cobra.Command{Use: "events", Short: "print what happened to the stack, as the peer set " +
		"remembers it (the last thousand)", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		told := false
		for {
			events, remembered, err := askEvents(cmd.Context(), &follower, number, follow)
			if err != nil {
				return err
			}

			if remembered && !told {
				fmt.Fprintln(
					stderr,
					"the peer set does not answer: this is what this node remembers of it",
				)
			}

			told = remembered

			for _, event := range events {
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
	command.Flags().Int64Var(&follower.After, "after", 0, "only those after this `ID`")

	return command
}

// askEvents asks for what the follower has not seen, and tells whether the answer is only remembered.
func askEvents(
	ctx context.Context,
	follower *status.Follower,
	number int,
	follow bool,
) ([]status.Event, bool, error) {
	if follow {
		said, err := askStatus(ctx)
		if err != nil {
			return nil, false, err
		}

		follower.In(said.PeerSet.Era)
	}

	query := url.Values{"after": {strconv.FormatInt(follower.After, 10)}}
	if number > 0 {
		query.Set("n", strconv.Itoa(number))
	}

	body, header, err := askSoon(ctx, "/events?"+query.Encode())
	if err != nil {
		return nil, false, err
	}

	var events []status.Event

	if err := json.Unmarshal(body, &events); err != nil {
		return nil, false, fmt.Errorf("read events: %w", err)
	}

	return follower.Fresh(events), header.Get(bootstrap.HeaderRemembered) != "", nil
}

func printEvent(w io.Writer, event status.Event, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(event)
	}

	_, err := fmt.Fprintln(w, event.Line())

	return err
}
