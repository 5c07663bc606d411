package fleet

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// ErrSeveralNodes refuses to give one terminal to several nodes.
var ErrSeveralNodes = errors.New("a terminal is for one node")

// Exec runs a command on a node, or on all nodes of a role at once, and returns its exit code: the first that is not 0,
// in the nodes' order. The lines of several nodes are each behind the node's name. With a Terminal the command has
// it, and runs on one node only.
func (f *Fleet) Exec(
	ctx context.Context,
	name, command string,
	stdin io.Reader,
	stdout, stderr io.Writer,
) (int, error) {
	chosen, err := f.choose(ctx, []string{name})
	if err != nil {
		return 0, err
	}

	// The output of one node is passed on as it is, while it is written.
	if len(chosen.nodes) == 1 {
		if len(chosen.members) == 0 {
			return 0, ErrNoDroplet
		}

		return f.runOn(ctx, chosen.members[0], command, stdin, stdout, stderr)
	}

	if f.Terminal != nil {
		return 0, fmt.Errorf("%w; say one of %s", ErrSeveralNodes, chosen.names())
	}

	run := f.shell.labelledBy(&sync.Mutex{})

	executed, err := atOnce(chosen, stdin, func(m member, input io.Reader) (int, error) {
		return run(ctx, m, command, input, stdout, stderr)
	})
	if err != nil {
		return 0, err
	}

	return outcome(executed)
}

// runOn runs a command on a node, with the operator's terminal where there is one.
func (f *Fleet) runOn(
	ctx context.Context,
	m member,
	command string,
	stdin io.Reader,
	stdout, stderr io.Writer,
) (int, error) {
	if f.Terminal != nil {
		return f.shell.runInTerminal(ctx, m, command, *f.Terminal, stdin, stdout)
	}

	return f.shell.run(ctx, m, command, stdin, stdout, stderr)
}

// Executed is what a command did on a node.
type Executed struct {
	Node   string `json:"node"`
	Code   int    `json:"code"` // its exit code
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr"`
	Error  string `json:"error,omitempty"` // why it did not run, or not to its end

	err error
}

// ExecEach runs a command on a node, or on all nodes of a role at once, hands over what it did on each as soon as that
// is known, and returns the first exit code that is not 0, in the nodes' order.
func (f *Fleet) ExecEach(
	ctx context.Context,
	name, command string,
	stdin io.Reader,
	each func(Executed) error,
) (int, error) {
	chosen, err := f.choose(ctx, []string{name})
	if err != nil {
		return 0, err
	}

	var mutex sync.Mutex
	var failed error

	hand := func(one Executed) {
		mutex.Lock()
		defer mutex.Unlock()

		failed = cmp.Or(failed, each(one))
	}

	for _, missing := range chosen.missing() {
		hand(Executed{Node: missing, Error: ErrNoDroplet.Error()})
	}

	executed, err := atOnce(chosen, stdin, func(m member, input io.Reader) (int, error) {
		var stdout, stderr bytes.Buffer
		code, err := f.shell.run(ctx, m, command, input, &stdout, &stderr)

		one := Executed{
			Node:   m.Node,
			Code:   code,
			Stdout: text(stdout),
			Stderr: text(stderr),
		}
		if err != nil {
			one.Error = err.Error()
		}

		hand(one)

		return code, err
	})
	if err != nil || failed != nil {
		return 0, errors.Join(err, failed)
	}

	return outcome(executed)
}

// text is what a program wrote, as JSON can carry it.
func text(written bytes.Buffer) string { return strings.ToValidUTF8(written.String(), "\uFFFD") }

// atOnce runs something on all chosen nodes at once, each with the whole of the input, and returns how it ended in the
// nodes' order.
func atOnce(chosen choice, stdin io.Reader, run func(member, io.Reader) (int, error)) ([]Executed, error) {
	var given []byte

	if stdin != nil {
		var err error
		if given, err = io.ReadAll(stdin); err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
	}

	executed := make([]Executed, len(chosen.nodes))
	var group sync.WaitGroup

	for i, node := range chosen.nodes {
		executed[i].Node = node.Name

		m, there := find(chosen.members, node.Name)
		if !there {
			executed[i].err = fmt.Errorf("run on %s: %w", node.Name, ErrNoDroplet)
			continue
		}

		group.Go(func() {
			executed[i].Code, executed[i].err = run(m, bytes.NewReader(given))
		})
	}

	group.Wait()

	return executed, nil
}

// outcome is the first exit code that is not 0, and why nodes have none.
func outcome(executed []Executed) (int, error) {
	code := 0
	var errs []error

	for _, one := range executed {
		code = cmp.Or(code, one.Code)
		errs = append(errs, one.err)
	}

	return code, errors.Join(errs...)
}
