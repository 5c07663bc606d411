package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/fleet"
)

var errNotAgreed = errors.New("nothing was done: say yes, or give --yes")

func recoverCommand(file *string) *cobra.Command {
	var asJSON, dry, yes bool
	var locked *locking
	command := &cobra.Command{
		Use:   "recover",
		Short: "rebuild the peer set, when the majority of its voters is lost for good",
		Args:  cobra.NoArgs,
		Long: "Asks all members what they hold of the peer set, says what it will do, and rebuilds it from the " +
			"newest. Refuses while it has a quorum, or while a\nmajority of its voters answers. The " +
			"databases' data is not " +
			"touched, and traffic goes on all the while. To run it twice does no harm.",
	}

	command.RunE = func(cmd *cobra.Command, _ []string) error {
		return withFleet(cmd, *file, func(ctx context.Context, f *fleet.Fleet) error {
			out := cmd.OutOrStdout()
			plan, err := f.PlanRecovery(ctx)
			if plan.Survivors == nil {
				return err // nobody was asked
			}

			// What was found is printed also when it is the reason to refuse.
			if err != nil || dry || !asJSON {
				err := errors.Join(printRecovery(out, plan, asJSON), err)
				if err != nil || dry {
					return err
				}
			}

			if !yes && !agreedToRebuild(cmd.InOrStdin(), cmd.ErrOrStderr()) {
				return errNotAgreed
			}

			err = locked.change(ctx, cmd, f, func(ctx context.Context) (err error) {
				plan, err = f.Recover(ctx, plan)
				return err
			})
			if err != nil || !asJSON {
				return err
			}

			return printRecovery(out, plan, asJSON)
		})
	}

	locked = lockFlags(command)
	flags := command.Flags()
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	flags.BoolVar(&dry, "dry-run", false, "only say what would be done")
	flags.BoolVar(&yes, "yes", false, "do not ask")

	return command
}

func agreedToRebuild(stdin io.Reader, stderr io.Writer) bool {
	// Asked on standard error: standard output may be read by a program.
	const question = "Are the voters that do not answer lost for good? Type yes to rebuild the peer set without them: "
	fmt.Fprint(stderr, question)

	line, err := bufio.NewReader(stdin).ReadString('\n')

	// Only the whole word: a stray Return must not rebuild anything.
	return err == nil && strings.TrimSpace(line) == "yes"
}

func printRecovery(w io.Writer, plan fleet.Recovery, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(plan)
	}

	for _, survivor := range plan.Survivors {
		fmt.Fprintf(w,
			"%-12s %-9s era %d, term %d, index %d\n",
			survivor.Node,
			survivor.Role,
			survivor.Era,
			survivor.Term,
			survivor.Index,
		)
	}

	for _, node := range slices.Sorted(maps.Keys(plan.Unanswered)) {
		fmt.Fprintf(w, "%-12s does not answer: %s\n", node, plan.Unanswered[node])
	}

	for _, step := range plan.Steps {
		fmt.Fprintln(w, "-", step)
	}

	return nil
}
