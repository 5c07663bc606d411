package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// What a new role may be begun with.
const (
	withDatabase = "database"
	withBalanced = "balanced"
)

var withs = []string{withBalanced, withDatabase}

// newRole is what the scaffold of a role is filled in with.
type newRole struct {
	Name     string
	Database bool
	Balanced bool
}

// Key is the name where it may have no dashes: of a database, and of secrets.
func (n newRole) Key() string { return strings.ReplaceAll(n.Name, "-", "_") }

func rolesNewCommand(file *string) *cobra.Command {
	var with []string
	command := &cobra.Command{
		Use:   "new NAME",
		Short: "begin a role of your own: a folder beside stack.yaml that bakes and serves at once",
		Args:  cobra.ExactArgs(1),
		Long: "Writes roles/NAME beside stack.yaml: a manifest, a unit, its variables and a placeholder for the " +
			"program, which listens on port\n8080. It prints what to add to stack.yaml.",
		RunE: func(cmd *cobra.Command, args []string) error {
			role, err := newRoleOf(args[0], with)
			if err != nil {
				return err
			}

			folder := filepath.Join(filepath.Dir(*file), rolesFolder, role.Name)
			if err := role.write(*file, folder); err != nil {
				return err
			}

			role.tell(cmd.OutOrStdout(), *file, folder)

			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}

	const help = "what it has besides, as in database,balanced: a database of its own, a load balancer before it"
	command.Flags().StringSliceVar(&with, "with", nil, help)
	_ = command.RegisterFlagCompletionFunc("with", cobra.FixedCompletions(withs, cobra.ShellCompDirectiveNoFileComp))

	return command
}

func newRoleOf(name string, with []string) (newRole, error) {
	role := newRole{Name: name}

	if !roles.IsName(name) {
		return role, fmt.Errorf(
			"role %q: a name is at most 32 lower-case letters, digits and dashes, and begins with a letter, as in api",
			name,
		)
	}

	// One without a change would be the built-in role; a changed file or two is written by hand.
	if _, err := fs.Stat(roles.Embedded(), name); err == nil {
		return role, fmt.Errorf("role %s is built in; choose another name, or change its files in roles/%[1]s", name)
	}

	for _, what := range with {
		switch what {
		case withDatabase:
			role.Database = true
		case withBalanced:
			role.Balanced = true
		default:
			return role, unknownWith(what)
		}
	}

	return role, nil
}

func unknownWith(what string) error {
	if near := report.Nearest(what, withs); near != "" {
		return fmt.Errorf("--with: there is no %q; did you mean %q?", what, near)
	}

	return fmt.Errorf("--with: there is no %q; there are %s", what, strings.Join(withs, " and "))
}

// write writes the role's folder, and reads it back as any role.
func (n newRole) write(file, folder string) error {
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return fmt.Errorf("write role %s: %w", n.Name, err)
	}

	err := os.Mkdir(folder, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; edit it, or choose another name", folder)
	}
	if err != nil {
		return fmt.Errorf("write role %s: %w", n.Name, err)
	}

	// Half a folder would be in the way of the next try.
	if err := n.fill(file, folder); err != nil {
		return errors.Join(err, os.RemoveAll(folder))
	}

	return nil
}

func (n newRole) fill(file, folder string) error {
	for _, part := range []struct {
		from, to string
		mode     fs.FileMode
	}{
		{"role/role.yaml", manifestFile, 0o644},
		{"role/service", n.Name + ".service", 0o644},
		{"role/env", "env", 0o644},
		{"role/program", n.Name, 0o755},
		{"role/README.md", "README.md", 0o644},
	} {
		if err := writeScaffold(part.from, filepath.Join(folder, part.to), part.mode, n); err != nil {
			return err
		}
	}

	folders, err := openRoles(file)
	if err != nil {
		return err
	}

	_, err = folders.loadOne(n.Name)

	return err
}

// tell prints what is to be done next.
func (n newRole) tell(w io.Writer, file, folder string) {
	program := filepath.Join(folder, n.Name)
	fmt.Fprintf(w, "%s is written; %s is a placeholder: put your program in its place.\n", folder, program)
	fmt.Fprintf(w, "Add to %s:\n\nnodes:\n  - {name: %s, role: %s, count: 2}\n", file, n.Name, n.Name)

	if n.Balanced {
		fmt.Fprintln(w, "\n# A load_balancer that is there becomes one of them, with a name.")
		fmt.Fprintf(w, "balancers:\n  - {name: %s, nodes: %s, http: 80}\n", n.Name, n.Name)
	}

	next := []string{
		"hornero roles check " + n.Name,
		"hornero validate",
		"hornero images bake " + n.Name,
		"hornero up",
	}

	fmt.Fprintln(w, "\nThen:")

	for _, line := range next {
		fmt.Fprintln(w, "   ", line)
	}
}
