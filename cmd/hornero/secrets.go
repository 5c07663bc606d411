package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

type (
	// runE is what cobra runs a command with.
	runE = func(*cobra.Command, []string) error

	// secretsWork is what a command does with the opened secrets file.
	secretsWork = func(cmd *cobra.Command, opened openedSecrets, args []string) error
)

// openedSecrets are a stack's secrets, and what they are for.
type openedSecrets struct {
	*stack.Secrets
	stack     *stack.Stack
	manifests map[string]*roles.Manifest
}

const secretsHelp = `The secrets file (secrets.age, beside stack.yaml) belongs into the repository: it is encrypted
with age. Its key is ~/.config/hornero/age.key, the file that HORNERO_AGE_KEY_FILE names, or, as CI has it, the text in
HORNERO_AGE_KEY.
Several keys may open it: "hornero secrets recipients".

A running node keeps the secrets that it was launched with. After a change replace the nodes that have the secret: each
command names them, and "hornero plan" shows those that are left.`

func secretsCommand(file *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secrets",
		Short: "list, show and change what the encrypted secrets file holds, and who can open it",
		Long:  secretsHelp,
	}

	// Nothing that is missing is made: who only looks may have no right to write.
	with := func(work secretsWork) runE {
		return func(cmd *cobra.Command, args []string) error {
			s, manifests, err := loadStack(*file)
			if err != nil {
				return err
			}

			secrets, err := readSecrets(s, cmd.ErrOrStderr())
			if err != nil {
				return err
			}

			return work(cmd, openedSecrets{secrets, s, manifests}, args)
		}
	}

	cmd.AddCommand(
		secretsListCommand(with),
		secretsShowCommand(with, file),
		secretsMakeCommand(with),
		secretsSetCommand(with, file),
		secretsRotateCommand(with, file),
		secretsRetireCommand(with, file),
		secretsEditCommand(with),
		secretsImportCommand(with),
		secretsCertificateCommand(with),
		recipientsCommand(with),
	)

	return cmd
}

// SecretLine is one secret of `hornero secrets list --json`: never its value.
type SecretLine struct {
	Name  string   `json:"name"`
	State string   `json:"state"`
	Fixed bool     `json:"fixed"` // nobody changes it
	Roles []string `json:"roles"` // whose nodes are given it; never nil
	Help  string   `json:"help"`
}

// The states of a secret.
const (
	secretHeld    = "held"
	secretUnmade  = "not made"
	secretUngiven = "not given"
	secretUnused  = "unused" // held, and no role asks for it any more

	secretPrevious = "previous" // what a secret was before it was rotated
	secretNext     = "next"     // what an authority is to be
)

func secretsListCommand(with func(secretsWork) runE) *cobra.Command {
	var long, asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "name the secrets",
		Long: "Names the secrets that the file holds. --long and --json have those, too, that the stack asks for and " +
			"the file has not,\nwith what each is for. No value is printed.",
		Args: cobra.NoArgs,
		RunE: with(func(cmd *cobra.Command, secrets openedSecrets, _ []string) error {
			switch {
			case asJSON:
				return printJSON(cmd.OutOrStdout(), struct {
					Version int          `json:"version"`
					Stack   string       `json:"stack"`
					Secrets []SecretLine `json:"secrets"`
				}{1, secrets.stack.Name, secrets.lines()})
			case long:
				return printSecrets(cmd.OutOrStdout(), secrets.lines())
			}

			for _, name := range secrets.Names() {
				fmt.Fprintln(cmd.OutOrStdout(), name)
			}

			return nil
		}),
	}
	cmd.Flags().BoolVarP(&long, "long", "l", false, "tell what each is for, and what is missing")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")

	return cmd
}

// lines are all secrets that the stack has a use for or the file holds, by name.
func (o openedSecrets) lines() []SecretLine {
	held := o.Names()

	var lines []SecretLine
	var named []string

	for _, secret := range o.stack.NamedSecrets(o.manifests) {
		named = append(named, secret.Name)

		state := secretHeld
		if !slices.Contains(held, secret.Name) {
			state = secretUnmade
			if secret.Given {
				state = secretUngiven
			}
		}

		lines = append(lines, SecretLine{
			Name:  secret.Name,
			State: state,
			Fixed: secret.Fixed,
			Roles: append([]string{}, secret.Roles...),
			Help:  secret.Help,
		})
	}

	for _, name := range held {
		// The old value of a rotation belongs to the new one.
		of, previous := strings.CutSuffix(name, roles.PreviousSecret(""))
		if previous && slices.Contains(named, of) {
			lines = append(lines, SecretLine{
				Name:  name,
				State: secretPrevious,
				Roles: []string{},
				Help:  "works, too, until `hornero secrets retire " + of + "`",
			})

			continue
		}

		if authority, is := o.stack.AuthorityNamed(name, o.manifests); is && !slices.Contains(named, name) {
			lines = append(lines, SecretLine{
				Name:  name,
				State: secretNext,
				Roles: []string{},
				Help:  "signs after the next `hornero secrets rotate " + authority + "`",
			})

			continue
		}

		if !slices.Contains(named, name) {
			lines = append(lines, SecretLine{
				Name:  name,
				State: secretUnused,
				Roles: []string{},
			})
		}
	}

	slices.SortFunc(lines, func(a, b SecretLine) int { return strings.Compare(a.Name, b.Name) })

	return lines
}

