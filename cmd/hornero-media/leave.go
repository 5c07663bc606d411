package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/media"
)

// keepStatus is the exit status that keeps a node (EX_TEMPFAIL of sysexits.h), as guards of manifests have it.
const keepStatus = 75

// errKeep is a node that may not be taken away.
var errKeep = errors.New("this node may not be taken away")

// statusOf is the exit status for an error.
func statusOf(err error) int {
	if errors.Is(err, errKeep) {
		return keepStatus
	}

	return 1
}

func leaveCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "leave",
		Short: "Tell whether this node may be taken away: exit status 75 while it has what nobody else has",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			held, err := media.AskHeld(cmd.Context(), o.socket)

			// A daemon that does not run has written down what the node has.
			if errors.Is(err, media.ErrSilent) {
				held, err = media.ReadHeld(o.config)
			}

			if err != nil {
				return err
			}

			return mayLeave(held)
		},
	}
}

// mayLeave names what keeps the node.
func mayLeave(held media.Held) error {
	if held.Count == 0 {
		return nil
	}

	names := strings.Join(held.Paths, ", ")
	if more := held.Count - len(held.Paths); more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}

	return fmt.Errorf("%w: %d files are kept nowhere else: %s", errKeep, held.Count, names)
}
