package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/stack"
)

const importHelp = `Takes secrets over from Ansible's variables, as DigitalOcean's Navigator's Guide has them in
group_vars/*/vault.yml. It tells what became of each variable: which secret, which key of stack.yaml says it, or why
there is no place for it. No value is printed. docs/from-terraform-ansible.md goes through the whole move.

Files that ansible-vault has encrypted are decrypted on the way, so that nothing lies about in the clear:

  ansible-vault view group_vars/all/vault.yml | hornero secrets import --from-ansible - --dry-run

Variables of playbooks of your own: --map VARIABLE=SECRET.`

// secretsImport is one run of `hornero secrets import`.
type secretsImport struct {
	files  []string
	maps   []string
	dryRun bool
	asJSON bool
}

func secretsImportCommand(with func(secretsWork) runE) *cobra.Command {
	var run secretsImport
	cmd := &cobra.Command{
		Use:   "import --from-ansible FILE",
		Short: "take secrets over from Ansible's variables",
		Long:  importHelp,
		Args:  cobra.NoArgs,
		RunE:  with(run.run),
	}

	flags := cmd.Flags()
	flags.StringArrayVar(&run.files, "from-ansible", nil, "a file of variables; - is standard input; again for more")
	flags.StringArrayVar(&run.maps, "map", nil, "VARIABLE=SECRET: what a variable becomes; again for more")
	flags.BoolVar(&run.dryRun, "dry-run", false, "tell what would become of the variables, and change nothing")
	flags.BoolVar(&run.asJSON, "json", false, "print JSON")

	return cmd
}

func (i *secretsImport) run(cmd *cobra.Command, secrets openedSecrets, _ []string) error {
	variables, err := i.read(cmd)
	if err != nil {
		return err
	}

	extra, err := i.extra()
	if err != nil {
		return err
	}

	imported, after, err := secrets.Import(variables, extra, secrets.stack, secrets.manifests)
	if err != nil {
		return err
	}

	if err := i.print(cmd.OutOrStdout(), imported); err != nil {
		return err
	}

	before := secrets.All()

	if i.dryRun {
		fmt.Fprintf(cmd.ErrOrStderr(), "nothing is written; without --dry-run changed would be: %s\n",
			orNothing(stack.Changed(before, after)))

		return nil
	}

	if err := secrets.Change(before, after); err != nil {
		return err
	}

	secrets.tellChanged(cmd.ErrOrStderr(), before)

	return nil
}

func orNothing(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}

	return strings.Join(names, ", ")
}

// read reads all files before anything is taken from one.
func (i *secretsImport) read(cmd *cobra.Command) ([]stack.Variable, error) {
	if len(i.files) == 0 {
		return nil, errors.New("import secrets: name a file with --from-ansible; - is standard input")
	}

	var all []stack.Variable

	for _, file := range i.files {
		var text []byte
		var err error

		if file == "-" {
			text, err = readAll(cmd.Context(), cmd.InOrStdin())
		} else {
			text, err = os.ReadFile(file)
		}
		if err != nil {
			return nil, fmt.Errorf("import secrets: %w", err)
		}

		variables, err := stack.ReadVariables(file, text)
		if err != nil {
			return nil, err
		}

		all = append(all, variables...)
	}

	return all, nil
}

func (i *secretsImport) extra() (map[string]string, error) {
	extra := map[string]string{}

	for _, entry := range i.maps {
		variable, secret, whole := strings.Cut(entry, "=")
		if !whole || variable == "" || secret == "" {
			return nil, fmt.Errorf("import secrets: --map %s: write VARIABLE=SECRET, as in db_pass=api.password", entry)
		}

		extra[variable] = secret
	}

	return extra, nil
}

// importedLine is one variable of `hornero secrets import --json`.
type importedLine struct {
	Variable string `json:"variable"`
	State    string `json:"state"`
	To       string `json:"to"`
	Why      string `json:"why"`
}

func (i *secretsImport) print(w io.Writer, imported []stack.Imported) error {
	if i.asJSON {
		lines := []importedLine{}
		for _, one := range imported {
			lines = append(lines, importedLine(one))
		}

		return printJSON(w, lines)
	}

	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)

	for _, one := range imported {
		fmt.Fprintf(table, "%s\t%s\n", one.Variable, importedText(one))
	}

	return table.Flush()
}

func importedText(one stack.Imported) string {
	switch one.State {
	case stack.ImportTaken:
		return "-> secret " + one.To
	case stack.ImportSame:
		return "-> secret " + one.To + ", which has this value already"
	case stack.ImportSetting:
		return "-> " + one.To + " of stack.yaml: it " + one.Why
	default:
		return "-  " + one.Why
	}
}