func printSecrets(w io.Writer, lines []SecretLine) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tSTATE\tROLES\tWHAT IT IS FOR")

	for _, line := range lines {
		roles := strings.Join(line.Roles, ",")
		if roles == "" {
			roles = "-"
		}

		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", line.Name, line.State, roles, line.Help)
	}

	return table.Flush()
}

func secretsShowCommand(with func(secretsWork) runE, file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "print one secret",
		Args:  cobra.ExactArgs(1),

		ValidArgsFunction: completeSecret(file, func(stack.NamedSecret) bool { return true }),
		RunE: with(func(cmd *cobra.Command, secrets openedSecrets, args []string) error {
			value, err := secrets.held(args[0])
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), value.Reveal())
			}

			return err
		}),
	}
}

// secretsMakeCommand is for whoever adds a role and lets CI run `hornero up`: what CI makes is gone with its machine.
func secretsMakeCommand(with func(secretsWork) runE) *cobra.Command {
	return &cobra.Command{
		Use:   "make",
		Short: "make what the stack asks for and the file has not, as `hornero up` does",
		Args:  cobra.NoArgs,
		RunE: with(func(cmd *cobra.Command, secrets openedSecrets, _ []string) error {
			before := secrets.All()

			// Each that is made is told.
			if err := secrets.Ensure(secrets.stack, secrets.manifests); err != nil {
				return err
			}

			if len(stack.Changed(before, secrets.All())) == 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "nothing is missing in %s\n", secrets.stack.SecretsPath())
			}

			for _, line := range secrets.Missing(secrets.stack, secrets.manifests) {
				fmt.Fprintln(cmd.ErrOrStderr(), line)
			}

			return nil
		}),
	}
}

// held is the value of a secret that is there.
func (o openedSecrets) held(name string) (report.Secret, error) {
	secret, err := o.Named(name, o.stack, o.manifests)
	if err != nil {
		return "", err
	}

	if value, there := o.All()[name]; there {
		return value, nil
	}

	if secret.Given {
		return "", fmt.Errorf("%s is not given yet; `hornero secrets set %[1]s` reads it from standard input", name)
	}

	return "", fmt.Errorf("%s is not made yet; `hornero up` or `hornero secrets make` makes it", name)
}

const rotateHelp = `Makes a secret anew in the secrets file, and names the nodes that are to be replaced, in the order
in which to do it. Nothing is changed on a running node.

An authority of certificates (ca, galera.ca) is rotated in three steps, each with "hornero up" behind it until "hornero
plan" is empty, so that nodes of both sides get on with each other:

  hornero secrets rotate galera.ca    nodes trust the next one, too
  hornero secrets rotate galera.ca    the next one signs
  hornero secrets retire galera.ca    nodes trust the new one only

The authority of SSH host keys (ssh.ca) and the operator's key (ssh.key) need one "hornero up"; "hornero secrets retire"
behind it makes this machine forget the old one. Name several to take them through the same steps together.

A second step is refused while the plan has nodes to replace, as they would not get on with nodes of the next.`

func secretsRotateCommand(with func(secretsWork) runE, file *string) *cobra.Command {
	var unchecked bool
	cmd := &cobra.Command{
		Use:   "rotate NAME...",
		Short: "make secrets anew; nodes keep the old ones until they are replaced",
		Long:  rotateHelp,
		Args:  cobra.MinimumNArgs(1),

		ValidArgsFunction: completeRotation(file),
		RunE: with(func(cmd *cobra.Command, secrets openedSecrets, args []string) error {
			for _, name := range args {
				if err := secrets.checkRotatable(name); err != nil {
					return err
				}
			}

			if err := secrets.checkStep(cmd, *file, args, unchecked); err != nil {
				return err
			}

			return secrets.changeEach(cmd, args, func(name string) error {
				return secrets.Rotate(name, secrets.stack, secrets.manifests)
			})
		}),
	}
	cmd.Flags().BoolVar(&unchecked, "unchecked", false, uncheckedHelp)

	return cmd
}

const retireHelp = `Ends the rotation of a database's password, of an authority or of an SSH key. From "hornero secrets
rotate" and "hornero up" on both values work. When "hornero plan" is empty no node has the old one any more; retire it,
and "hornero up" replaces the nodes that take both by such that refuse it.`

