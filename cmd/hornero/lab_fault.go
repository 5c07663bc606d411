package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/lab"
	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/lab/state"
)

// newLabFaultCommand is `hornero lab fault`: what can be broken on purpose.
func newLabFaultCommand(name *labFlag) *cobra.Command {
	command := &cobra.Command{
		Use:   "fault",
		Short: "Break something on purpose: Droplets, their network, their clocks, the API",
		Long: "Break something on purpose. Each fault has a name, is listed, and lasts until it is lifted by " +
			"it, by --for, or with the\n" +
			"Droplets that it hurts. A kill is over when it is done. Droplets are given by id or name, several " +
			"with commas between.",
		Example: "  hornero lab fault kill db-1\n  hornero lab fault partition db-1 db-2,db-3 --for 30s\n  " +
			"hornero lab fault loss db-1 --percent 20 --network vpc\n" +
			"  hornero lab fault delay db-1 --by 40ms --jitter 5ms\n  hornero lab fault clock web-1 --step -1h\n" +
			"  hornero lab fault api 'POST /v2/droplets' --status 503 --count 2\n  hornero lab fault action " +
			"snapshot --outcome errs\n" +
			"  hornero lab fault list\n  hornero lab fault lift partition-1",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}

	f := &faultCommands{lab: name}
	command.AddCommand(f.kill(), f.list(), f.lift(),
		f.droplets(
			"freeze DROPLETS",
			"All processes of Droplets stand still",
			state.FaultFreeze,
			cobra.ExactArgs(1),
		),
		f.droplets(
			"fill DROPLETS",
			"The disks of Droplets are full, for root as well",
			state.FaultFill,
			cobra.ExactArgs(1),
		),
		f.droplets(
			"cut DROPLETS",
			"No packet reaches Droplets or leaves them",
			state.FaultCut,
			cobra.ExactArgs(1),
		),
		f.droplets(
			"partition DROPLETS DROPLETS...",
			"Groups of Droplets don't reach each other",
			state.FaultPartition,
			cobra.MinimumNArgs(2),
		),
		f.droplets(
			"oneway DROPLETS [DROPLETS]",
			"Packets from the first to the second (or to anybody) are lost; the others are not",
			state.FaultOneWay,
			cobra.RangeArgs(1, 2),
		),
		f.droplets(
			"loss DROPLETS [DROPLETS]",
			"A part of the packets between the two (or of all) is lost",
			state.FaultLoss,
			cobra.RangeArgs(1, 2),
		),
		f.droplets(
			"delay DROPLETS",
			"Packets to Droplets and from them come later, each way",
			state.FaultDelay,
			cobra.ExactArgs(1),
		),
		f.droplets(
			"clock DROPLETS",
			"Programs that start in Droplets see another time; static ones, and those that run, do not",
			state.FaultClock,
			cobra.ExactArgs(1),
		),
		f.api(), f.action())

	return command
}

// faultCommands make the commands for the faults of a lab.
type faultCommands struct {
	lab *labFlag
}

// inflict breaks something and says by what name it is lifted.
func (f *faultCommands) inflict(command *cobra.Command, request api.FaultRequest) error {
	endpoint, err := f.lab.locate()
	if err != nil {
		return err
	}

	fault, err := endpoint.Break(command.Context(), request)
	if err != nil {
		return err
	}

	fmt.Fprintf(command.OutOrStdout(), "%s; `hornero lab fault lift %s` ends it\n", fault.Name, fault.Name)

	return nil
}

func (f *faultCommands) common(command *cobra.Command, request *api.FaultRequest) *cobra.Command {
	flags := command.Flags()
	flags.StringVar(&request.Name, "as", "", "the fault's name (default: its kind and a number)")
	flags.StringVar(&request.For, "for", "", "lift it by itself after this long, as in 30s")

	return command
}

