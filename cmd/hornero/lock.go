package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/digitalocean/godo"
	"github.com/spf13/cobra"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/fleet/lock"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

const lockHelp = `One command at a time changes a stack: "up", "replace", "recover" and "destroy" take its
lock, and give it back when they end. Commands that only read take none.

The lock is a claim in the description of the stack's VPC. It is renewed every 20 s and is over 60 s after the last
renewal. The claim of a command that was killed is over by then; on the machine where it ran the next command takes it
over at once. A description that somebody wrote is put back afterwards.

States: free, held, ended (not renewed), dead (its process ended, on this machine), unreadable (another version wrote
it, or somebody edited it). Where the lock is ended or dead, the next command takes it over, and nothing is to be done.

A command that finds the stack locked says by whom and exits 5. With --lock-wait 15m it waits for so long.`

const lockBreakHelp = `Takes the lock away from the command whose claim has this NONCE, and from no other:
"hornero lock" shows it.
That command notices before it removes anything, at the latest after 20 s, and exits 5. Do this only when nobody waits
for that command any more, as when its machine is gone and 60 s are too long; or when the lock is unreadable.`

func lockCommand(file *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "lock",
		Short: "show which command changes the stack just now",
		Long:  lockHelp,
		Example: "  hornero lock\n" +
			"  hornero lock --json | jq -r .state\n" +
			"  hornero up --lock-wait 15m",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := fleetConfig(cmd, *file, withoutSecrets)
			if err != nil {
				return err
			}

			line, err := fleet.ReadLock(cmd.Context(), config)
			if err != nil {
				return err
			}

			return printLock(cmd.OutOrStdout(), line, asJSON, time.Now())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(lockBreakCommand(file))

	return cmd
}

func lockBreakCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "break NONCE",
		Short: "take the stack's lock away from the command whose claim has this nonce",
		Long:  lockBreakHelp,
		Args:  cobra.ExactArgs(1),

		ValidArgsFunction: completeNonce(file),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := fleetConfig(cmd, *file, withoutSecrets)
			if err != nil {
				return err
			}

			if err := fleet.BreakLock(cmd.Context(), config, args[0]); err != nil {
				return err
			}

			fmt.Fprintf(cmd.ErrOrStderr(), "nobody has the lock of stack %s\n", config.Stack.Name)

			return nil
		},
	}
}

// withoutSecrets opens none: who has the lock can be read without them.
func withoutSecrets(*stack.Stack, map[string]*roles.Manifest, io.Writer) (*stack.Secrets, error) {
	return nil, nil
}

func printLock(w io.Writer, line fleet.LockLine, asJSON bool, now time.Time) error {
	if asJSON {
		return printJSON(w, line)
	}

	switch line.State {
	case lock.Free:
		fmt.Fprintf(w, "stack %s is not locked\n", line.Stack)
		return nil

	case lock.Unreadable:
		fmt.Fprintf(
			w,
			"stack %s is locked, and the claim is unreadable: another version of Hornero wrote it, or somebody edited "+
				"it\nnonce    %s\n",
			line.Stack,
			line.Nonce,
		)

		return nil
	}

	fmt.Fprintf(w, "stack %s is locked: %s\n", line.Stack, stateText(line))
	fmt.Fprintf(w, "command  hornero %s\n", line.Command)

	if line.Step != "" {
		fmt.Fprintf(w, "step     %s\n", line.Step)
	}

	fmt.Fprintf(w, "by       %s\n", line.By)
	fmt.Fprintf(w, "since    %s\n", timeText(*line.Since, now))
	fmt.Fprintf(w, "until    %s, unless it is renewed\n", timeText(*line.Until, now))
	fmt.Fprintf(w, "nonce    %s\n", line.Nonce)

	return nil
}

// stateText says what the state means for whoever wants the lock.
func stateText(line fleet.LockLine) string {
	text := map[string]string{
		lock.Taken: "held",
		lock.Ended: "its claim has ended, the next command takes it over",
		lock.Dead:  "its process is dead, the next command here takes it over",
	}[line.State]

	if line.Leaving {
		text += "; the stack is being removed"
	}

	return text
}

func timeText(at, now time.Time) string {
	local := at.Local().Format(time.DateTime)
	distance := at.Sub(now).Round(time.Second)

	if distance > 0 {
		return fmt.Sprintf("%s (in %s)", local, distance)
	}

	return fmt.Sprintf("%s (%s ago)", local, -distance)
}

// locking is how a command takes the stack's lock.
type locking struct {
	wait    time.Duration
	leaving bool // it removes the stack
}

// lockFlags are those of every command that changes the stack.
func lockFlags(cmd *cobra.Command) *locking {
	c := &locking{}
	cmd.Flags().DurationVar(
		&c.wait,
		"lock-wait",
		0,
		"how long to wait while another command changes the stack (15m); 0 refuses at once",
	)

	return c
}

// change does work that changes the stack, while no other command does.
func (c *locking) change(
	ctx context.Context,
	cmd *cobra.Command,
	f *fleet.Fleet,
	work func(context.Context) error,
) error {
	// The command as it was typed, without its flags: those may be long, and the nodes are what matters.
	words := append(strings.Fields(cmd.CommandPath())[1:], cmd.Flags().Args()...)
	request := lock.Request{
		Command: strings.Join(words, " "),
		Wait:    c.wait,
		Leaving: c.leaving,
	}

	return f.Change(ctx, request, work)
}

// completionTimeout is how long a shell waits for the API while somebody types.
const completionTimeout = 3 * time.Second

// completeNonce offers the nonce of the lock. It starts no lab.
func completeNonce(file *string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()

		s, _, err := loadStack(*file)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		client, err := connectRunning(s.Cloud, file)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		line, err := fleet.ReadLock(ctx, fleet.Config{
			Client: client,
			Stack:  s,
		})
		if err != nil || line.Nonce == "" {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		description := fmt.Sprintf("%s\t%s: hornero %s", line.Nonce, line.By, line.Command)

		return []string{description}, cobra.ShellCompDirectiveNoFileComp
	}
}

// connectRunning makes a client for a cloud that is there already.
func connectRunning(cloud string, file *string) (*godo.Client, error) {
	if cloud != stack.CloudLab {
		return do.NewClient("", os.Getenv(tokenVariable), "hornero/"+version)
	}

	named := labFlag{file: file}
	found, err := named.locate()
	if err != nil {
		return nil, err
	}

	return do.NewClient(found.URL, found.Token, "hornero/"+version)
}