func secretsRetireCommand(with func(secretsWork) runE, file *string) *cobra.Command {
	var unchecked bool
	cmd := &cobra.Command{
		Use:   "retire NAME...",
		Short: "let the values that secrets had before they were rotated work no more",
		Long:  retireHelp,
		Args:  cobra.MinimumNArgs(1),

		ValidArgsFunction: completeRotation(file),
		RunE: with(func(cmd *cobra.Command, secrets openedSecrets, args []string) error {
			if err := secrets.checkStep(cmd, *file, args, unchecked); err != nil {
				return err
			}

			return secrets.changeEach(cmd, args, secrets.retire)
		}),
	}
	cmd.Flags().BoolVar(&unchecked, "unchecked", false, uncheckedHelp)

	return cmd
}

// tellChanged says what is in the secrets file now, and what is to be done for it.
func (o openedSecrets) tellChanged(w io.Writer, before map[string]report.Secret) {
	names := stack.Changed(before, o.All())
	if len(names) == 0 {
		fmt.Fprintf(w, "nothing is changed in %s\n", o.stack.SecretsPath())
		return
	}

	fmt.Fprintf(w, "changed in %s: %s\n", o.stack.SecretsPath(), strings.Join(names, ", "))

	nodes := o.stack.NodesGiven(names, o.manifests)
	if len(nodes) > 0 {
		var list []string
		for _, node := range nodes {
			list = append(list, node.Name)
		}

		fmt.Fprintln(w, "Nodes that run keep what was before until they are replaced: `hornero up` does it, and "+
			"`hornero replace NODE` for one at a time, in this order:")
		fmt.Fprintf(w, "  %s\n", strings.Join(list, " "))
	}

	for _, step := range o.nextSteps(names) {
		fmt.Fprintln(w, step+".")
	}

	for _, name := range names {
		after, there := strings.CutSuffix(name, roles.PreviousSecret(""))
		_, authority := o.stack.AuthorityNamed(name, o.manifests)

		if there && !authority && o.All()[name] != "" {
			fmt.Fprintf(w, "Its old value works, too, until `hornero secrets retire %s` and another `hornero up`.\n",
				after)
		}
	}

	fmt.Fprintln(w, "`hornero plan` shows what is still to be done.")
}

// readAll reads to the end, or until the context ends: a read of a terminal waits for a person, who may press Ctrl-C.
func readAll(ctx context.Context, from io.Reader) ([]byte, error) {
	type outcome struct {
		text []byte
		err  error
	}

	done := make(chan outcome, 1)

	go func() {
		text, err := io.ReadAll(from)
		done <- outcome{text, err}
	}()

	select {
	case got := <-done:
		return got.text, got.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// secretsSetCommand takes the value from standard input: arguments are seen by every user of this computer.
func secretsSetCommand(with func(secretsWork) runE, file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "set NAME",
		Short: "set a secret from standard input",
		Example: "  hornero secrets set site.certificate <fullchain.pem\n" +
			"  printf %s \"$TOKEN\" | hornero secrets set digitalocean.reserved_ip_token",
		Args: cobra.ExactArgs(1),

		ValidArgsFunction: completeSecret(file, func(secret stack.NamedSecret) bool { return !secret.Fixed }),
		RunE: with(func(cmd *cobra.Command, secrets openedSecrets, args []string) error {
			// Before anything is read: nobody types a password for a name that is wrong.
			if err := secrets.checkSettable(args[0]); err != nil {
				return err
			}

			text, err := readAll(cmd.Context(), cmd.InOrStdin())
			if err != nil {
				return fmt.Errorf("read the secret: %w", err)
			}

			// echo and editors end a line; one line's end more may be part of the secret.
			value := report.Secret(strings.TrimSuffix(string(text), "\n"))
			if value == "" {
				return errors.New(
					"the secret is empty; pipe it in, as in `printf %s ... | hornero secrets set NAME`",
				)
			}

			if err := stack.CheckSecret(args[0], value); err != nil {
				return err
			}

			before := secrets.All()
			if err := secrets.Replace(args[0], value, secrets.stack, secrets.manifests); err != nil {
				return err
			}

			secrets.tellChanged(cmd.ErrOrStderr(), before)

			return nil
		}),
	}
}

// replaceAll puts an operator's own values in place of those of one moment.
func (o openedSecrets) replaceAll(before, after map[string]report.Secret) error {
	return o.ReplaceAll(before, after, o.stack, o.manifests)
}

// checkSettable refuses names that nobody asks for, and what the whole stack lives by.
func (o openedSecrets) checkSettable(name string) error {
	secret, err := o.Named(name, o.stack, o.manifests)
	if err != nil {
		return err
	}

	if _, there := o.All()[name]; there && secret.Fixed {
		return stack.FixedError("set", name)
	}

	if stack.IsPrevious(name) {
		return fmt.Errorf("%s comes and goes with the rotation of another secret; nobody sets it", name)
	}

	return nil
}

// completeSecret offers the names of the stack's secrets. It opens no file: a completion may not ask for a key.
func completeSecret(file *string, fits func(stack.NamedSecret) bool) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		s, manifests, err := loadStack(*file)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		var names []string
		for _, secret := range s.NamedSecrets(manifests) {
			if fits(secret) {
				names = append(names, secret.Name+"\t"+secret.Help)
			}
		}

		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
