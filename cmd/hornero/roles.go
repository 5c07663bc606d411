package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/roles"
)

func rolesCommand(file *string) *cobra.Command {
	command := &cobra.Command{
		Use:   "roles",
		Short: "list, show and check what a Droplet can be, and begin a role of your own",
		Long: "A role is a folder: a manifest (role.yaml), files and templates. Those that come with Hornero are " +
			"built in; the folder roles/\nbeside stack.yaml adds roles, and takes the place of built-in files at " +
			"the same path.",
	}

	command.AddCommand(
		rolesListCommand(file),
		rolesShowCommand(file),
		rolesCheckCommand(file),
		rolesNewCommand(file),
	)

	return command
}

// roleLine is a role as `hornero roles list` prints it.
type roleLine struct {
	Name     string      `json:"name"`
	Kind     string      `json:"kind"`  // kindBuiltIn, kindOwn or kindOver
	Piece    bool        `json:"piece"` // no Droplet has it; other roles include it
	Summary  string      `json:"summary"`
	Serves   []serveLine `json:"serves"`
	Settings []string    `json:"settings"`
}

// serveLine is something that a role serves.
type serveLine struct {
	Name     string `json:"name"`
	Port     int    `json:"port"`
	Protocol string `json:"protocol"`
}

func rolesListCommand(file *string) *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "list",
		Short: "list the roles: whose they are, what they serve, and their settings",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			folders, err := openRoles(*file)
			if err != nil {
				return err
			}

			manifests, err := folders.load()
			if err != nil {
				return err
			}

			lines := roleLines(folders, manifests)
			if asJSON {
				return printJSON(cmd.OutOrStdout(), lines)
			}

			return printRoles(cmd.OutOrStdout(), lines)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")

	return command
}

// roleLines are the roles by name, the pieces after them.
func roleLines(folders roleFolders, manifests map[string]*roles.Manifest) []roleLine {
	var whole, pieces []roleLine

	for _, name := range slices.Sorted(maps.Keys(manifests)) {
		line := roleLineOf(manifests[name])
		line.Kind = folders.kind(name)

		if line.Piece {
			pieces = append(pieces, line)
			continue
		}

		whole = append(whole, line)
	}

	return append(whole, pieces...)
}

func roleLineOf(manifest *roles.Manifest) roleLine {
	line := roleLine{
		Name:     manifest.Name,
		Piece:    manifest.Abstract,
		Summary:  manifest.Summary,
		Serves:   []serveLine{},
		Settings: append([]string{}, slices.Sorted(maps.Keys(manifest.Settings))...),
	}

	for _, serve := range manifest.Serves {
		protocol := roles.ProtocolTCP
		if serve.HTTP() {
			protocol = roles.ProtocolHTTP
		}

		line.Serves = append(line.Serves, serveLine{
			Name:     serve.Name,
			Port:     serve.Port,
			Protocol: protocol,
		})
	}

	return line
}

func printRoles(w io.Writer, lines []roleLine) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ROLE\tKIND\tSERVES\tSUMMARY")

	for _, line := range lines {
		kind := line.Kind
		if line.Piece {
			kind += ", a piece"
		}

		var serves []string
		for _, serve := range line.Serves {
			serves = append(serves, fmt.Sprintf("%s %d", serve.Name, serve.Port))
		}

		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", line.Name, kind, orNone(serves), line.Summary)
		fmt.Fprintf(table, "\t\t\tsettings: %s\n", orNone(line.Settings))
	}

	return table.Flush()
}

func orNone(words []string) string {
	if len(words) == 0 {
		return "-"
	}

	return strings.Join(words, ", ")
}

// completeRole offers the roles that there are, up to this many.
func completeRole(file *string, most int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		folders, err := openRoles(*file)
		if err != nil || len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		manifests, err := folders.load()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		var names []string

		for _, name := range slices.Sorted(maps.Keys(manifests)) {
			if !slices.Contains(args, name) {
				names = append(names, name+"\t"+manifests[name].Summary)
			}
		}

		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
