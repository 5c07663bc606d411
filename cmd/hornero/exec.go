package main

import (
	"context"
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/command"
)

const execHelp = `Runs a command as root, by SSH: on a node, or on all nodes of a role at once.

On a node the output is passed on as it is, and the command has this one's standard input; with -t it has a terminal,
as "top" or an editor wants it. On a role each line of output stands behind its node's name, and the command has no
input but with --stdin, which gives the whole of it to each node. --json prints a line for each node when it is done:
{"node", "code", "stdout", "stderr"}, and "error" where the command did not run; it wants --stdin for input, too.

Exits with the command's exit code, on a role with the first in the nodes' order that is not 0; with 1 when the command
did not run on a node. For pipes and variables on the node write -- sh -c '...'. Ctrl-C closes the connection; without
-t a command that neither reads nor writes goes on on the node.`

// execFlags say how a command is run.
type execFlags struct {
	terminal bool
	stdin    bool
	json     bool
}

func execCommand(file *string) *cobra.Command {
	var flags execFlags
	cmd := &cobra.Command{
		Use:   "exec NODE|ROLE -- COMMAND [ARG...]",
		Short: "run a command as root on a node, or on all nodes of a role at once",
		Long:  execHelp,
		Example: "  hornero exec web-1 -- uptime\n" +
			"  hornero exec web -- systemctl is-active nginx\n" +
			"  hornero exec db-2 -t -- top\n" +
			"  hornero exec db --json -- df --output=pcent / | jq -r '[.node, .stdout] | @tsv'",
		Args: cobra.MinimumNArgs(2),

		ValidArgsFunction: completeNames(file, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withFleet(cmd, *file, func(ctx context.Context, f *fleet.Fleet) error {
				// SSH carries one string, which a shell on the node splits: quoted, the words arrive as they are.
				return flags.run(ctx, cmd, f, args[0], command.Quote(args[1:]))
			})
		},
	}
	cmd.Flags().BoolVarP(&flags.terminal, "terminal", "t", false, "give the command a terminal")
	cmd.Flags().BoolVar(&flags.stdin, "stdin", false, "give standard input to each node of a role")
	cmd.Flags().BoolVar(&flags.json, "json", false, "print a line of JSON for each node")
	cmd.MarkFlagsMutuallyExclusive("terminal", "json")
	cmd.MarkFlagsMutuallyExclusive("terminal", "stdin")

	return cmd
}

func (e execFlags) run(ctx context.Context, cmd *cobra.Command, f *fleet.Fleet, name, line string) error {
	input := e.input(cmd.InOrStdin(), f, name)

	if e.json {
		encoder := json.NewEncoder(cmd.OutOrStdout())

		code, err := f.ExecEach(ctx, name, line, input, func(one fleet.Executed) error {
			return encoder.Encode(one)
		})

		return exitOf(code, err)
	}

	if e.terminal {
		terminal, done, err := openTerminal(input)
		if err != nil {
			return err
		}
		defer done()

		f.Terminal = terminal
	}

	code, err := f.Exec(ctx, name, line, input, cmd.OutOrStdout(), cmd.ErrOrStderr())

	return exitOf(code, err)
}

// input is what the command reads. That of several nodes is read to its end before anything runs, which must not wait
// for an end that nobody thinks of.
func (e execFlags) input(stdin io.Reader, f *fleet.Fleet, name string) io.Reader {
	_, err := f.Stack.Node(name)
	oneNode := err == nil && !e.json

	if oneNode || e.terminal || e.stdin {
		return stdin
	}

	return nil
}
