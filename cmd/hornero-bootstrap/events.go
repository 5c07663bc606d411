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
	"github.com/hornero/hornero/internal/pause"
	"github.com/hornero/hornero/internal/status"
)

// followEvery is how often somebody who follows asks for more.
const followEvery = time.Second

const eventsSummary = "print what happened to the stack, as the peer set remembers it (the last thousand)"

func eventsCommand(stdout, stderr io.Writer) *cobra.Command {
	reader := eventReader{stdout: stdout, stderr: stderr}
	command := &cobra.Command{
		Use:   "events",
		Short: eventsSummary,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return reader.run(cmd.Context())
		},
	}
	command.Flags().BoolVar(&reader.asJSON, "json", false, "print each event as one line of JSON")
	command.Flags().BoolVarP(&reader.follow, "follow", "f", false, "go on with what happens from now on")
	command.Flags().IntVarP(&reader.number, "number", "n", 0, "only the newest `N`; 0 for all")
	command.Flags().Int64Var(&reader.follower.After, "after", 0, "only those after this `ID`")

	return command
}

// eventReader prints the stack's events.
type eventReader struct {
	stdout, stderr io.Writer
	follower       status.Follower
	number         int // only the newest; 0 for all
	asJSON, follow bool
}

func (r *eventReader) run(ctx context.Context) error {
	warned := false

	for {
		events, remembered, err := r.ask(ctx)
		if err != nil {
			return err
		}

		// Once for each outage: --follow asks every second.
		if remembered && !warned {
			fmt.Fprintln(r.stderr, "the peer set does not answer: this is what this node remembers of it")
		}

		warned = remembered

		for _, event := range events {
			if err := printEvent(r.stdout, event, r.asJSON); err != nil {
				return err
			}
		}

		if !r.follow {
			return nil
		}

		// -n counts only for the first answer: from here on all events are new.
		r.number = 0

		if !pause.For(ctx, followEvery) {
			return nil
		}
	}
}

// ask asks for what was not printed yet, and tells whether the answer is only remembered.
func (r *eventReader) ask(ctx context.Context) ([]status.Event, bool, error) {
	// A single answer needs no era: nothing was printed before it.
	if r.follow {
		said, err := askStatus(ctx)
		if err != nil {
			return nil, false, err
		}

		// Ids begin anew when the peer set is rebuilt.
		r.follower.In(said.PeerSet.Era)
	}

	query := url.Values{"after": {strconv.FormatInt(r.follower.After, 10)}}
	if r.number > 0 {
		query.Set("n", strconv.Itoa(r.number))
	}

	body, header, err := askSoon(ctx, "/events?"+query.Encode())
	if err != nil {
		return nil, false, err
	}

	var events []status.Event
	if err := json.Unmarshal(body, &events); err != nil {
		return nil, false, fmt.Errorf("read events: %w", err)
	}

	return r.follower.Fresh(events), header.Get(bootstrap.HeaderRemembered) != "", nil
}

func printEvent(w io.Writer, event status.Event, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(event)
	}

	_, err := fmt.Fprintln(w, event.Line())

	return err
}
