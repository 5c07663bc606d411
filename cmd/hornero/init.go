package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

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

// plainWord is what YAML reads as text, or as what is text to a stack, without quotes.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9@.+_-]*$`)

// Word writes what a flag said as one value, whatever it is: a colon or a line's end would be YAML of its own.
func (firstStack) Word(text string) string {
	if plainWord.MatchString(text) {
		return text
	}

	return strconv.Quote(text)
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
		// What a flag said is unfit. The lines are those of a file that is there no more.
		err = fmt.Errorf("a stack.yaml with these flags is wrong, and nothing is written:\n%w", err)
		return errors.Join(err, os.Remove(file))
	}

	// Made now, so that the operator copies the key before there is a stack to lose.
	_, err = openSecrets(s, manifests, cmd.ErrOrStderr())
	if err == nil {
		err = f.writeRepository(filepath.Dir(file), cmd.ErrOrStderr())
	}
	if err != nil {
		return errors.Join(err, os.Remove(file)) // it would be in the way of the next try
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
