package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/fleet"
)

const healHelp = `Makes nodes anew that died, one at a time. Dead is a node whose Droplet is gone, or one that is silent
for --silence to this machine and to its peers. A Droplet that is off is turned on once first. A node that starts, is
not healthy and says why, or is only out of reach from here is left alone: "hornero status" shows it.

It stops, with exit code 4, when more than a third of the nodes are down, when two roles have no node left, when the
peer set has no quorum, or when a node died again after three new ones (5, 15 and 45 minutes apart). A database node is
only made anew while two others hold the data.

Run it outside of the stack: in CI, from cron (--once), or as a service of a machine of your own (--watch).`

func healCommand(file *string) *cobra.Command {
	var timeout, silence time.Duration
	var once, watch bool
	cmd := &cobra.Command{
		Use:     "heal",
		Short:   "make nodes anew that died, within limits",
		Long:    healHelp,
		Example: "  hornero heal\n  hornero heal --watch",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withFleet(cmd, *file, func(ctx context.Context, f *fleet.Fleet) error {
				f.Timeout = timeout
				healer := &fleet.Healer{
					Fleet:   f,
					Silence: silence,
				}

				if watch {
					return healer.Watch(ctx)
				}

				return healOnce(ctx, cmd, healer)
			})
		},
	}
	timeoutFlag(cmd, &timeout)
	cmd.Flags().BoolVar(&once, "once", false, "heal what is dead now, and end (what it does without --watch)")
	cmd.Flags().BoolVar(&watch, "watch", false, "go on until it is interrupted")
	cmd.Flags().DurationVar(&silence, "silence", fleet.DefaultDeadAfter, "how long a node has to be silent to be dead")
	cmd.MarkFlagsMutuallyExclusive("once", "watch")

	return cmd
}

func healOnce(ctx context.Context, cmd *cobra.Command, healer *fleet.Healer) error {
	healed, err := healer.Once(ctx)

	if len(healed) > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "made anew: %s\n", strings.Join(healed, ", "))
	}

	if err == nil && len(healed) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "every node is there and answers")
	}

	if errors.Is(err, context.Canceled) {
		return ctx.Err()
	}

	return err
}
