// Command hornero is the command line: it wires the parts together, and exits with what they say.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/fleet/lock"
)

var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	// The first signal is for what a command cleans up; the second ends one that does not heed the first.
	context.AfterFunc(ctx, stop)

	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// exit is an error that is only an exit code: what there was to say is said.
type exit int

func (e exit) Error() string {
	return fmt.Sprintf("exit %d", int(e))
}

// Exit codes beside 0 and 1.
const (
	exitDifferences = exit(2)   // `hornero plan --detailed-exitcode`: something is not as it is wanted
	exitUnhealthy   = exit(3)   // `hornero status`: not every node serves
	exitUnsafe      = exit(4)   // refused as unsafe: nothing was touched
	exitLocked      = exit(5)   // another command has the stack's lock, or took it
	exitRolledBack  = exit(6)   // a roll went back: the site is as before
	exitHalfway     = exit(7)   // stopped halfway: the same command goes on
	exitInterrupted = exit(130) // Ctrl-C; the shell's own code for it (128 + SIGINT)
)

// exitCodes are of errors that scripts have to tell apart.
var exitCodes = []struct {
	sentinel error
	code     exit
}{
	{fleet.ErrUnsafe, exitUnsafe},
	{fleet.ErrNotConfirmed, exitUnsafe},
	{fleet.ErrStanding, exitUnsafe},
	{fleet.ErrUnplanned, exitUnsafe},
	{fleet.ErrMeltdown, exitUnsafe},
	{fleet.ErrGivenUp, exitUnsafe},
	{fleet.ErrRolledBack, exitRolledBack},
	{fleet.ErrHalfway, exitHalfway},
	{lock.ErrLocked, exitLocked},
	{lock.ErrLost, exitLocked},
	{lock.ErrOther, exitLocked},
}

// codeOf is the exit code of an error: 1 unless scripts have to tell it apart.
func codeOf(err error) exit {
	for _, one := range exitCodes {
		if errors.Is(err, one.sentinel) {
			return one.code
		}
	}

	return exit(1)
}

func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) int {
	arguments = longFileFlag(arguments)
	root := &cobra.Command{
		Use:           "hornero",
		Short:         "highly available stacks of immutable Droplets, on DigitalOcean and in the lab",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Long: "Hornero launches a stack of immutable Droplets (load balancers, web nodes, proxies, a Galera " +
			"cluster, applications of your\nown) from images baked once per role, and replaces what fails " +
			"instead of repairing it. stack.yaml says what is to be.\n\n" +
			"CLOUD=lab or CLOUD=digitalocean overrides the cloud of stack.yaml; DIGITALOCEAN_ACCESS_TOKEN is " +
			"DigitalOcean's token.",
	}

	file := root.PersistentFlags().StringP("file", "f", defaultStackFile, "the stack's file")
	root.AddCommand(newLabCommand(file))
	root.AddCommand(stackCommands(file)...)
	root.AddCommand(newImagesCommand(file))
	addVerbs(root, file, arguments, askRole)
	root.SetArgs(arguments)
	root.SetOut(stdout)
	root.SetErr(stderr)

	tellUsage(root)

	err := checkSubcommand(root, arguments)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}

	var code exit

	switch {
	case err == nil:
		return 0

	// What there was to say is said already, as by `hornero status`.
	case errors.As(err, &code):
		return int(code)
	case ctx.Err() != nil:
		// Ctrl-C is no error of the program.
		fmt.Fprintln(stderr, "hornero: interrupted; run the same command again to finish")
		return int(exitInterrupted)
	}

	fmt.Fprintln(stderr, "hornero:", explainDown(err))

	return int(codeOf(err))
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), "hornero", version)
		},
	}
}
