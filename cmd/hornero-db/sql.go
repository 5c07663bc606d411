package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/hornero/hornero/dump"
)

// runSQL runs the client with the operator's own words. Statements that would stay on one node do not reach it.
func runSQL(ctx context.Context, t terminal, args []string) error {
	given, ok := executed(args)
	if ok {
		if err := check(given); err != nil {
			return err
		}
	}

	words := append([]string{"--batch", "--socket=" + socketPath()}, args...)
	command := exec.CommandContext(ctx, "mysql", words...) // the name that every release has
	command.Stdout = t.out
	command.Stderr = t.err

	if ok {
		return command.Run()
	}

	return guarded(command, t.in)
}

// executed is what -e or --execute says.
func executed(args []string) (string, bool) {
	for i, arg := range args {
		switch {
		case (arg == "-e" || arg == "--execute") && i+1 < len(args):
			return args[i+1], true
		case strings.HasPrefix(arg, "--execute="):
			return strings.TrimPrefix(arg, "--execute="), true
		case strings.HasPrefix(arg, "-e"):
			return strings.TrimPrefix(arg, "-e"), true
		}
	}

	return "", false
}

func check(text string) error {
	var guard dump.Guard

	reader := dump.NewReader(strings.NewReader(text))

	for {
		statement, err := reader.Next()

		switch {
		case errors.Is(err, io.EOF), errors.Is(err, dump.ErrCutOff):
			return nil // what is wrong with it the client says
		case err != nil:
			return err
		}

		if err := guard.Check(statement); err != nil {
			return err
		}
	}
}

// guarded feeds a client with statements. The first that is refused ends it, after those before it have run.
func guarded(command *exec.Cmd, in io.Reader) error {
	input, err := command.StdinPipe()
	if err != nil {
		return err
	}

	if err := command.Start(); err != nil {
		return err
	}

	refused := feed(input, in)
	closed := input.Close()
	ran := command.Wait()

	// A client that ended by itself says why, and the pipe to it breaks.
	if ran != nil {
		return ran
	}

	return errors.Join(refused, closed)
}

// feed writes statements on the lines where they were, so that the client's errors name them.
func feed(client io.Writer, in io.Reader) error {
	var guard dump.Guard

	reader := dump.NewReader(in)
	line := 1

	for {
		statement, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}

		if err == nil {
			err = guard.Check(statement)
		}

		if err != nil {
			return err
		}

		text := lineUp(statement, line)
		line += strings.Count(text, "\n")

		if _, err := io.WriteString(client, text); err != nil {
			return nil // it says itself why it has ended
		}
	}
}

// delimiter ends statements that have others in them, as a trigger's body has.
const delimiter = "//hornero//"

// lineUp is a statement for the client, with as many empty lines before it as bring it to its own.
func lineUp(statement dump.Statement, line int) string {
	before := strings.Repeat("\n", max(0, statement.Line-line))
	text := string(statement.Text)

	if !strings.Contains(text, ";") {
		return before + text + ";\n"
	}

	if before != "" {
		before = before[1:]
	}

	return fmt.Sprintf("%sDELIMITER %s\n%s%s\nDELIMITER ;\n", before, delimiter, text, delimiter)
}
