package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hornero/hornero/lab"
	"github.com/hornero/hornero/lab/machine"
)

// newLabCommand is `hornero lab`: the DigitalOcean on this computer.
func newLabCommand(file *string) *cobra.Command {
	command := &cobra.Command{
		Use:   "lab",
		Short: "A DigitalOcean on this computer: its API on loopback, its Droplets in containers",
		Long: "A DigitalOcean on this computer: its API on loopback, its Droplets in containers.\n\n" +
			"Each lab has its own Droplets and public range. --name or the environment's LAB names the one that is " +
			"meant. Without them it is\nthat of the folder of the stack's file (-f, or the nearest stack.yaml " +
			"upwards from the current folder): lab default for the first\nfolder that starts one, and a lab " +
			"called after the folder for each other. `hornero lab status` shows the name and the owner.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}

	name := &labFlag{file: file}
	usage := "the lab's name (default: the environment's LAB, or the lab of the stack's folder)"
	command.PersistentFlags().StringVar(&name.name, "name", "", usage)

	command.AddCommand(
		newLabStartCommand(name),
		newLabStopCommand(name),
		newLabStatusCommand(name),
		newLabLogsCommand(name),
		newLabConsoleCommand(name),
		newLabResetCommand(name),
		newLabDoctorCommand(),
		newLabFaultCommand(name),
		newLabEnvCommand(name),
		newLabTokenCommand(name),
		newLabLaunchCommand(),
	)

	return command
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

func newLabStopCommand(name *labFlag) *cobra.Command {
	return &cobra.Command{
		Use:   "stop",
		Short: "Power off all Droplets and end the lab; its state is kept",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			choice, err := name.choose()
			if err != nil {
				return err
			}

			ended, err := lab.Stop(command.Context(), choice.Name, labLogger(command))
			if err != nil {
				return err
			}

			if !ended {
				fmt.Fprintf(command.OutOrStdout(), "lab %s is not running\n", choice.Name)
				return nil
			}

			const stopped = "lab %s stopped: its Droplets are off, its state is kept; " +
				"`hornero lab start` boots them again\n"
			fmt.Fprintf(command.OutOrStdout(), stopped, choice.Name)

			return nil
		},
	}
}

func newLabResetCommand(name *labFlag) *cobra.Command {
	var yes bool
	command := &cobra.Command{
		Use:   "reset",
		Short: "Remove the lab: Droplets, snapshots, networks, files",
		Long: "Remove all of the lab: Droplets, snapshots, networks, state. Base images stay in the cache that " +
			"labs share. It works on a lab\nthat runs, that crashed, or that an interrupted reset left. One that " +
			"belongs to another folder must be named.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			choice, err := name.choose()
			if err != nil {
				return err
			}

			if err := choice.mayReset(); err != nil {
				return err
			}

			if !yes {
				if err := confirmReset(command, choice.Name); err != nil {
					return err
				}
			}

			if err := lab.Reset(command.Context(), choice.Name, labLogger(command)); err != nil {
				return err
			}

			fmt.Fprintf(command.OutOrStdout(), "lab %s is gone\n", choice.Name)

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

	fmt.Fprintf(command.ErrOrStderr(), "Remove all Droplets, snapshots and state of lab %s? [y/N] ", name)

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
