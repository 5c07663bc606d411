package fleet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
)

// labelled passes whole lines on, each behind the name of the node that it is from.
type labelled struct {
	mutex *sync.Mutex // of both outputs of a command: they may be one file
	to    io.Writer
	label string
	rest  []byte // a line whose end is still to come
}

func (l *labelled) Write(data []byte) (int, error) {
	l.rest = append(l.rest, data...)

	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(data), nil
		}

		l.rest = rest

		if err := l.pass(line); err != nil {
			return 0, err
		}
	}
}

// end passes a last line on that has no end.
func (l *labelled) end() error {
	if len(l.rest) == 0 {
		return nil
	}

	return l.pass(l.rest)
}

func (l *labelled) pass(line []byte) error {
	l.mutex.Lock()
	defer l.mutex.Unlock()

	_, err := io.WriteString(l.to, l.label+": "+string(line)+"\n")

	return err
}

// runner runs a command on a node, and returns its exit code.
type runner = func(
	ctx context.Context,
	m member,
	command string,
	stdin io.Reader,
	stdout, stderr io.Writer,
) (int, error)

// labelledBy runs a command on a node with the node's name before each line of its output; under a mutex, which those
// share that write to the same outputs.
func (s *shell) labelledBy(mutex *sync.Mutex) runner {
	return func(
		ctx context.Context,
		m member,
		command string,
		stdin io.Reader,
		stdout, stderr io.Writer,
	) (int, error) {
		out := &labelled{
			mutex: mutex,
			to:    stdout,
			label: m.Node,
		}
		errOut := &labelled{
			mutex: mutex,
			to:    stderr,
			label: m.Node,
		}
		code, err := s.run(ctx, m, command, stdin, out, errOut)

		return code, errors.Join(err, out.end(), errOut.end())
	}
}
