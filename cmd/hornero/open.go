package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/fleet"
)

// errNoSite is a stack that nobody can open.
var errNoSite = errors.New("the stack has no load balancer; `hornero status` tells its nodes' addresses")

// browser is the program that opens an address in what the user likes to read it with.
const browser = "xdg-open"

func openCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "open [BALANCER]",
		Short: "print the site's address, and open it in a browser where there is a desktop",
		Args:  cobra.MaximumNArgs(1),

		ValidArgsFunction: completeBalancer(file),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withFleet(cmd, *file, func(ctx context.Context, f *fleet.Fleet) error {
				sites, err := f.Sites(ctx)
				if err != nil {
					return err
				}

				site, err := chooseSite(sites, args)
				if err != nil {
					return err
				}

				fmt.Fprintln(cmd.OutOrStdout(), site.URL)

				return browse(ctx, site.URL)
			})
		},
	}
}

// chooseSite is the load balancer of a name, or the first.
func chooseSite(sites []fleet.BalancerLine, words []string) (fleet.BalancerLine, error) {
	if len(sites) == 0 {
		return fleet.BalancerLine{}, errNoSite
	}

	chosen := sites[0]

	if len(words) > 0 {
		var names []string

		for _, site := range sites {
			names = append(names, site.Name)

			if site.Name == words[0] {
				chosen = site
			}
		}

		if chosen.Name != words[0] {
			return chosen, fmt.Errorf("no load balancer %q; it is one of %q", words[0], names)
		}
	}

	if chosen.URL == "" {
		return chosen, errors.New("the load balancer is not there yet; `hornero up` makes it")
	}

	return chosen, nil
}

// browse opens an address where there is a desktop; elsewhere it was printed.
func browse(ctx context.Context, url string) error {
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		return nil
	}

	program, err := exec.LookPath(browser)
	if err != nil {
		return nil
	}

	if err := exec.CommandContext(ctx, program, url).Run(); err != nil {
		return fmt.Errorf("open %s with %s: %w", url, browser, err)
	}

	return nil
}

func completeBalancer(file *string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		s, _, err := loadStack(*file)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		var names []string

		for _, balancer := range s.AllBalancers() {
			if balancer.Name != "" {
				names = append(names, balancer.Name+"\tof role "+balancer.Nodes)
			}
		}

		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
