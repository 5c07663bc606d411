package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/certificates"
)

func statusCommand(file *string) *cobra.Command {
	var asJSON, watching bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "show what runs, from which image, how healthy, who writes, and who holds the address",
		Args:  cobra.NoArgs,
		Long: "Exits 0 when every node serves, 3 when one does not. When the API does not answer, the nodes are " +
			"asked where they\nwere last seen: the first line says so, and it exits 1 although all of them serve.\n\n" +
			"With --watch it looks every five seconds until Ctrl-C, and exits 0 then: on a terminal the picture is " +
			"drawn again in place;\nelsewhere, in CI and with NO_COLOR set, each change is a line. With --json each " +
			"report that is not the last is a line.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withFleet(cmd, *file, func(ctx context.Context, f *fleet.Fleet) error {
				if watching {
					return newWatch(cmd.OutOrStdout(), asJSON).run(ctx, f.Status)
				}

				report, err := f.Status(ctx)
				if err != nil {
					return err
				}

				// The report first: an unhealthy stack is what people want to read about.
				if err := printReport(cmd.OutOrStdout(), report, asJSON); err != nil {
					return err
				}

				return statusExit(report)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&watching, "watch", "w", false, "look again and again, until Ctrl-C")

	return cmd
}

// statusExit is 1 for nodes that serve while the API is down: what only the API knows may be wrong.
func statusExit(report fleet.Report) error {
	switch {
	case !report.Healthy():
		return exitUnhealthy
	case report.API != nil:
		return exit(1)
	}

	return nil
}

func printReport(w io.Writer, report fleet.Report, asJSON bool) error {
	images := runningImages(report)
	if asJSON {
		return printJSON(w, statusOutput{report, images})
	}

	// Before all else: what follows is not what it usually is.
	if report.API != nil {
		fmt.Fprintln(w, report.API.Line)
	}

	peers := report.PeerSet
	fmt.Fprintf(w, "stack %s on %s\n", report.Stack, report.Cloud)
	printBalancers(w, report.Balancers)
	printSites(w, report.Sites)
	fmt.Fprintf(w, "peers quorum %v, generation %d, writer %s\n", peers.Quorum, peers.Generation, report.WriterLine())

	if reserved := report.ReservedIP; reserved != nil {
		printReserved(w, *reserved)
	}

	printNodes(w, report.Nodes)
	printRunning(w, images, time.Now())

	for _, line := range report.Expiring {
		fmt.Fprintf(w, "\n%s\n", line)
	}

	if len(peers.Lines) > 0 {
		fmt.Fprintf(w, "\npeer set: %s\n", strings.Join(peers.Lines, "\n          "))
	}

	return nil
}

// printBalancers prints where visitors come in: the one load balancer of a stack, or each by its name.
func printBalancers(w io.Writer, balancers []fleet.BalancerLine) {
	for _, balancer := range balancers {
		where := cmp.Or(balancer.URL, "not made yet")

		if balancer.Name == "" {
			fmt.Fprintf(w, "site  %s\n", where)
			continue
		}

		fmt.Fprintf(w, "load balancer %s of role %s  %s\n", balancer.Name, balancer.Nodes, where)
	}
}

// printSites prints the sites of the stack's own edge, and who serves them.
func printSites(w io.Writer, sites []fleet.SiteLine) {
	for _, site := range sites {
		by := cmp.Or(strings.Join(site.By, ", "), "nobody")
		fmt.Fprintf(w, "site  https://%s  of role %s, by %s\n", site.Names[0], site.Nodes, by)

		if site.Certificate != nil {
			fmt.Fprintf(w, "  certificate  %s\n", certificateLine(*site.Certificate))
		}
	}
}

// certificateLine tells of a certificate that renews itself.
func certificateLine(told certificates.Told) string {
	line := "none yet: visitors get the stack's own"
	if !told.Ends.IsZero() {
		line = fmt.Sprintf(
			"ends %s, is renewed %s",
			told.Ends.UTC().Format(time.DateOnly),
			told.Renews.UTC().Format(time.DateOnly),
		)
	}

	if told.Fallback {
		line += ", by the second authority"
	}

	if wrong := cmp.Or(told.Alarm, told.Trouble); wrong != "" {
		line += "; " + wrong
	}

	if told.Trouble != "" {
		line += "; next try " + told.Next.UTC().Format(time.RFC3339)
	}

	return line
}

// printNodes prints a table whose columns keep their places from one call to the next.
func printNodes(w io.Writer, nodes []fleet.NodeLine) {
	wide, role := 10, 6
	for _, node := range nodes {
		wide = max(wide, len(node.Name))
		role = max(role, len(node.Role))
	}

	fmt.Fprintf(
		w,
		"\n%-*s %-*s %3s  %-9s %-15s %-15s %-12s %-8s %s\n",
		wide,
		"NODE",
		role,
		"ROLE",
		"INC",
		"DROPLET",
		"PUBLIC",
		"PRIVATE",
		"STATE",
		"HEALTHY",
		"IMAGE",
	)

	for _, node := range nodes {
		fmt.Fprintf(
			w,
			"%-*s %-*s %3d  %-9d %-15s %-15s %-12s %-8v %s\n",
			wide,
			node.Name,
			role,
			node.Role,
			node.Incarnation,
			node.DropletID,
			node.Addresses.Public,
			node.Addresses.Private,
			node.State,
			node.Healthy,
			node.Image,
		)

		if !node.Healthy {
			fmt.Fprintf(w, "           %s\n", node.Reason)
		}

		if node.Note != "" {
			// The note's commands name NODE; with the name in its place they can be copied.
			fmt.Fprintf(w, "           %s\n", strings.ReplaceAll(node.Note, "NODE", node.Name))
		}
	}
}
