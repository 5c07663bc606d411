package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/roles"
)

// Groups of commands in --help.
const (
	productGroup = "product"
	rolesGroup   = "roles"
)

// verb is what a role lets an operator ask: `hornero NAME`.
type verb struct {
	role string
	roles.Command
}

// question is what an operator asks of a role.
type question struct {
	verb
	words []string
	input io.Reader
	group string // of the node that is asked; "" where any of the role is
}

// asker puts a question to the stack of a file.
type asker = func(cmd *cobra.Command, file string, asked question) error

// askRole has the role's nodes answer.
func askRole(cmd *cobra.Command, file string, asked question) error {
	return withFleet(cmd, file, func(ctx context.Context, f *fleet.Fleet) error {
		// The commands may be those of another stack, where this one could not be read.
		if len(f.Stack.Expected()[asked.role]) == 0 {
			return fmt.Errorf("stack %s has no node of role %s, whose command this is", f.Stack.Name, asked.role)
		}

		// A verb for a terminal may be given a file as well, and reads that then.
		if asked.Command.Input == roles.InputTerminal && isTerminal(asked.input) {
			terminal, done, err := openTerminal(asked.input)
			if err != nil {
				return err
			}
			defer done()

			f.Terminal = terminal
		}

		f.Group = asked.group

		code, err := f.Command(
			ctx,
			asked.role,
			asked.Command,
			asked.words,
			asked.input,
			cmd.OutOrStdout(),
			cmd.ErrOrStderr(),
		)

		return exitOf(code, err)
	})
}

// addVerbs adds the commands of the stack's roles. The product's own go before them.
func addVerbs(root *cobra.Command, file *string, arguments []string, ask asker) {
	root.AddGroup(
		&cobra.Group{ID: productGroup, Title: "Commands:"},
		&cobra.Group{ID: rolesGroup, Title: "Commands of roles:"},
	)
	root.SetHelpCommandGroupID(productGroup)
	root.SetCompletionCommandGroupID(productGroup)

	own := map[string]bool{"help": true, "completion": true}
	for _, command := range root.Commands() {
		command.GroupID = productGroup
		own[command.Name()] = true
	}

	// One of the product's commands runs without any role being read, as a lab must.
	if own[firstWord(arguments)] && firstWord(arguments) != "help" {
		return
	}

	verbs := verbsOf(rolesOf(fileFlag(arguments), defaultStackFile))

	// Sorted, a verb of one word comes before those of two that begin with it.
	for _, name := range slices.Sorted(maps.Keys(verbs)) {
		if word, _, _ := strings.Cut(name, " "); !own[word] {
			addVerb(root, name, verbRun{file: file, ask: ask, verbs: verbs[name]})
		}
	}
}

// firstWord is the first argument that is no flag; -f and its file may stand before it.
func firstWord(arguments []string) string {
	flags, _ := looseFlags()
	flags.SetInterspersed(false)
	_ = flags.Parse(arguments) // what is wrong is told when the command runs

	return flags.Arg(0)
}

// fileFlag is the stack's file that the arguments name.
func fileFlag(arguments []string) string {
	flags, file := looseFlags()
	_ = flags.Parse(arguments) // what is wrong is told when the command runs

	return *file
}

