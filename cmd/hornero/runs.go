package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/internal/command"
)

const runsHelp = `Commands that change a stack (up, scale, roll, replace, destroy) leave what they told in
$XDG_STATE_HOME/hornero/STACK/runs, or below ~/.local/state, for the one who ran them: the last fifty of each stack, on
this machine. It is what was on the screen, so there is no secret in it.`

func runsCommand(file *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "runs",
		Short:   "list what was run on the stack from this machine, and how it ended",
		Long:    runsHelp,
		Example: "  hornero runs\n  hornero runs show last",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			folder, err := runsOfStack(*file)
			if err != nil {
				return err
			}

			lines, err := runLines(folder)
			if err != nil {
				return err
			}

			return printRuns(cmd.OutOrStdout(), lines, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(runsShowCommand(file))

	return cmd
}

func runsShowCommand(file *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show NUMBER|last",
		Short: "print what a run told",
		Args:  cobra.ExactArgs(1),

		ValidArgsFunction: completeRun(file),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, err := runsOfStack(*file)
			if err != nil {
				return err
			}

			number, err := chooseRun(folder, args[0])
			if err != nil {
				return err
			}

			events, err := readRun(folder, number)
			if err != nil {
				return err
			}

			return printRun(cmd.OutOrStdout(), events, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the lines as --json of the command had them")

	return cmd
}

// runsOfStack is the folder of the runs of a file's stack.
func runsOfStack(file string) (string, error) {
	s, _, err := loadStack(file)
	if err != nil {
		return "", err
	}

	return runsFolder(s.Name)
}

// runLine is a run in the list.
type runLine struct {
	Number  int       `json:"number"`
	Time    time.Time `json:"time"`
	Seconds float64   `json:"seconds"` // until the last that it told
	Code    *int      `json:"code"`    // null: it goes on, or was killed
	Error   string    `json:"error,omitempty"`
	Command []string  `json:"command"`
	File    string    `json:"file"`
}

// runLines are the runs in a folder, the oldest first.
func runLines(folder string) ([]runLine, error) {
	numbers, err := runNumbers(folder)
	if err != nil {
		return nil, err
	}

	lines := []runLine{}

	for _, number := range numbers {
		events, err := readRun(folder, number)
		if err != nil || len(events) == 0 {
			continue // another run has just removed it, or made it
		}

		first, last := events[0], events[len(events)-1]

		lines = append(lines, runLine{
			Number:  number,
			Time:    first.Time,
			Seconds: last.Time.Sub(first.Time).Seconds(),
			Code:    last.Code,
			Error:   last.Error,
			Command: first.Command,
			File:    first.File,
		})
	}

	return lines, nil
}

func printRuns(w io.Writer, lines []runLine, asJSON bool) error {
	if asJSON {
		return printJSON(w, lines)
	}

	fmt.Fprintf(w, "%6s  %-19s  %8s  %4s  %s\n", "NUMBER", "TIME (UTC)", "TOOK", "EXIT", "COMMAND")

	for _, line := range lines {
		code := "-"
		if line.Code != nil {
			code = strconv.Itoa(*line.Code)
		}

		fmt.Fprintf(
			w,
			"%6d  %-19s  %6.1f s  %4s  %s\n",
			line.Number,
			line.Time.UTC().Format("2006-01-02 15:04:05"),
			line.Seconds,
			code,
			command.Quote(line.Command),
		)
	}

	return nil
}

// chooseRun is the number of a run that there is.
func chooseRun(folder, word string) (int, error) {
	numbers, err := runNumbers(folder)
	if err != nil {
		return 0, err
	}

	if len(numbers) == 0 {
		return 0, errors.New("there is no run of this stack yet; `hornero up` is one")
	}

	if word == "last" {
		return numbers[len(numbers)-1], nil
	}

	number, err := strconv.Atoi(word)
	if err != nil || !slices.Contains(numbers, number) {
		return 0, fmt.Errorf("there is no run %q; say last, or a number that `hornero runs` lists", word)
	}

	return number, nil
}

// printRun prints what a run told, with the seconds since its start.
func printRun(w io.Writer, events []progressEvent, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(w)
		for _, event := range events {
			if err := encoder.Encode(event); err != nil {
				return err
			}
		}

		return nil
	}

	for _, event := range events {
		since := event.Time.Sub(events[0].Time).Seconds()

		if _, err := fmt.Fprintf(w, "%7.1f s  %s\n", since, runText(event)); err != nil {
			return err
		}
	}

	return nil
}

// runText is an event for people.
func runText(event progressEvent) string {
	switch {
	case event.Event == progressBegin:
		at := event.Time.UTC().Format("2006-01-02 15:04:05")
		return fmt.Sprintf("%s UTC, %s: %s", at, event.File, command.Quote(event.Command))
	case event.Code != nil && event.Error != "":
		return fmt.Sprintf("exit %d: %s", *event.Code, event.Error)
	case event.Code != nil:
		return fmt.Sprintf("exit %d", *event.Code)
	case event.Node != "":
		return event.Node + ": " + event.Text
	}

	return event.Text
}

func completeRun(file *string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		folder, err := runsOfStack(*file)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		words := []string{"last"}
		lines, _ := runLines(folder) // without any there is only the last

		for _, line := range slices.Backward(lines) {
			words = append(words, fmt.Sprintf("%d\t%s", line.Number, command.Quote(line.Command)))
		}

		return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}
