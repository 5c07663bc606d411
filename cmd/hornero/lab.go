package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hornero/hornero/lab"
	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/lab/machine"
)

// newLabCommand is `hornero lab`: the DigitalOcean on this computer.
func newLabCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "lab",
		Short: "A DigitalOcean on this computer: its API on loopback, its Droplets in containers",
		Args:  cobra.NoArgs,
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}

	name := command.PersistentFlags().String(
		"name",
		labName(),
		"the lab's name (default: the environment's LAB); each has its own Droplets and public range",
	)

	command.AddCommand(newLabStartCommand(name), newLabStopCommand(name), newLabStatusCommand(name), newLabLogsCommand(name),
		newLabConsoleCommand(name), newLabResetCommand(name), newLabDoctorCommand(), newLabFaultCommand(name), newLabEnvCommand(name), newLabTokenCommand(name), newLabLaunchCommand())

	return command
}

type labStartFlags struct {
	foreground bool
	address    string
	public     string
	pace       lab.Pace
}

func newLabStartCommand(name *string) *cobra.Command {
	var flags labStartFlags
	command := &cobra.Command{
		Use:   "start",
		Short: "Start the lab, and wait until it answers",
		Long: "Start the lab in the background and wait until it answers. A lab that runs already is left as it " +
			"is. Droplets that ran\n" +
			"when the lab was stopped boot again; those that a crashed lab left running are found.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if flags.foreground {
				return serveLab(command, *name, flags)
			}

			return startLab(command, *name, flags)
		},
	}

	command.Flags().BoolVar(
		&flags.foreground,
		"foreground",
		false,
		"serve in this process, until Ctrl-C",
	)

	command.Flags().StringVar(
		&flags.address,
		"addr",
		"",
		"where the API listens, on loopback (default: where it did before, "+lab.DefaultAddress+" at first)",
	)

	command.Flags().StringVar(
		&flags.public,
		"public-range",
		"",
		"a /24 for public addresses that this computer does not use (default: what it was before, a free one at first)",
	)

	command.Flags().StringVar(
		&flags.pace.Profile,
		"profile",
		"",
		"how slow the lab is: "+api.ProfileReal+", like a cloud but shorter, or "+api.ProfileInstant+" (default: what it was before, "+api.ProfileReal+" at first)",
	)

	command.Flags().StringArrayVar(
		&flags.pace.Delays,
		"delay",
		nil,
		"one delay that differs, as in create=3s: create, network, action, snapshot, transfer, delete, release; "+
			"may be repeated",
	)

	command.Flags().BoolVar(
		&flags.pace.RateLimit,
		"rate-limit",
		false,
		"hold clients to DigitalOcean's limits: 5000 requests an hour, 250 a minute",
	)

	return command
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

func serveLab(command *cobra.Command, name string, flags labStartFlags) error {
	public, err := flags.publicRange()
	if err != nil {
		return err
	}

	program, err := os.Executable()
	if err != nil {
		return err
	}

	options := lab.Options{
		Name:     name,
		Address:  flags.address,
		Public:   public,
		Launcher: []string{program, "lab", "launch-droplet"},
	}

	options.Pace = flags.pace

	return lab.ServeForeground(command.Context(), options, command.ErrOrStderr(), func(endpoint lab.Endpoint) {
		fmt.Fprintf(
			command.OutOrStdout(),
			"lab %s serves at %s, token in %s; Ctrl-C stops it\n",
			name,
			endpoint.URL,
			lab.FolderOf(name).TokenFile(),
		)
	})
}

func startLab(command *cobra.Command, name string, flags labStartFlags) error {
	if _, err := flags.publicRange(); err != nil {
		return err
	}

	if err := flags.pace.Check(); err != nil {
		return err
	}

	endpoint, started, err := startLabNamed(command.Context(), name, flags)
	if err != nil {
		return err
	}

	how := "runs already"
	if started {
		how = "started"
	}

	fmt.Fprintf(
		command.OutOrStdout(),
		"lab %s %s\nurl    %s\ntoken  %s\n",
		name,
		how,
		endpoint.URL,
		lab.FolderOf(name).TokenFile(),
	)

	return nil
}

// ensureLab finds the lab of a name, starting it when it does not run.
func ensureLab(ctx context.Context, name string) (lab.Endpoint, error) {
	endpoint, _, err := startLabNamed(ctx, name, labStartFlags{})
	return endpoint, err
}

func startLabNamed(ctx context.Context, name string, flags labStartFlags) (lab.Endpoint, bool, error) {
	if endpoint, err := lab.Locate(name); err == nil {
		return endpoint, false, nil
	}

	if findings := lab.Examine(ctx); len(findings) > 0 {
		return lab.Endpoint{}, false, labFindings(findings)
	}

	program, err := os.Executable()
	if err != nil {
		return lab.Endpoint{}, false, err
	}

	arguments := []string{program, "lab", "start", "--foreground", "--name", name}
	if flags.address != "" {
		arguments = append(arguments, "--addr", flags.address)
	}

	if flags.public != "" {
		arguments = append(arguments, "--public-range", flags.public)
	}

	return lab.Start(ctx, name, append(arguments, flags.paceArguments()...))
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

func labFindings(findings []lab.Finding) error {
	lines := []string{"this computer can't run a lab yet:"}
	for _, finding := range findings {
		lines = append(lines, "  "+finding.Problem, "    -> "+finding.Mend)
	}

	return errors.New(strings.Join(lines, "\n"))
}

// labLogger tells on stderr what goes wrong while a lab is ended from here.
func labLogger(command *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(
		command.ErrOrStderr(),
		&slog.HandlerOptions{Level: slog.LevelWarn},
	))
}

