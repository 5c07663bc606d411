package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/stack"
)

const scaleHelp = `Writes how many nodes groups have into stack.yaml (comments and order stay), and brings it about as
"hornero up" does: new nodes are launched; of those that are too many the highest numbers go, one after the other. Each
hands over, leaves the peer set and is deleted.

The copy of the data of a database node goes with it: that is asked for, or said with --confirm=STACK.`

func scaleCommand(file *string) *cobra.Command {
	var timeout, soak time.Duration
	var confirmed *confirmation
	var locked *locking
	cmd := &cobra.Command{
		Use:     "scale GROUP=COUNT...",
		Short:   "change how many nodes a group has: in stack.yaml, and in the cloud",
		Long:    scaleHelp,
		Example: "  hornero scale web=5\n  hornero scale web=2 db=3 --confirm=blog",
		Args:    cobra.MinimumNArgs(1),

		ValidArgsFunction: completeGroupCount(file),
		RunE: func(cmd *cobra.Command, args []string) error {
			edits, err := countsOf(args)
			if err != nil {
				return err
			}

			return withEdits(cmd, *file, edits, locked, func(f *fleet.Fleet) {
				f.Timeout = timeout
				f.Soak = soak
				f.Confirm = confirmed.of(f.Stack.Name, cmd.InOrStdin(), cmd.ErrOrStderr())
			})
		},
	}
	timeoutFlag(cmd, &timeout)
	soakFlag(cmd, &soak)
	confirmed = confirmFlags(cmd)
	locked = lockFlags(cmd)

	return cmd
}

// countsOf reads "web=5".
func countsOf(args []string) ([]stack.Edit, error) {
	var edits []stack.Edit

	for _, arg := range args {
		group, text, ok := strings.Cut(arg, "=")
		count, err := strconv.Atoi(text)

		if !ok || group == "" || err != nil || count < 1 {
			return nil, fmt.Errorf("%q: write GROUP=COUNT, as in web=5; a group goes by leaving stack.yaml", arg)
		}

		same := func(edit stack.Edit) bool { return edit.Group == group }
		if slices.ContainsFunc(edits, same) {
			return nil, fmt.Errorf("%s: group %s is there twice", arg, group)
		}

		edits = append(edits, stack.Edit{
			Group: group,
			Key:   "count",
			Value: count,
		})
	}

	return edits, nil
}

// withEdits makes changes in stack.yaml, and brings the stack to what it says then. Where that is refused before
// anything is touched, the file stays as it is.
func withEdits(
	cmd *cobra.Command,
	file string,
	edits []stack.Edit,
	locked *locking,
	prepare func(*fleet.Fleet),
) error {
	return withFleet(cmd, file, func(ctx context.Context, f *fleet.Fleet) error {
		edited, err := editStack(f, file, edits)
		if err != nil {
			return err
		}

		prepare(f)

		return locked.change(ctx, cmd, f, func(ctx context.Context) error {
			if err := f.Check(ctx); err != nil {
				return fmt.Errorf("%w; %s is as it was", err, file)
			}

			if err := writeEdits(cmd, file, edited, edits); err != nil {
				return err
			}

			return runUp(ctx, cmd, f, locked)
		})
	})
}

// editStack changes a fleet's stack, and no file yet.
func editStack(f *fleet.Fleet, file string, edits []stack.Edit) (*stack.Edited, error) {
	edited, err := stack.EditFile(file, f.Manifests, edits...)
	if err != nil {
		return nil, err
	}

	// What CLOUD says goes before what the file says, as everywhere.
	edited.Stack.Cloud = f.Stack.Cloud
	f.Stack = edited.Stack

	return edited, nil
}

func writeEdits(cmd *cobra.Command, file string, edited *stack.Edited, edits []stack.Edit) error {
	if err := edited.Write(); err != nil {
		return err
	}

	for _, edit := range edits {
		said := strconv.Itoa(edit.Value)
		if edit.Value == 0 {
			said = "not set"
		}

		fmt.Fprintf(cmd.ErrOrStderr(), "%s: group %s: %s is %s\n", file, edit.Group, edit.Key, said)
	}

	return nil
}

// completeGroupCount completes "web=".
func completeGroupCount(file *string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		s, _, err := loadStack(*file)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		var groups []string
		for _, group := range s.Nodes {
			groups = append(groups, fmt.Sprintf("%s=\t%d nodes of role %s now", group.Name, group.Count, group.Role))
		}

		return groups, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}
