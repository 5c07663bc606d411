package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// DefaultGuardWait is how long a node that its role's guards keep is given before an operator is asked: what it has
// alone may be on its way to others.
const DefaultGuardWait = 30 * time.Second

// checkGuards refuses to take a node away that its role's guards keep, unless the operator says that what it has may
// go. A node that does not answer is not asked: it has nothing that could be saved.
func (f *Fleet) checkGuards(ctx context.Context, name string, answers []answer) error {
	at := slices.IndexFunc(answers, func(a answer) bool { return a.member.Node == name })
	if at < 0 || answers[at].err != nil {
		return nil
	}

	m := answers[at].member

	for _, guard := range f.manifest(m.Role).Guards {
		if err := f.checkGuard(ctx, m, guard); err != nil {
			return fmt.Errorf("take %s away: %w: %w", name, ErrUnsafe, err)
		}
	}

	return nil
}

// checkGuard waits until a guard lets its node go. What it said last is what the operator is asked about.
func (f *Fleet) checkGuard(ctx context.Context, m member, guard roles.Guard) error {
	said := ""

	err := do.Wait(ctx, "wait for guard "+guard.Name, func(ctx context.Context) (do.State, error) {
		keeps, text := f.askGuard(ctx, m, guard)
		if !keeps {
			return do.Done, nil
		}

		if said == "" {
			f.progress("%s: %s", m.Node, text)
		}

		// One that was cut off says less than the one before it.
		if said == "" || ctx.Err() == nil {
			said = text
		}

		return do.Pending, do.Seen("%s", text)
	}, do.WaitOptions{
		Timeout: f.GuardWait,
		Longest: time.Second,
	})

	if !errors.Is(err, do.ErrTimedOut) {
		return err
	}

	return f.confirm(ctx, Removal{
		What:  fmt.Sprintf("node %s (Droplet %d)", m.Node, m.Droplet.ID),
		Loses: fmt.Sprintf("%s (%s)", guard.Help, said),
		Data:  true,
	})
}

// askGuard runs a guard on its node once, and gives the reason for which it keeps that.
func (f *Fleet) askGuard(ctx context.Context, m member, guard roles.Guard) (keeps bool, reason string) {
	// Both are written at once.
	var printed, aside bytes.Buffer

	code, err := f.shell.run(ctx, m, command.Quote(guard.Run), nil, &printed, &aside)
	reason = strings.Join(strings.Fields(printed.String()+" "+aside.String()), " ")

	switch {
	// The time is up, and the node has not said that it may go.
	case err != nil && ctx.Err() != nil:
		return true, fmt.Sprintf("guard %s did not end in time", guard.Name)
	// It answered a moment ago: it may be gone by now.
	case err != nil:
		f.progress("%s: guard %s was not asked: %v", m.Node, guard.Name, err)
	case code == roles.GuardKeeps:
		return true, reason
	case code != 0:
		f.progress("%s: guard %s cannot say whether the node may go (exit %d: %s)", m.Node, guard.Name, code, reason)
	}

	return false, ""
}

// isKept tells the only node of its role that its guards keep: another one beside it can take over what it has.
func (f *Fleet) isKept(ctx context.Context, node stack.Node) (bool, error) {
	guards := f.manifest(node.Role).Guards
	if len(guards) == 0 || !f.isOnly(node) {
		return false, nil
	}

	members, err := f.nodes(ctx)
	if err != nil {
		return false, err
	}

	m, there := find(members, node.Name)
	if !there {
		return false, nil
	}

	for _, guard := range guards {
		if keeps, _ := f.askGuard(ctx, m, guard); keeps {
			return true, nil
		}
	}

	return false, ctx.Err()
}
