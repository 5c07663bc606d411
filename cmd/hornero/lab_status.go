package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/lab"
)

func newLabStatusCommand(name *labFlag) *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "status",
		Short: "Show whether the lab runs, and its Droplets and load balancers",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			choice, err := name.choose()
			if err != nil {
				return err
			}

			status, err := lab.StatusOf(command.Context(), choice.Name)
			if err != nil {
				return err
			}

			if asJSON {
				return printJSON(command.OutOrStdout(), status)
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
		showOwner(out, status)

		return nil
	}

	fmt.Fprintf(out, "lab %s runs (process %d)\n", status.Name, status.PID)
	showOwner(out, status)
	fmt.Fprintf(out, "url     %s\n", status.URL)
	fmt.Fprintf(out, "token   %s\n", status.TokenFile)
	fmt.Fprintf(out, "public  %s\n", status.PublicRange)
	fmt.Fprintf(out, "pace    %s\n", status.Pace)

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

	if err := showSpaces(table, status.SpacesURLs); err != nil {
		return err
	}

	return showACME(table, status.ACMEURLs)
}

// showOwner tells whose the lab is. A lab that was started where there is no stack has no owner.
func showOwner(out io.Writer, status lab.Status) {
	if status.Owner != "" {
		fmt.Fprintf(out, "owner   %s\n", status.Owner)
	}
}

func showACME(table *tabwriter.Writer, urls lab.ACMEURLs) error {
	// One that was started by an earlier version has none.
	if urls.Directory == "" {
		return nil
	}

	fmt.Fprintf(table, "\nACME\tURL\tFROM DROPLETS\n\t%s\t%s\n", urls.Directory, urls.DropletDirectory)

	return table.Flush()
}

func showSpaces(table *tabwriter.Writer, urls lab.SpacesURLs) error {
	fmt.Fprintln(table, "\nSPACES\tURL\tFROM DROPLETS")

	for _, region := range slices.Sorted(maps.Keys(urls.FromHost)) {
		fmt.Fprintf(table, "%s\t%s\t%s\n", region, urls.FromHost[region], urls.FromDroplets[region])
	}

	return table.Flush()
}