// looseFlags reads -f among flags of commands that are not known yet.
func looseFlags() (*pflag.FlagSet, *string) {
	flags := pflag.NewFlagSet("hornero", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.SetOutput(io.Discard)
	flags.BoolP("help", "h", false, "")

	return flags, flags.StringP("file", "f", defaultStackFile, "")
}

// rolesOf are the roles of the first of the stacks that can be read. Without one the built-in roles stand for them, so
// that help and completion work anywhere; the command that is run tells what is wrong with the stack.
func rolesOf(files ...string) []*roles.Manifest {
	for _, file := range files {
		s, manifests, err := loadStack(file)
		if err != nil {
			continue
		}

		used := map[string]*roles.Manifest{}
		for _, node := range s.All() {
			used[node.Role] = manifests[node.Role]
		}

		return roles.Deployable(used)
	}

	manifests, _ := roles.LoadDir(roles.Embedded()) // tests hold that they load

	return roles.Deployable(manifests)
}

// verbsOf are the commands of roles, by name.
func verbsOf(manifests []*roles.Manifest) map[string][]verb {
	verbs := map[string][]verb{}

	for _, manifest := range manifests {
		for _, command := range manifest.Commands {
			verbs[command.Name] = append(verbs[command.Name], verb{manifest.Name, command})
		}
	}

	return verbs
}

// addVerb adds a verb of one word to the root, and one of two below the first of them.
func addVerb(root *cobra.Command, name string, run verbRun) {
	first, second, two := strings.Cut(name, " ")
	if !two {
		command := verbCommand(first, run)
		command.GroupID = rolesGroup
		root.AddCommand(command)

		return
	}

	parent := childOf(root, first)
	if parent == nil {
		parent = &cobra.Command{
			Use:     first,
			GroupID: rolesGroup,
			Short:   "commands of role " + run.verbs[0].role,
			Args:    cobra.NoArgs,
			RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		}
		root.AddCommand(parent)
	}

	parent.AddCommand(verbCommand(second, run))
}

// childOf is the command of a name below another; nil when there is none.
func childOf(parent *cobra.Command, name string) *cobra.Command {
	for _, command := range parent.Commands() {
		if command.Name() == name {
			return command
		}
	}

	return nil
}

// verbRun is a verb as the command line says it.
type verbRun struct {
	file  *string
	ask   asker
	verbs []verb // of one name, each of another role
	role  string
	group string
	text  string
}

// verbCommand is the command of a verb, whichever roles have it.
func verbCommand(word string, of verbRun) *cobra.Command {
	run := &of // the flags write into this one

	command := &cobra.Command{
		Use:               word + " [flags] [WORD...]",
		Short:             run.verbs[0].Help,
		Long:              run.long(),
		RunE:              run.run,
		ValidArgsFunction: cobra.NoFileCompletions,
	}

	flags := command.Flags()

	// What follows the first word is the program's own, flags and all.
	flags.SetInterspersed(false)
	command.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; the program's own flags stand behind two dashes: %s -- FLAG", err, cmd.CommandPath())
	})

	if slices.ContainsFunc(run.verbs, takesText) {
		flags.StringVarP(&run.text, "execute", "e", "", "the program's input; without it, standard input")
	}

	if slices.ContainsFunc(run.verbs, onAnyNode) {
		flags.StringVar(&run.group, "group", "", "the group whose node is asked")
	}

	if len(run.verbs) > 1 {
		flags.StringVar(&run.role, "role", "", "the role that is asked: "+run.roleNames())
		_ = command.RegisterFlagCompletionFunc("role", run.completeRole) // fails only without the flag
	}

	return command
}

func takesText(v verb) bool { return v.Input == roles.InputStdin }

// onAnyNode tells whether the manifest leaves it open which node of the role runs a command.
func onAnyNode(v verb) bool { return v.On != roles.OnAll && v.Lease == "" }

// long tells what runs where.
func (r *verbRun) long() string {
	var lines []string

	for _, verb := range r.verbs {
		where := "on the first healthy node of role " + verb.role
		if verb.On == roles.OnAll {
			where = "on every node of role " + verb.role
		}
		if verb.Lease != "" {
			where = fmt.Sprintf("on the node of role %s that holds the lease %s", verb.role, verb.Lease)
		}

		lines = append(lines, fmt.Sprintf("%s: runs %s\n%s.", verb.Help, strings.Join(verb.Run, " "), where))
	}

	return strings.Join(lines, "\n") + "\n\nWords are passed on to the program; write -- before those that begin " +
		"with a dash."
}

func (r *verbRun) roleNames() string {
	var names []string
	for _, verb := range r.verbs {
		names = append(names, verb.role)
	}

	return strings.Join(names, ", ")
}

func (r *verbRun) completeRole(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return strings.Split(r.roleNames(), ", "), cobra.ShellCompDirectiveNoFileComp
}

// choose is the role's command that is meant.
func (r *verbRun) choose() (verb, error) {
	if r.role == "" && len(r.verbs) == 1 {
		return r.verbs[0], nil
	}

	at := slices.IndexFunc(r.verbs, func(v verb) bool { return v.role == r.role })

	switch {
	case at >= 0:
		return r.verbs[at], nil
	case r.role != "":
		return verb{}, fmt.Errorf("--role: role %q has no such command; say one of %s", r.role, r.roleNames())
	}

	return verb{}, fmt.Errorf("several roles have this command: say --role with one of %s", r.roleNames())
}

func (r *verbRun) run(cmd *cobra.Command, words []string) error {
	chosen, err := r.choose()
	if err != nil {
		return err
	}

	given := cmd.Flags().Changed("execute")
	if given && !takesText(chosen) {
		return fmt.Errorf("role %s takes no input for this command; leave -e out", chosen.role)
	}

	// Both ways end in standard input: the text may hold passwords, and arguments are seen by all users.
	input := cmd.InOrStdin()

	switch {
	case given:
		input = strings.NewReader(r.text)
	case chosen.Input == "" || chosen.Input == roles.InputNone:
		input = strings.NewReader("")
	}

	return r.ask(cmd, *r.file, question{
		verb:  chosen,
		words: words,
		input: input,
		group: r.group,
	})
}
