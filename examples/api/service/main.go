// Command api is an application of one's own: it keeps notes in the stack's database and answers over HTTP. It knows
// nothing of Hornero; roles/api tells Hornero of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// configFile is where the role's template writes the configuration.
const configFile = "/etc/api/config.json"

var errUsage = errors.New("usage: api [serve | count | notes [N] | check FILE | version]")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	// Without a word it serves: so it may stand in a new role's folder as it is.
	if len(arguments) == 0 {
		arguments = []string{"serve"}
	}

	switch command, rest := arguments[0], arguments[1:]; command {
	case "version":
		fmt.Println("api 1.0")
		return nil

	case "check":
		if len(rest) != 1 {
			return errUsage
		}

		_, err := readConfig(rest[0])

		return err

	case "serve", "count", "notes":
		return withNotes(ctx, func(config config, notes *notes) error {
			return do(ctx, command, rest, config, notes)
		})
	}

	return errUsage
}

// do runs what needs the database.
func do(ctx context.Context, command string, rest []string, config config, notes *notes) error {
	switch command {
	case "serve":
		return serve(ctx, config, notes)
	case "count":
		return notes.count(ctx, config.Node)
	}

	limit := 20
	if len(rest) > 0 {
		number, err := strconv.Atoi(rest[0])
		if err != nil || number < 1 {
			return errUsage
		}

		limit = number
	}

	list, err := notes.newest(ctx, limit)
	if err != nil {
		return err
	}

	for _, note := range list {
		fmt.Println(note)
	}

	return nil
}

func withNotes(ctx context.Context, work func(config, *notes) error) error {
	config, err := findConfig()
	if err != nil {
		return err
	}

	notes, err := openNotes(ctx, config.Database)
	if err != nil {
		return err
	}
	defer notes.close()

	return work(config, notes)
}
