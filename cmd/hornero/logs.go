package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/fleet"
)

const logsHelp = `Reads the journals of nodes by SSH, all at once, and merges them by time; without a name, those of all
nodes. A name is a node's or a role's. Times are UTC, by the nodes' own clocks.

A node that cannot be read is told on standard error, and the others go on. With --follow it is asked again until it
answers, also after it was replaced; a line waits at most half a second for earlier ones of slower nodes. Ctrl-C ends
it, and what it started on the nodes.

Here -f is --follow, as journalctl has it: the stack's file is --file, or -f before the command.

Exits 0 when every journal was read, 1 when one was not (with --follow: at the end), 130 when it was interrupted.`

// Lines of each node where neither a number nor a time is given.
const (
	newestLines   = 100
	newestFollows = 10
)

// logFlags are how an operator says what to read.
type logFlags struct {
	since  string
	number int
	json   bool
	query  fleet.LogQuery
}

func logsCommand(file *string) *cobra.Command {
	var flags logFlags
	cmd := &cobra.Command{
		Use:   "logs [NODE|ROLE...]",
		Short: "read the journals of nodes, merged by time",
		Long:  logsHelp,
		Example: "  hornero logs web -f\n" +
			"  hornero logs db-1 db-2 --unit mariadb --since 10m\n" +
			"  hornero logs --since '2026-03-01 21:15' --json | jq 'select(.priority <= 3)'",
		Args: cobra.ArbitraryArgs,

		ValidArgsFunction: completeNames(file, 0),
		RunE: func(cmd *cobra.Command, names []string) error {
			query, err := flags.asked(names, cmd.Flags().Changed("number"), time.Now())
			if err != nil {
				return err
			}

			return withFleet(cmd, *file, func(ctx context.Context, f *fleet.Fleet) error {
				print := logPrinter(cmd.OutOrStdout(), flags.json)
				return followed(ctx, cmd.ErrOrStderr(), query.Follow, f.Logs(ctx, query, print))
			})
		},
	}

	// Without the shorthand, which means something else here.
	cmd.Flags().StringVar(file, "file", *file, "the stack's file")
	cmd.Flags().BoolVarP(&flags.query.Follow, "follow", "f", false, "go on with what is written from now on")
	cmd.Flags().StringVar(&flags.since, "since", "", "only what is younger: `10m`, 2h, 21:15, '2026-03-01 21:15' (UTC)")
	cmd.Flags().IntVarP(&flags.number, "number", "n", 0, "only the newest `N` of each node, 0 for all (default 100, "+
		"10 with --follow, all with --since)")
	cmd.Flags().StringArrayVarP(&flags.query.Units, "unit", "u", nil, "only this unit of systemd, or pattern")
	cmd.Flags().BoolVar(&flags.json, "json", false, "print each entry as one line of JSON")

	return cmd
}

// followed makes of how a follower ended what the program exits with. Ctrl-C is how it is meant to end.
func followed(ctx context.Context, stderr io.Writer, follow bool, err error) error {
	if err == nil || !follow || ctx.Err() == nil {
		return err
	}

	fmt.Fprintln(stderr, "hornero:", err)

	return codeOf(err)
}

// asked is the query that the flags make.
func (l *logFlags) asked(names []string, numbered bool, now time.Time) (fleet.LogQuery, error) {
	query := l.query
	query.Names = names
	query.Lines = l.number

	if l.number < 0 {
		return query, fmt.Errorf("-n %d: say a number of lines, or 0 for all", l.number)
	}

	if l.since != "" {
		var err error
		if query.Since, err = parseSince(l.since, now); err != nil {
			return query, err
		}
	}

	switch {
	case numbered || l.since != "":
	case query.Follow:
		query.Lines = newestFollows
	default:
		query.Lines = newestLines
	}

	return query, nil
}

// sinceForms are how a moment may be written, beside a duration.
var sinceForms = []string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05",
	"2006-01-02T15:04",
	"2006-01-02 15:04:05",
	"2006-01-02 15:04",
	"2006-01-02",
}

var errNoSince = errors.New("say how long ago, as 10m or 2h, or when, as 21:15 or '2026-03-01 21:15' (UTC)")

// parseSince reads a moment: so long ago, or a time in UTC, as it is printed.
func parseSince(text string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}

	for _, form := range sinceForms {
		if at, err := time.Parse(form, text); err == nil {
			return at, nil
		}
	}

	// The last time that the clock said so.
	for _, form := range []string{"15:04", "15:04:05"} {
		clock, err := time.Parse(form, text)
		if err != nil {
			continue
		}

		at := now.UTC().Truncate(24 * time.Hour).Add(clock.Sub(clock.Truncate(24 * time.Hour)))
		if at.After(now) {
			at = at.AddDate(0, 0, -1)
		}

		return at, nil
	}

	return time.Time{}, fmt.Errorf("--since %q: %w", text, errNoSince)
}

// logPrinter prints entries, and keeps the names of nodes in a column.
func logPrinter(w io.Writer, asJSON bool) func(fleet.LogLine) error {
	if asJSON {
		encoder := json.NewEncoder(w)
		return func(line fleet.LogLine) error { return encoder.Encode(line) }
	}

	wide := 0

	return func(line fleet.LogLine) error {
		wide = max(wide, len(line.Node))

		program := line.Program
		if line.PID > 0 {
			program = fmt.Sprintf("%s[%d]", program, line.PID)
		}

		_, err := fmt.Fprintf(
			w,
			"%s  %-*s  %s: %s\n",
			line.Time.Format("2006-01-02 15:04:05.000"),
			wide,
			line.Node,
			printable(program),
			indented(printable(line.Message)),
		)

		return err
	}
}

// indented puts the further lines of a text in from the edge, so that each entry begins at it.
func indented(text string) string {
	return strings.ReplaceAll(text, "\n", "\n    ")
}

// printable replaces what a terminal would take for a command: anybody who can ask for a page can write to a log.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || !unicode.IsControl(r) {
			return r
		}

		return '\uFFFD'
	}, text)
}
