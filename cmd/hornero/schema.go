package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// Files that there is a schema of.
const (
	schemaOfStack = "stack"
	schemaOfRole  = "role"
)

const schemaHelp = `Prints a JSON Schema (draft-07): with it an editor completes keys, says what they are for,
and marks what is wrong while you type. That of stack.yaml knows the roles beside it and their
settings; print it again when those change. "hornero validate" and "hornero roles check" find
more: what one place says of another.

    hornero schema stack >stack.schema.json
    hornero schema role >role.schema.json

Editors with yaml-language-server (VS Code's YAML extension, Neovim, Helix, Emacs) find a schema
by a comment at the head of a file, with the path from there. The first is for stack.yaml, the
second for roles/NAME/role.yaml:

    # yaml-language-server: $schema=stack.schema.json
    # yaml-language-server: $schema=../../role.schema.json

Or by a setting, as in VS Code's .vscode/settings.json, and no file needs a comment:

    "yaml.schemas": {"stack.schema.json": "/stack.yaml", "role.schema.json": "/roles/*/role.yaml"}`

func schemaCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "schema stack|role",
		Short: "print the JSON Schema of stack.yaml or role.yaml, for your editor",
		Long:  schemaHelp,
		Args:  cobra.ExactArgs(1),
		ValidArgs: []cobra.Completion{
			cobra.CompletionWithDesc(schemaOfStack, "of stack.yaml, with the settings of the roles beside it"),
			cobra.CompletionWithDesc(schemaOfRole, "of a role's manifest, roles/NAME/role.yaml"),
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := schemaOf(args[0], *file)
			if err != nil {
				return err
			}

			_, err = cmd.OutOrStdout().Write(text)

			return err
		},
	}
}

// schemaOf is the schema of a kind of file, as it is beside a stack's file.
func schemaOf(kind, file string) ([]byte, error) {
	switch kind {
	case schemaOfRole:
		return roles.Schema()

	case schemaOfStack:
		folders, err := openRoles(file)
		if err != nil {
			return nil, err
		}

		manifests, err := folders.load()
		if err != nil {
			return nil, err
		}

		return stack.Schema(manifests)
	}

	if near := report.Nearest(kind, []string{schemaOfRole, schemaOfStack}); near != "" {
		return nil, fmt.Errorf("there is no schema of %q; did you mean %q?", kind, near)
	}

	return nil, fmt.Errorf("there is no schema of %q; say %s or %s", kind, schemaOfStack, schemaOfRole)
}
