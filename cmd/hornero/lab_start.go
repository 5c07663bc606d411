package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hornero/hornero/lab"
	"github.com/hornero/hornero/lab/api"
)

type labStartFlags struct {
	foreground bool
	address    string
	public     string
	pace       lab.Pace
}

func newLabStartCommand(name *labFlag) *cobra.Command {
	var flags labStartFlags
	command := &cobra.Command{
		Use:   "start",
		Short: "Start the lab, and wait until it answers",
		Long: "Start the lab in the background and wait until it answers. A lab that runs already is left as it " +
			"is. Droplets that ran\n" +
			"when the lab was stopped boot again; those that a crashed lab left running are found.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			choice, err := name.choose()
			if err != nil {
				return err
			}

			if flags.foreground {
				return serveLab(command, choice, flags)
			}

			return startLab(command, choice, flags)
		},
	}

	flags.define(command.Flags())

	return command
}

func (f *labStartFlags) define(flags *pflag.FlagSet) {
	const (
		addressHelp = "where the API listens, on loopback (default: where it did before, " + lab.DefaultAddress +
			" at first)"
		publicHelp = "a /24 for public addresses that this computer does not use (default: what it was before, " +
			"a free one at first)"
		profileHelp = "how slow the lab is: " + api.ProfileReal + ", like a cloud but shorter, or " +
			api.ProfileInstant + " (default: what it was before, " + api.ProfileReal + " at first)"
		delayHelp = "one delay that differs, as in create=3s: create, network, action, snapshot, transfer, delete, " +
			"release; may be repeated"
		limitHelp = "hold clients to DigitalOcean's limits: 5000 requests an hour, 250 a minute"
	)

	flags.BoolVar(&f.foreground, "foreground", false, "serve in this process, until Ctrl-C")
	flags.StringVar(&f.address, "addr", "", addressHelp)
	flags.StringVar(&f.public, "public-range", "", publicHelp)
	flags.StringVar(&f.pace.Profile, "profile", "", profileHelp)
	flags.StringArrayVar(&f.pace.Delays, "delay", nil, delayHelp)
	flags.BoolVar(&f.pace.RateLimit, "rate-limit", false, limitHelp)
}

func (f labStartFlags) publicRange() (netip.Prefix, error) {
	if f.public == "" {
		return netip.Prefix{}, nil
	}

	public, err := netip.ParsePrefix(f.public)
	if err != nil {
		return public, fmt.Errorf("--public-range: %w", err)
	}

	return public, nil
}

func serveLab(command *cobra.Command, choice labChoice, flags labStartFlags) error {
	public, err := flags.publicRange()
	if err != nil {
		return err
	}

	program, err := os.Executable()
	if err != nil {
		return err
	}

	options := lab.Options{
		Name:     choice.Name,
		Address:  flags.address,
		Public:   public,
		Launcher: []string{program, "lab", "launch-droplet"},
		Stack:    choice.stack,
		Pace:     flags.pace,
	}

	ready := func(endpoint lab.Endpoint) {
		tokenFile := lab.FolderOf(choice.Name).TokenFile()
		out := command.OutOrStdout()
		fmt.Fprintf(out, "lab %s serves at %s, token in %s; Ctrl-C stops it\n", choice.Name, endpoint.URL, tokenFile)
		choice.tell(command.ErrOrStderr(), true)
	}

	return lab.ServeForeground(command.Context(), options, command.ErrOrStderr(), ready)
}

func startLab(command *cobra.Command, choice labChoice, flags labStartFlags) error {
	if _, err := flags.publicRange(); err != nil {
		return err
	}

	if err := flags.pace.Check(); err != nil {
		return err
	}

	endpoint, started, err := startChosenLab(command.Context(), choice, flags, command.ErrOrStderr())
	if err != nil {
		return err
	}

	how := "runs already"
	if started {
		how = "started"
	}

	out := command.OutOrStdout()
	fmt.Fprintf(out, "lab %s %s\n", endpoint.Name, how)
	fmt.Fprintf(out, "url    %s\n", endpoint.URL)
	fmt.Fprintf(out, "token  %s\n", lab.FolderOf(endpoint.Name).TokenFile())

	return nil
}

// ensureLab finds the lab of a stack, starting it when it does not run.
func ensureLab(ctx context.Context, file string, progress io.Writer) (lab.Endpoint, error) {
	choice, err := chooseLab(environmentLab(), file)
	if err != nil {
		return lab.Endpoint{}, err
	}

	endpoint, _, err := startChosenLab(ctx, choice, labStartFlags{}, progress)

	return endpoint, err
}

// startChosenLab finds the chosen lab, starting it when it does not run. Of two folders that start the default lab at
// once one owns it afterwards; the other goes on to a lab of its own.
func startChosenLab(
	ctx context.Context,
	choice labChoice,
	flags labStartFlags,
	progress io.Writer,
) (lab.Endpoint, bool, error) {
	for {
		endpoint, started, err := startOnce(ctx, choice, flags)
		if err != nil {
			return endpoint, false, err
		}

		next, err := choice.again()
		if err != nil {
			return endpoint, false, err
		}

		if next.Name == choice.Name {
			choice.tell(progress, started)
			return endpoint, started, nil
		}

		choice = next
	}
}

// startOnce finds or starts one lab, and makes the stack's folder its owner if nobody is.
func startOnce(ctx context.Context, choice labChoice, flags labStartFlags) (lab.Endpoint, bool, error) {
	endpoint, err := lab.Locate(choice.Name)
	started := false

	if err != nil {
		endpoint, started, err = startDetached(ctx, choice, flags)
	}

	if err != nil {
		return endpoint, started, err
	}

	return endpoint, started, lab.Adopt(choice.Name, choice.stack)
}

func startDetached(ctx context.Context, choice labChoice, flags labStartFlags) (lab.Endpoint, bool, error) {

	if findings := lab.Examine(ctx); len(findings) > 0 {
		return lab.Endpoint{}, false, labFindings(findings)
	}

	program, err := os.Executable()
	if err != nil {
		return lab.Endpoint{}, false, err
	}

	arguments := []string{program, "lab", "start", "--foreground", "--name", choice.Name}
	if choice.stack != "" {
		arguments = append(arguments, "--file", choice.stack)
	}

	if flags.address != "" {
		arguments = append(arguments, "--addr", flags.address)
	}

	if flags.public != "" {
		arguments = append(arguments, "--public-range", flags.public)
	}

	return lab.Start(ctx, choice.Name, append(arguments, flags.paceArguments()...))
}

func (f labStartFlags) paceArguments() []string {
	arguments := []string{}
	if f.pace.Profile != "" {
		arguments = append(arguments, "--profile", f.pace.Profile)
	}

	for _, delay := range f.pace.Delays {
		arguments = append(arguments, "--delay", delay)
	}

	if f.pace.RateLimit {
		arguments = append(arguments, "--rate-limit")
	}

	return arguments
}
