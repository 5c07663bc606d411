package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/stack"
)

// firstStack is what the files of `hornero init` are filled in with.
type firstStack struct {
	Name    string
	Cloud   string
	Region  string
	Title   string
	Email   string
	Version string // of Hornero
}

func initCommand(file *string) *cobra.Command {
	first := firstStack{Version: version}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "write a first stack.yaml, its encrypted secrets file and a workflow for GitHub",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return first.run(cmd, *file)
		},
	}

	flags := cmd.Flags()
	flags.StringVar(&first.Name, "name", "hornero", "the stack's name")
	flags.StringVar(&first.Cloud, "cloud", stack.CloudLab, "lab or digitalocean")
	flags.StringVar(&first.Region, "region", "nyc3", "a DigitalOcean region's slug")
	flags.StringVar(&first.Title, "title", "Hornero", "what the front page is called")
	flags.StringVar(&first.Email, "email", "admin@example.org", "the administrator's mail address")

	return cmd
}

func (f firstStack) run(cmd *cobra.Command, file string) error {
	err := writeScaffold("stack.yaml", file, 0o644, f)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; edit it, or name another with -f", file)
	}
	if err != nil {
		return err
	}

	// Read back as any stack: what a flag said is checked by the same rules.
	s, manifests, err := loadStack(file)
	if err != nil {
		return errors.Join(err, os.Remove(file)) // what a flag said is unfit
	}

	// Made now, so that the operator copies the key before there is a stack to lose.
	if _, err := openSecrets(s, manifests, cmd.ErrOrStderr()); err != nil {
		return err
	}

	if err := f.writeRepository(filepath.Dir(file), cmd.ErrOrStderr()); err != nil {
		return err
	}

	fmt.Fprintf(
		cmd.OutOrStdout(),
		"%s is written: stack %s, %d nodes; next: `hornero images bake`, then `hornero up`\n",
		file,
		s.Name,
		len(s.All()),
	)

	return nil
}

// writeRepository writes what the folder needs besides to be a repository. What is there already stays as it is.
func (f firstStack) writeRepository(folder string, progress io.Writer) error {
	for _, part := range []struct{ from, to string }{
		{"gitignore", ".gitignore"},
		{"workflow.yaml", ".github/workflows/hornero.yml"},
	} {
		path := filepath.Join(folder, part.to)
		err := writeScaffold(part.from, path, 0o644, f)

		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}

		said := "written"
		if err != nil {
			said = "there already, and left as it is"
		}

		fmt.Fprintf(progress, "%s is %s\n", path, said)
	}

	return nil
}
