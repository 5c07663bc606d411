package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/internal/report"
)

// tellUsage makes every command that is given too few words, or too many, say which it takes.
func tellUsage(command *cobra.Command) {
	if check := command.Args; check != nil {
		command.Args = func(cmd *cobra.Command, words []string) error {
			err := check(cmd, words)
			if err != nil {
				return fmt.Errorf("%w; usage: %s", err, cmd.UseLine())
			}

			return nil
		}
	}

	for _, child := range command.Commands() {
		tellUsage(child)
	}
}

// checkSubcommand refuses a word that is no command of a group, as in `hornero roles lst`: cobra would print the
// group's help, and exit as if all were well.
func checkSubcommand(root *cobra.Command, arguments []string) error {
	group, rest, err := root.Find(arguments)
	if err != nil || group == root || group.Runnable() || !group.HasSubCommands() {
		return nil // the command itself tells what is wrong
	}

	word := firstWord(rest)
	if word == "" {
		return nil
	}

	var known []string
	for _, command := range group.Commands() {
		known = append(known, command.Name())
	}

	if near := report.Nearest(word, known); near != "" {
		return fmt.Errorf("unknown command %q for %q; did you mean %q?", word, group.CommandPath(), near)
	}

	return fmt.Errorf("unknown command %q for %q; `%[2]s --help` lists them", word, group.CommandPath())
}

// completeNode offers the stack's nodes for the first word.
func completeNode(file *string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		s, _, err := loadStack(*file)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		var names []string
		for _, node := range s.All() {
			names = append(names, node.Name+"\t"+node.Role)
		}

		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
