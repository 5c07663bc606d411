package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hornero/hornero/internal/guest"
	"github.com/hornero/hornero/lab/api"
)

func newLabConsoleCommand(name *labFlag) *cobra.Command {
	var follow, attach bool
	command := &cobra.Command{
		Use:   "console DROPLET",
		Short: "Print what a Droplet (by id or name) said on its console, or attach to it",
		Long: "Print what a Droplet said on its console. --attach gives a root shell inside of it on a terminal " +
			"of its own, like the console\n" +
			"of DigitalOcean's control panel: it needs neither network nor sshd nor a key. The shell's exit " +
			"code is this command's.",
		Example: "  hornero lab console db-1 --follow\n  hornero lab console db-1 --attach",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			choice, err := name.choose()
			if err != nil {
				return err
			}

			droplet, err := findLabDroplet(command.Context(), choice.Name, arguments[0])
			if err != nil {
				return err
			}

			if attach {
				return attachConsole(droplet)
			}

			return printFile(command.Context(), command.OutOrStdout(), droplet.Console, follow)
		},
	}
	command.Flags().BoolVar(&follow, "follow", false, "go on printing what is added, until Ctrl-C")
	command.Flags().BoolVar(&attach, "attach", false, "a root shell in the Droplet")
	command.MarkFlagsMutuallyExclusive("follow", "attach")

	return command
}

// shell is run inside of the Droplet. script gives it a terminal of the Droplet's own, which follows the size
// of this one and hands its Ctrl-C on.
const shell = `cd /root && exec env -i TERM="$TERM" HOME=/root USER=root LOGNAME=root SHELL=/bin/bash ` +
	`PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin ` +
	`script --quiet --return --command "exec bash -l" /dev/null`

func attachConsole(droplet api.DropletStatus) error {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return errors.New(
			"attach to a console: standard input is no terminal; `hornero lab console` without --attach prints " +
				"what was said",
		)
	}

	if droplet.PID == 0 {
		return fmt.Errorf("attach to the console of Droplet %s: it is %s", droplet.Name, droplet.Status)
	}

	// The terminal's signals are the shell's: nothing here ends it.
	args := guest.Enter(droplet.PID, "sh", "-c", shell)
	session := exec.CommandContext(context.Background(), args[0], args[1:]...)
	session.Stdin = os.Stdin
	session.Stdout = os.Stdout
	session.Stderr = os.Stderr
	err := session.Run()

	var failed *exec.ExitError
	if errors.As(err, &failed) && failed.ExitCode() > 0 {
		return exit(failed.ExitCode())
	}

	return err
}
