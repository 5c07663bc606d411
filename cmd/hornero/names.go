package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// completeNames offers the stack's nodes and roles, at most so many of them; 0 for as many as there are.
func completeNames(file *string, most int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		s, _, err := loadStack(*file)
		if err != nil || most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		var nodes, roles []string

		for _, node := range s.All() {
			nodes = append(nodes, node.Name+"\t"+node.Role)

			if role := node.Role + "\tall nodes of the role"; !slices.Contains(roles, role) {
				roles = append(roles, role)
			}
		}

		// What was said already is not said again.
		names := slices.DeleteFunc(slices.Concat(nodes, roles), func(name string) bool {
			name, _, _ = strings.Cut(name, "\t")
			return slices.Contains(args, name)
		})

		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// longFileFlag writes -f before the command as --file: commands may have an -f of their own.
func longFileFlag(arguments []string) []string {
	long := slices.Clone(arguments)
	start := 0

	// The shell's completion asks with the line behind a word of its own.
	if len(long) > 0 && strings.HasPrefix(long[0], cobra.ShellCompRequestCmd) {
		start = 1
	}

	for i := start; i < len(long) && strings.HasPrefix(long[i], "-"); i++ {
		switch {
		case long[i] == "-f":
			long[i] = "--file"
		case strings.HasPrefix(long[i], "-f"):
			long[i] = "--file=" + strings.TrimPrefix(long[i][2:], "=")
		}

		// Its value is no command.
		if long[i] == "--file" {
			i++
		}
	}

	return long
}
