package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/stack"
)

const rollHelp = `Replaces the nodes of a role that are not as stack.yaml, the secrets and the newest image have them:
those that "hornero plan" says are to be replaced. The site serves meanwhile.

  rolling      an extra node comes first, beside the others, and is watched (--soak). If it is bad it is removed, its
               image is marked, and the command exits with 6: nothing else was touched. Else the nodes are replaced one
               after the other, and the extra one goes.
  canary       ends after the extra node, which gets its part of the traffic: with --share at least so many percent,
               by as many extra nodes as that takes. Behind an edge of the stack's own it is that share and no more, and
               the same command with another one changes it. --promote goes on, --abort goes back.
  blue-green   launches as many new nodes as there are, without traffic. When all are good they get all of it at once,
               are watched with it, and the old ones run on without: --abort switches back, --drop-old (or --promote)
               replaces them.

Bad is a node that refuses its user-data, is not healthy by --timeout or not any more, whose services are started again
three times, whose files change, that answers with more errors or slower than the old nodes (300 requests on both
sides), that holds the database's writer up, or during whose watch the site fails for five seconds. Is it a later node
that is bad, all go back to the image that they had, and the command exits with 6, too. While a database's state moves
into a node, --timeout stands still.

--image names another image and writes it into stack.yaml: a number, ROLE~1 for the one before the newest, or "newest",
which takes the line out again. An image that was marked is used again after "hornero images accept".`

// rollFlags are what a roll can be told.
type rollFlags struct {
	fleet.Roll
	image          string
	promote, abort bool
	timeout, soak  time.Duration
	confirmed      *confirmation
	locked         *locking
}

func rollCommand(file *string) *cobra.Command {
	var asked rollFlags
	cmd := &cobra.Command{
		Use:   "roll ROLE",
		Short: "replace the nodes of a role one after the other, behind one that goes first",
		Long:  rollHelp,
		Example: "  hornero roll web\n" +
			"  hornero roll web --strategy canary --share 10%\n" +
			"  hornero roll web --image web~1   # back to the image before",
		Args: cobra.ExactArgs(1),

		ValidArgsFunction: completeStackRole(file),
		RunE: func(cmd *cobra.Command, args []string) error {
			asked.Role = args[0]

			if err := asked.check(); err != nil {
				return err
			}

			return withFleet(cmd, *file, func(ctx context.Context, f *fleet.Fleet) error {
				f.Timeout = asked.timeout
				f.Soak = asked.soak
				f.Confirm = asked.confirmed.of(f.Stack.Name, cmd.InOrStdin(), cmd.ErrOrStderr())

				return asked.locked.change(ctx, cmd, f, func(ctx context.Context) error {
					return asked.run(ctx, cmd, *file, f)
				})
			})
		},
	}
	asked.add(cmd)

	return cmd
}

func (r *rollFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&r.Strategy, "strategy", fleet.StrategyRolling, "rolling, canary or blue-green")
	flags.Var((*percent)(&r.Share), "share", "what part of the traffic a canary gets at least, in percent, as in 10%")
	flags.BoolVar(&r.All, "all", false, "replace also the nodes that are as wanted")
	flags.BoolVar(&r.NoExtra, "no-extra", false, "launch no extra node first: less cost, and no way back")
	flags.StringVar(&r.image, "image", "", "write this image into stack.yaml first: NUMBER, ROLE~1 or newest")
	flags.BoolVar(&r.promote, "promote", false, "go on with a roll that stands")
	flags.BoolVar(&r.promote, "drop-old", false, "the same as --promote: replace the nodes without traffic")
	flags.BoolVar(&r.abort, "abort", false, "go back from a roll that stands")
	timeoutFlag(cmd, &r.timeout)
	soakFlag(cmd, &r.soak)
	r.confirmed = confirmFlags(cmd)
	r.locked = lockFlags(cmd)

	for _, other := range []string{"image", "strategy"} {
		cmd.MarkFlagsMutuallyExclusive("promote", "drop-old", "abort", other)
	}

	_ = cmd.RegisterFlagCompletionFunc("strategy", cobra.FixedCompletions(
		strategies,
		cobra.ShellCompDirectiveNoFileComp,
	))
}

