package fleet

import (
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/crypto/ssh"
)

// Terminal is the operator's, for a command that wants one.
type Terminal struct {
	Type string // as $TERM
	Size func() TerminalSize
	// Raw hands each key on as it is pressed, Ctrl-C too, until what it returns is called.
	Raw     func() (restore func(), err error)
	Resized <-chan os.Signal // tells that the size changed
}

// TerminalSize is in characters.
type TerminalSize struct{ Columns, Rows int }

// runInTerminal runs a command on a node in a terminal there that follows the operator's, and returns its exit code.
// All that the command writes is on standard output, as on any terminal.
func (s *shell) runInTerminal(
	ctx context.Context,
	m member,
	command string,
	terminal Terminal,
	stdin io.Reader,
	stdout io.Writer,
) (int, error) {
	session, err := s.session(ctx, m)
	if err != nil {
		return 0, err
	}
	defer session.Close()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	stop := context.AfterFunc(ctx, func() { s.drop(m) })
	defer stop()

	size := terminal.Size()
	modes := ssh.TerminalModes{ssh.ECHO: 1}
	if err := session.RequestPty(terminal.Type, size.Rows, size.Columns, modes); err != nil {
		return 0, fmt.Errorf("open a terminal on %s: %w", m.Node, err)
	}

	go func() {
		for {
			select {
			case <-terminal.Resized:
				size := terminal.Size()
				_ = session.WindowChange(size.Rows, size.Columns) // the command ends with the session
			case <-ctx.Done():
				return
			}
		}
	}()

	// Ctrl-C is the command's: nobody could end the wait for a node that vanished.
	go s.keepAlive(ctx, m)

	// Only now: until here Ctrl-C ends this program.
	restore, err := terminal.Raw()
	if err != nil {
		return 0, fmt.Errorf("take the terminal: %w", err)
	}
	defer restore()

	session.Stdin = stdin
	session.Stdout = stdout
	session.Stderr = stdout

	return s.ended(ctx, m, session.Run(command))
}
