package fleet

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/roles"
)

var (
	// ErrNoWriter means that no node holds the lease under which a command is to run.
	ErrNoWriter = errors.New("no node holds the lease")
	// ErrGroup means that the group is missing, or is none of the role, whose node is to run a command.
	ErrGroup = errors.New("--group")
	// ErrNoneHealthy means that no node of a role is healthy.
	ErrNoneHealthy = errors.New("no node is healthy")
)

// leaseWriter is a role's own name of the lease of the database node that takes the writes.
const leaseWriter = "writer"

// Command runs what an operator asks of a role, where the role's manifest says, and returns its exit code: on several
// nodes, the first that is not 0. The words follow those of the manifest.
func (f *Fleet) Command(
	ctx context.Context,
	role string,
	asked roles.Command,
	words []string,
	input io.Reader,
	stdout, stderr io.Writer,
) (int, error) {
	members, err := f.reachable(ctx)
	if err != nil {
		return 0, err
	}

	members, err = f.inGroup(role, asked, members)
	if err != nil {
		return 0, fmt.Errorf(
			"run %s: %w",
			asked.Name,
			err,
		)
	}

	// Only what the manifest says is read: what is left of a terminal's input stays there.
	if cmp.Or(asked.Input, roles.InputNone) == roles.InputNone {
		input = nil
	}

	// SSH carries one string, which a shell on the node splits: quoted, the words arrive as they are.
	line := command.Quote(slices.Concat(asked.Run, words))

	if asked.On == roles.OnAll {
		return f.onAll(ctx, role, members, line, input, stdout, stderr)
	}

	m, err := f.whoRuns(ctx, role, asked, members)
	if err != nil {
		return 0, fmt.Errorf("run %s: %w", asked.Name, err)
	}

	if asked.Input == roles.InputTerminal {
		return f.runOn(ctx, m, line, input, stdout, stderr)
	}

	return f.shell.run(ctx, m, line, input, stdout, stderr)
}

// inGroup leaves out the role's nodes of other groups than the one that is named. Groups with schemas of their own are
// sites of their own: none is asked by chance.
func (f *Fleet) inGroup(role string, asked roles.Command, members []member) ([]member, error) {
	groups := f.Stack.GroupsOf(role)
	several := f.Stack.SeveralSchemas(f.manifest(role))
	anywhere := asked.On == roles.OnAll || asked.Lease != ""

	switch {
	case f.Group == "" && (anywhere || !several):
		return members, nil
	case f.Group == "":
		return nil, fmt.Errorf(
			"%w: the groups of role %s have a database each; say one of %s",
			ErrGroup,
			role,
			strings.Join(groups, ", "),
		)
	case anywhere:
		return nil, fmt.Errorf(
			"%w: the command runs where the role's manifest says; leave it out",
			ErrGroup,
		)
	case !slices.Contains(groups, f.Group):
		return nil, fmt.Errorf(
			"%w: role %s has no group %q; say one of %s",
			ErrGroup,
			role,
			f.Group,
			strings.Join(groups, ", "),
		)
	}

	isOther := func(m member) bool {
		node, err := f.Stack.Node(m.Node)
		here := err == nil && node.Group == f.Group

		return m.Role == role && !here
	}

	return slices.DeleteFunc(
		slices.Clone(members),
		isOther,
	), nil
}

// whoRuns picks the one node that a command runs on.
func (f *Fleet) whoRuns(ctx context.Context, role string, asked roles.Command, members []member) (member, error) {
	if asked.Lease == "" {
		return firstHealthy(role, f.askAll(ctx, ofRole(members, role)))
	}

	lease := f.leaseName(role, asked.Lease)
	answers := f.askAll(ctx, members)

	// A database node says itself whether it takes the writes.
	if asked.Lease == leaseWriter && f.isDatabase(role) {
		if writer, ok := writerOf(role, answers); ok {
			return writer, nil
		}

		return member{}, noHolder(lease, role)
	}

	known := newest(answers)
	holder := known.Leases[lease]

	// Without a quorum nobody knows whether the lease went to another.
	if holder == "" || !known.Quorum {
		return member{}, noHolder(lease, role)
	}

	m, there := find(members, holder)
	if !there {
		return member{}, fmt.Errorf("lease %q is held by %s: %w", lease, holder, ErrNoDroplet)
	}

	return m, nil
}

func noHolder(lease, role string) error {
	return fmt.Errorf("%w %q of role %s now; `hornero status` says what its nodes wait for", ErrNoWriter, lease, role)
}

// leaseName is what a role's lease is called in the peer set.
func (f *Fleet) leaseName(role, name string) string {
	return roles.LeaseName(role, f.manifest(role).Leases, name)
}

// writerOf finds who of a role takes the writes.
func writerOf(role string, answers []answer) (member, bool) {
	for _, a := range answers {
		// The lease may still be with a node that cannot take writes any more.
		if a.member.Role == role && a.err == nil && a.status.Writer && a.status.Healthy {
			return a.member, true
		}
	}

	return member{}, false
}

func firstHealthy(role string, answers []answer) (member, error) {
	for _, a := range answers {
		if a.err == nil && a.status.Healthy {
			return a.member, nil
		}
	}

	return member{}, fmt.Errorf("role %s: %w; `hornero status` says what they wait for", role, ErrNoneHealthy)
}

// ofRole are the members of a role by name, web-2 before web-10.
func ofRole(members []member, role string) []member {
	var own []member
	for _, m := range members {
		if m.Role == role {
			own = append(own, m)
		}
	}

	slices.SortFunc(own, func(a, b member) int {
		return cmp.Or(
			cmp.Compare(len(a.Node), len(b.Node)),
			cmp.Compare(a.Node, b.Node),
		)
	})

	return own
}

// onAll runs a command line on every node of a role, one after another. A node that cannot be reached does not keep it
// from the others.
func (f *Fleet) onAll(
	ctx context.Context,
	role string,
	members []member,
	line string,
	input io.Reader,
	stdout, stderr io.Writer,
) (int, error) {
	own := ofRole(members, role)

	// Each node is given the whole of it.
	var given []byte

	if input != nil {
		var err error
		if given, err = io.ReadAll(input); err != nil {
			return 0, fmt.Errorf("read standard input: %w", err)
		}
	}

	// The output of one node is passed on as it is.
	run := f.shell.run
	if len(own) > 1 {
		run = f.shell.labelledBy(&sync.Mutex{})
	}

	first := 0
	errs := f.withoutDroplet(role, members)

	for _, m := range own {
		code, err := run(ctx, m, line, bytes.NewReader(given), stdout, stderr)
		errs = append(errs, err)
		first = cmp.Or(first, code)
	}

	return first, errors.Join(errs...)
}

// withoutDroplet names the nodes of a role on which nothing can run.
func (f *Fleet) withoutDroplet(role string, members []member) []error {
	var errs []error

	for _, node := range f.Stack.All() {
		if _, there := find(members, node.Name); node.Role == role && !there {
			errs = append(errs, fmt.Errorf("run on %s: %w", node.Name, ErrNoDroplet))
		}
	}

	return errs
}