// percent is a flag's number that may end in a sign for percent.
type percent int

func (p *percent) String() string { return strconv.Itoa(int(*p)) }

func (p *percent) Type() string { return "percent" }

func (p *percent) Set(text string) error {
	number, err := strconv.Atoi(strings.TrimSuffix(text, "%"))
	if err != nil {
		return fmt.Errorf("%q is no number of percent, as in 10%%", text)
	}

	*p = percent(number)

	return nil
}

// strategies are those of --strategy.
var strategies = []string{fleet.StrategyRolling, fleet.StrategyCanary, fleet.StrategyBlueGreen}

// check refuses what cannot be meant.
func (r *rollFlags) check() error {
	switch {
	case !slices.Contains(strategies, r.Strategy):
		return fmt.Errorf("--strategy %s: it is one of %s", r.Strategy, strings.Join(strategies, ", "))
	case r.Share < 0 || r.Share > 50:
		return fmt.Errorf("--share %d: it is 1 to 50 percent", r.Share)
	case r.Share > 0 && r.Strategy != fleet.StrategyCanary:
		return errors.New("--share is of a canary: say --strategy canary, too")
	case r.NoExtra && r.Strategy != fleet.StrategyRolling:
		return fmt.Errorf("%s is by extra nodes: --no-extra does not go with it", r.Strategy)
	}

	return nil
}

func (r *rollFlags) run(ctx context.Context, cmd *cobra.Command, file string, f *fleet.Fleet) error {
	switch {
	case r.promote:
		return f.Promote(ctx, r.Role)
	case r.abort:
		return f.Abort(ctx, r.Role, func(_ context.Context, images map[string]int) error {
			return renameImages(cmd, file, f, images)
		})
	case r.image != "":
		restore, err := r.writeImage(ctx, cmd, file, f)
		if err != nil {
			return err
		}

		r.Restore = restore
	}

	return f.Roll(ctx, r.Roll)
}

// writeImage makes all groups of the role name the image. What it returns makes them name again what they named before.
func (r *rollFlags) writeImage(
	ctx context.Context,
	cmd *cobra.Command,
	file string,
	f *fleet.Fleet,
) (func(context.Context) error, error) {
	image, err := f.ImageNamed(ctx, r.Role, r.image)
	if err != nil {
		return nil, err
	}

	var edits []stack.Edit

	back := map[string]int{}

	for _, group := range f.Stack.Nodes {
		if group.Role == r.Role && group.Image != image {
			edits = append(edits, stack.Edit{
				Group: group.Name,
				Key:   "image",
				Value: image,
			})

			back[group.Name] = group.Image
		}
	}

	edited, err := editStack(f, file, edits)
	if err != nil {
		return nil, err
	}

	if err := f.Check(ctx); err != nil {
		return nil, fmt.Errorf("%w; %s is as it was", err, file)
	}

	restore := func(context.Context) error {
		return renameImages(cmd, file, f, back)
	}

	return restore, writeEdits(cmd, file, edited, edits)
}

// renameImages makes groups name other images in stack.yaml; 0 is the newest, which nothing names.
func renameImages(cmd *cobra.Command, file string, f *fleet.Fleet, images map[string]int) error {
	var edits []stack.Edit

	for _, group := range slices.Sorted(maps.Keys(images)) {
		edits = append(edits, stack.Edit{
			Group: group,
			Key:   "image",
			Value: images[group],
		})
	}

	edited, err := editStack(f, file, edits)
	if err != nil {
		return err
	}

	return writeEdits(cmd, file, edited, edits)
}

// completeStackRole completes the roles of the stack.
func completeStackRole(file *string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		s, _, err := loadStack(*file)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		return slices.Sorted(maps.Keys(s.Expected())), cobra.ShellCompDirectiveNoFileComp
	}
}
