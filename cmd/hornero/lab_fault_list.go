package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/lab/state"
)

func (f *faultCommands) list() *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "list",
		Short: "Show what is broken",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			endpoint, err := f.lab.locate()
			if err != nil {
				return err
			}

			faults, err := endpoint.Faults(command.Context())
			if err != nil {
				return err
			}

			if asJSON {
				return printJSON(command.OutOrStdout(), faults)
			}

			table := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "FAULT\tSINCE\tWHAT")

			for _, fault := range faults {
				since := fault.Created.Local().Format(time.TimeOnly)
				fmt.Fprintf(table, "%s\t%s\t%s\n", fault.Name, since, describeFault(fault))
			}

			return table.Flush()
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")

	return command
}

// describeFault tells a fault in a line: its kind, whom it hurts, and how.
func describeFault(fault state.Fault) string {
	parts := []string{fault.Kind}
	add := func(present bool, text string) {
		if present {
			parts = append(parts, text)
		}
	}

	for _, group := range fault.Groups {
		list := strings.ReplaceAll(fmt.Sprint(group), " ", ",")
		add(true, strings.Trim(list, "[]"))
	}

	add(fault.Percent > 0, fmt.Sprintf("%d %%", fault.Percent))
	add(fault.Network != "", "on "+fault.Network)
	add(fault.Match != "", fault.Match)
	add(fault.Status != 0, fmt.Sprintf("answers %d", fault.Status))
	add(fault.Delay != 0, "after "+fault.Delay.String())
	add(fault.Jitter != 0, "+- "+fault.Jitter.String())
	add(fault.Step != 0, "by "+fault.Step.String())
	add(fault.Cut, "cut short")
	add(fault.Leave != 0, fmt.Sprintf("but for %d bytes", fault.Leave))
	add(fault.Hang, "never answered")
	add(fault.Action != "", fault.Action+" "+fault.Outcome)
	add(!fault.Until.IsZero(), "until "+fault.Until.Local().Format(time.TimeOnly))

	return strings.Join(parts, " ")
}

func (f *faultCommands) lift() *cobra.Command {
	var all bool
	command := &cobra.Command{
		Use:               "lift FAULT...",
		Short:             "End faults by their names",
		ValidArgsFunction: f.completeFaults,
		RunE: func(command *cobra.Command, names []string) error {
			if all == (len(names) > 0) {
				return fmt.Errorf("say which faults to lift, or --all; `hornero lab fault list` names them")
			}

			endpoint, err := f.lab.locate()
			if err != nil {
				return err
			}

			if all {
				names = []string{""}
			}

			for _, name := range names {
				if err := endpoint.Lift(command.Context(), name); err != nil {
					return err
				}
			}

			return nil
		},
	}
	command.Flags().BoolVar(&all, "all", false, "end all of them")

	return command
}

func (f *faultCommands) completeFaults(
	command *cobra.Command,
	given []string,
	_ string,
) ([]string, cobra.ShellCompDirective) {
	endpoint, err := f.lab.locate()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}

	faults, err := endpoint.Faults(command.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}

	names := []string{}

	for _, fault := range faults {
		if !slices.Contains(given, fault.Name) {
			names = append(names, fault.Name)
		}
	}

	return names, cobra.ShellCompDirectiveNoFileComp
}
