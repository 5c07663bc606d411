package fleet

import (
	"context"
	"errors"
	"io"

	"github.com/hornero/hornero/internal/status"
)

// Exec runs a command on a node and returns its exit code.
func (f *Fleet) Exec(
	ctx context.Context,
	name, command string,
	stdin io.Reader,
	stdout, stderr io.Writer,
) (int, error) {
	// A mistyped name is told with the nearest name, not as a node without a Droplet.
	if _, err := f.Stack.Node(name); err != nil {
		return 0, err
	}

	all, err := f.members(ctx)
	if err != nil {
		return 0, err
	}

	members, _ := current(all)
	m, there := find(members, name)
	if !there {
		return 0, ErrNoDroplet
	}

	return f.shell.run(ctx, m, command, stdin, stdout, stderr)
}

// ErrNoWriter means that no database node takes writes.
var ErrNoWriter = errors.New("no database node takes writes; `hornero status` says what they wait for")

// DB runs SQL as root on the node that takes writes. The SQL travels by standard input, never by arguments.
func (f *Fleet) DB(ctx context.Context, sql io.Reader, stdout, stderr io.Writer) (int, error) {
	all, err := f.members(ctx)
	if err != nil {
		return 0, err
	}

	members, _ := current(all)
	writer, _, ok := writerOf(f.askAll(ctx, members))
	if !ok {
		return 0, ErrNoWriter
	}

	return f.shell.run(ctx, writer, "mariadb --batch", sql, stdout, stderr)
}

// writerOf finds who takes writes.
func writerOf(answers []answer) (member, status.Status, bool) {
	for _, a := range answers {
		// The lease may still be with a node that cannot take writes any more.
		if a.err == nil && a.status.Writer && a.status.Healthy {
			return a.member, a.status, true
		}
	}

	return member{}, status.Status{}, false
}
