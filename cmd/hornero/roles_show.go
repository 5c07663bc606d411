package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

func rolesShowCommand(file *string) *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "show ROLE",
		Short: "show a role's manifest with all that it includes, and where each of its files is",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			folders, err := openRoles(*file)
			if err != nil {
				return err
			}

			manifest, err := folders.loadOne(args[0])
			if err != nil {
				return err
			}

			if asJSON {
				return printRoleJSON(cmd.OutOrStdout(), folders, manifest)
			}

			return printRole(cmd.OutOrStdout(), folders, manifest)
		},
		ValidArgsFunction: completeRole(file, 1),
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")

	return command
}

// loadOne reads the manifest of one role, which need not be one that a Droplet can have.
func (r roleFolders) loadOne(name string) (*roles.Manifest, error) {
	known, err := r.names()
	if err != nil {
		return nil, err
	}

	if err := checkKnown(name, known); err != nil {
		return nil, err
	}

	manifest, err := roles.Load(r.all, name)

	return manifest, r.located(err)
}

// checkKnown refuses a name that no role has.
func checkKnown(name string, known []string) error {
	for _, other := range known {
		if other == name {
			return nil
		}
	}

	if near := report.Nearest(name, known); near != "" {
		return fmt.Errorf("there is no role %q; did you mean %q?", name, near)
	}

	return fmt.Errorf("there is no role %q; there are %s", name, strings.Join(known, ", "))
}

// printRole prints a merged manifest. The comment behind a source says which file that is.
func printRole(w io.Writer, folders roleFolders, manifest *roles.Manifest) error {
	node := manifestNode(folders, manifest)
	node.HeadComment = fmt.Sprintf("role %s, %s", manifest.Name, folders.kind(manifest.Name))

	var pieces []string
	for _, folder := range manifest.Folders()[1:] {
		pieces = append(pieces, folder.Name)
	}

	if len(pieces) > 0 {
		node.HeadComment += ", with all that it includes: " + strings.Join(pieces, ", ")
	}

	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)

	if err := encoder.Encode(node); err != nil {
		return err
	}

	return encoder.Close()
}

// shownFile is a file of a role, as `hornero roles show --json` prints it.
type shownFile struct {
	Path string `json:"path"` // on a node
	From string `json:"from"` // where it lies; built-in/... for what came with Hornero, a program's name
}

func printRoleJSON(w io.Writer, folders roleFolders, manifest *roles.Manifest) error {
	fields := map[string]any{}
	if err := manifestNode(folders, manifest).Decode(&fields); err != nil {
		return err
	}

	var files []shownFile

	for _, file := range manifest.Files {
		files = append(files, shownFile{file.Path, folders.place(file.File())})
	}

	for _, program := range manifest.Programs {
		files = append(files, shownFile{program.Target(), program.Name})
	}

	for _, template := range manifest.Templates {
		files = append(files, shownFile{template.Path, folders.place(template.File())})
	}

	return printJSON(w, struct {
		Name     string         `json:"name"`
		Kind     string         `json:"kind"`
		Files    []shownFile    `json:"files"`
		Manifest map[string]any `json:"manifest"`
	}{manifest.Name, folders.kind(manifest.Name), files, fields})
}