func (f *faultCommands) droplets(use, short, kind string, arguments cobra.PositionalArgs) *cobra.Command {
	request := api.FaultRequest{Kind: kind}
	command := f.common(&cobra.Command{
		Use:               use,
		Short:             short,
		Args:              arguments,
		ValidArgsFunction: f.completeDroplets,
		RunE: func(command *cobra.Command, arguments []string) error {
			for _, argument := range arguments {
				group, err := f.group(command, argument)
				if err != nil {
					return err
				}

				request.Groups = append(request.Groups, group)
			}

			return f.inflict(command, request)
		},
	}, &request)
	if kind != state.FaultFreeze && kind != state.FaultFill && kind != state.FaultClock {
		command.Flags().StringVar(
			&request.Network,
			"network",
			"",
			"only this one: public or vpc (default: both)",
		)
	}

	switch kind {
	case state.FaultLoss:
		command.Flags().IntVar(
			&request.Percent,
			"percent",
			10,
			"how many of the packets, in percent",
		)

	case state.FaultFill:
		command.Flags().Int64Var(&request.Leave, "leave", 0, "how much stays free, in bytes")

	case state.FaultDelay:
		command.Flags().StringVar(
			&request.Delay,
			"by",
			"40ms",
			"how much later: a round trip over one such link takes twice as much longer",
		)

		command.Flags().StringVar(
			&request.Jitter,
			"jitter",
			"",
			"by how much the delay varies up and down, as in 5ms; packets keep their order",
		)

	case state.FaultClock:
		command.Flags().StringVar(
			&request.Step,
			"step",
			"-1h",
			"how far away from the true time, back with a minus",
		)
	}

	return command
}

// group finds the Droplets of an argument such as db-1,db-2.
func (f *faultCommands) group(command *cobra.Command, argument string) ([]int, error) {
	choice, err := f.lab.choose()
	if err != nil {
		return nil, err
	}

	group := []int{}

	for wanted := range strings.SplitSeq(argument, ",") {
		droplet, err := findLabDroplet(command.Context(), choice.Name, strings.TrimSpace(wanted))
		if err != nil {
			return nil, err
		}

		group = append(group, droplet.ID)
	}

	return group, nil
}

func (f *faultCommands) completeDroplets(
	command *cobra.Command,
	_ []string,
	_ string,
) ([]string, cobra.ShellCompDirective) {
	choice, err := f.lab.choose()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}

	status, err := lab.StatusOf(command.Context(), choice.Name)
	names := []string{}

	for _, droplet := range status.Droplets {
		names = append(names, droplet.Name)
	}

	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}

	return names, cobra.ShellCompDirectiveNoFileComp
}

func (f *faultCommands) kill() *cobra.Command {
	return &cobra.Command{
		Use: "kill DROPLETS",
		Short: "Lose Droplets' machines at once, as in a fire: links first, then " +
			"every process",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.completeDroplets,
		RunE: func(command *cobra.Command, arguments []string) error {
			group, err := f.group(command, arguments[0])
			if err != nil {
				return err
			}

			endpoint, err := f.lab.locate()
			if err != nil {
				return err
			}

			for _, id := range group {
				if err := endpoint.Kill(command.Context(), id); err != nil {
					return err
				}
			}

			return nil
		},
	}
}

func (f *faultCommands) api() *cobra.Command {
	request := api.FaultRequest{Kind: state.FaultAPI}
	command := f.common(&cobra.Command{
		Use:   "api 'METHOD PATH'",
		Short: "Answer requests wrongly, late, by half or not at all",
		Long: "Answer requests wrongly, late, by half or not at all. * stands for any method and for any one " +
			"part of a path, /** at the\n" +
			"end for all beneath it. The lab's own paths are spared.",
		Example: "  hornero lab fault api 'GET /v2/images/*/actions/*' --after 2 --status 403\n  hornero lab " +
			"fault api '* /v2/**' --delay 2s --chance 20",
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			request.Match = arguments[0]
			return f.inflict(command, request)
		},
	}, &request)

	const statusHelp = "answer with this status, 400 to 599, and an error in DigitalOcean's shape"
	flags := command.Flags()
	flags.IntVar(&request.Status, "status", 0, statusHelp)
	flags.StringVar(&request.Delay, "delay", "", "answer after this long, as in 2s")
	flags.BoolVar(&request.Cut, "cut", false, "do what is asked, and end the answer in its middle")
	flags.BoolVar(&request.Hang, "hang", false, "do nothing, and never answer")
	flags.IntVar(&request.After, "after", 0, "let this many requests pass first")
	flags.IntVar(&request.Count, "count", 0, "hurt this many requests (default: all)")
	flags.IntVar(&request.Chance, "chance", 0, "hurt this part of the requests, in percent (default: all)")

	return command
}

func (f *faultCommands) action() *cobra.Command {
	request := api.FaultRequest{Kind: state.FaultAction}
	command := f.common(&cobra.Command{
		Use:   "action TYPE",
		Short: "Actions of a type, such as snapshot or create, don't end or err",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			request.Action = arguments[0]
			return f.inflict(command, request)
		},
	}, &request)

	command.Flags().StringVar(
		&request.Outcome,
		"outcome",
		api.OutcomeHangs,
		"hangs: they go on until the fault is lifted; errs: they end errored",
	)

	return command
}