func newLabStopCommand(name *string) *cobra.Command {
	return &cobra.Command{
		Use:   "stop",
		Short: "Power off all Droplets and end the lab; its state is kept",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			ended, err := lab.Stop(command.Context(), *name, labLogger(command))
			if err != nil {
				return err
			}
			if !ended {
				fmt.Fprintf(command.OutOrStdout(), "lab %s is not running\n", *name)
				return nil
			}

			fmt.Fprintf(
				command.OutOrStdout(),
				"lab %s stopped: its Droplets are off, its state is kept; `hornero lab start` boots them again\n",
				*name,
			)

			return nil
		},
	}
}

func newLabStatusCommand(name *string) *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "status",
		Short: "Show whether the lab runs, and its Droplets and load balancers",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			status, err := lab.StatusOf(command.Context(), *name)
			if err != nil {
				return err
			}
			if asJSON {
				encoder := json.NewEncoder(command.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(status)
			}

			return showLabStatus(command.OutOrStdout(), status)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")

	return command
}

func showLabStatus(out io.Writer, status lab.Status) error {
	if !status.Running {
		fmt.Fprintf(out, "lab %s is not running; `hornero lab start` starts it\n", status.Name)
		return nil
	}

	fmt.Fprintf(out,
		"lab %s runs (process %d)\nurl     %s\ntoken   %s\npublic  %s\npace    %s\n",
		status.Name,
		status.PID,
		status.URL,
		status.TokenFile,
		status.PublicRange,
		status.Pace,
	)

	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(status.Droplets) > 0 {
		fmt.Fprintln(table, "\nDROPLET\tNAME\tSTATUS\tPUBLIC\tPRIVATE\tIMAGE\tPID\tNETNS")
	}

	for _, d := range status.Droplets {
		fmt.Fprintf(
			table,
			"%d\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n",
			d.ID,
			d.Name,
			d.Status,
			d.Public,
			d.Private,
			d.Image,
			d.PID,
			d.Namespace,
		)
	}

	if err := table.Flush(); err != nil {
		return err
	}

	if len(status.LoadBalancers) > 0 {
		fmt.Fprintln(table, "\nLOAD BALANCER\tADDRESS\tSTATUS\tPUBLISHED ON")
	}

	for _, b := range status.LoadBalancers {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", b.Name, b.IP, b.Status, b.Published)
	}

	if err := table.Flush(); err != nil {
		return err
	}

	return showSpaces(table, status.SpacesURLs)
}

func showSpaces(table *tabwriter.Writer, urls lab.SpacesURLs) error {
	fmt.Fprintln(table, "\nSPACES\tURL\tFROM DROPLETS")

	for _, region := range slices.Sorted(maps.Keys(urls.FromHost)) {
		fmt.Fprintf(table, "%s\t%s\t%s\n", region, urls.FromHost[region], urls.FromDroplets[region])
	}

	return table.Flush()
}

func newLabResetCommand(name *string) *cobra.Command {
	var yes bool
	command := &cobra.Command{
		Use:   "reset",
		Short: "Remove the lab: Droplets, snapshots, networks, files",
		Long: "Remove all of the lab: Droplets, snapshots, networks, state. Base images stay in the cache that " +
			"labs share. It works on a lab\nthat runs, that crashed, or that an interrupted reset left.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if !yes {
				if err := confirmReset(command, *name); err != nil {
					return err
				}
			}

			if err := lab.Reset(command.Context(), *name, labLogger(command)); err != nil {
				return err
			}

			fmt.Fprintf(command.OutOrStdout(), "lab %s is gone\n", *name)

			return nil
		},
	}
	command.Flags().BoolVar(&yes, "yes", false, "do not ask")

	return command
}

var errNotConfirmed = errors.New("nothing was removed: say --yes to remove the lab without being asked")

func confirmReset(command *cobra.Command, name string) error {
	if in, ok := command.InOrStdin().(*os.File); !ok || !term.IsTerminal(int(in.Fd())) {
		return errNotConfirmed
	}

	fmt.Fprintf(
		command.ErrOrStderr(),
		"Remove all Droplets, snapshots and state of lab %s? [y/N] ",
		name,
	)

	var answer string
	fmt.Fscanln(command.InOrStdin(), &answer)

	if !strings.EqualFold(answer, "y") && !strings.EqualFold(answer, "yes") {
		return errNotConfirmed
	}

	return nil
}

func newLabDoctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Tell what this computer lacks for a lab, and the command that mends it",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if findings := lab.Examine(command.Context()); len(findings) > 0 {
				return labFindings(findings)
			}

			fmt.Fprintln(command.OutOrStdout(), "this computer can run a lab")

			return nil
		},
	}
}

func newLabLaunchCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "launch-droplet SPECIFICATION",
		Short:  "Become a Droplet (the lab itself calls this)",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, arguments []string) error {
			return machine.Launch(arguments[0])
		},
	}
}
