package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hornero/hornero/fleet"
)

// confirmation is how an operator says that something may go for good: by flags, or when he is asked.
type confirmation struct {
	yes  bool
	name string // of the stack, written out
}

// confirmFlags are those of every command that may remove something for good.
func confirmFlags(cmd *cobra.Command) *confirmation {
	c := &confirmation{}
	cmd.Flags().BoolVarP(&c.yes, "yes", "y", false, "remove without asking what holds no data")
	cmd.Flags().StringVar(&c.name, "confirm", "", "the stack's name: remove without asking, also what holds data")

	return c
}

// confirmer asks whether all of it may go for good.
type confirmer = func(context.Context, []fleet.Removal) error

// errWrongName is an answer that is not the stack's name.
var errWrongName = errors.New("that is not the stack's name")

// of asks for a stack: the more is lost, the more has to be typed. Without a terminal nobody is asked.
func (c *confirmation) of(stack string, input io.Reader, output io.Writer) confirmer {
	return func(_ context.Context, removals []fleet.Removal) error {
		severe := slices.ContainsFunc(removals, func(one fleet.Removal) bool { return one.Data })

		switch {
		case c.name == stack:
			return nil
		case c.name != "":
			return fmt.Errorf("%w: --confirm=%s: %w, which is %s", fleet.ErrNotConfirmed, c.name, errWrongName, stack)
		case c.yes && !severe:
			return nil
		}

		flag := "--yes"
		if severe {
			flag = "--confirm=" + stack
		}

		file, isFile := input.(*os.File)
		if !isFile || !term.IsTerminal(int(file.Fd())) {
			return fmt.Errorf("%w: say %s", fleet.ErrNotConfirmed, flag)
		}

		return askToRemove(stack, removals, severe, file, output)
	}
}

func askToRemove(stack string, removals []fleet.Removal, severe bool, input io.Reader, output io.Writer) error {
	fmt.Fprintln(output, "This removes for good:")

	for _, removal := range removals {
		fmt.Fprintf(output, "  %s\n", removal)
	}

	want := "y"
	question := "Go on? [y/N] "

	if severe {
		want = stack
		question = "Type the stack's name to go on: "
	}

	fmt.Fprint(output, question)

	// An input that ends says no.
	line, _ := bufio.NewReader(input).ReadString('\n')
	if strings.EqualFold(strings.TrimSpace(line), want) {
		return nil
	}

	return fmt.Errorf("%w: nothing was touched", fleet.ErrNotConfirmed)
}
