package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

func rolesCheckCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "check [ROLE...]",
		Short: "say everything that is wrong with roles, their templates included",
		Long: "Reads the manifests and templates of all roles, or of those that are named, and prints what is wrong " +
			"with its file, line and\ncolumn. Exits 1 when something is.",
		RunE: func(cmd *cobra.Command, args []string) error {
			folders, err := openRoles(*file)
			if err != nil {
				return err
			}

			problems, err := folders.check(args, productNames(cmd.Root()))
			if err != nil {
				return err
			}

			// On standard output and nothing before the file's name: editors read these lines.
			if len(problems) > 0 {
				fmt.Fprintln(cmd.OutOrStdout(), problems.Error())
				return exit(1)
			}

			fmt.Fprintf(cmd.OutOrStdout(), "%s right\n", checked(args))

			return nil
		},
		ValidArgsFunction: completeRole(file, len("any number of them")),
	}
}

func checked(named []string) string {
	switch len(named) {
	case 0:
		return "all roles are"
	case 1:
		return "role " + named[0] + " is"
	}

	return "roles " + strings.Join(named, ", ") + " are"
}

// productNames are the commands that no role may have.
func productNames(root *cobra.Command) []string {
	names := []string{"help", "completion"}

	for _, command := range root.Commands() {
		if command.GroupID != rolesGroup {
			names = append(names, command.Name())
		}
	}

	return names
}

// names are the folders of roles.
func (r roleFolders) names() ([]string, error) {
	manifests, err := fs.Glob(r.all, "*/"+manifestFile)
	if err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}

	var names []string
	for _, manifest := range manifests {
		names = append(names, path.Dir(manifest))
	}

	return names, nil
}

// check tells what is wrong with the named roles, or with all: what one says of another is seen only among all.
func (r roleFolders) check(named, taken []string) (report.Problems, error) {
	known, err := r.names()
	if err != nil {
		return nil, err
	}

	var problems report.Problems

	if len(named) == 0 {
		named = known
		_, err := roles.LoadDir(r.all)

		if problems, err = problemsOf(err); err != nil {
			return nil, err
		}

		problems = append(problems, r.misnamed()...)
	} else if problems, err = r.checkNamed(named, known); err != nil {
		return nil, err
	}

	for _, name := range named {
		clashes, err := r.clashes(name, taken)
		if err != nil {
			return nil, err
		}

		problems = append(problems, clashes...)
	}

	found, _ := report.Of(r.located(problems.Err()))

	// Two roles that include a broken piece both tell of it.
	return slices.Compact(found.Sorted()), nil
}

// misnamed are manifests that nobody reads, for how YAML's files are called elsewhere.
func (r roleFolders) misnamed() report.Problems {
	if r.own == nil {
		return nil
	}

	var problems report.Problems

	files, _ := fs.Glob(r.own, "*/role.yml") // fails for a wrong pattern only
	for _, file := range files {
		problems = append(problems, report.Problem{
			File:    file,
			Line:    1,
			Column:  1,
			Message: "is not read; call it " + manifestFile,
		})
	}

	return problems
}

func (r roleFolders) checkNamed(named, known []string) (report.Problems, error) {
	var problems report.Problems

	for _, name := range named {
		if err := checkKnown(name, known); err != nil {
			return nil, err
		}

		_, err := roles.Load(r.all, name)

		found, err := problemsOf(err)
		if err != nil {
			return nil, err
		}

		problems = append(problems, found...)
	}

	// What they say of others is seen only among all.
	_, err := roles.LoadDir(r.all)

	found, err := problemsOf(err)
	if err != nil {
		return nil, err
	}

	for _, problem := range found {
		folder, _, _ := strings.Cut(problem.File, "/")
		if slices.Contains(named, folder) && !slices.Contains(problems, problem) {
			problems = append(problems, problem)
		}
	}

	return problems, nil
}

// problemsOf parts what is wrong with a file from what kept it from being read.
func problemsOf(err error) (report.Problems, error) {
	if problems, ok := report.Of(err); ok {
		return problems, nil
	}

	return nil, err
}

// clashes are the commands of a manifest that Hornero has itself: nobody could ask for them.
func (r roleFolders) clashes(role string, taken []string) (report.Problems, error) {
	name := path.Join(role, manifestFile)

	data, err := fs.ReadFile(r.all, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read role %s: %w", role, err)
	}

	// A file that is no YAML was told of when it was loaded.
	doc, err := report.Parse(name, data)
	if _, told := report.Of(err); told {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}

	// Read once more without a check: a manifest that is wrong elsewhere may clash, too.
	var manifest struct {
		Commands []struct {
			Name string `yaml:"name"`
		} `yaml:"commands"`
	}
	_ = report.Unmarshal(data, &manifest)

	for i, command := range manifest.Commands {
		word, _, _ := strings.Cut(command.Name, " ")

		if slices.Contains(taken, word) {
			at := fmt.Sprintf("commands[%d].name", i)
			doc.Add(at, "hornero has a command %s of its own; choose another word", word)
		}
	}

	return problemsOf(doc.Problems())
}
