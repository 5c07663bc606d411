package fleet

import (
	"context"
	"io"
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

	members, err := f.reachable(ctx)
	if err != nil {
		return 0, err
	}

	m, there := find(members, name)
	if !there {
		return 0, ErrNoDroplet
	}

	return f.shell.run(ctx, m, command, stdin, stdout, stderr)
}
