// Package command owns the one way a program is run: by argument vector, with its duration and the tail of what it
// said kept for the error. Secrets go in through Input, never through the arguments. It knows no program by name.
package command

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// tailBytes is how much of a failed program's output its error carries: enough for a stack of messages, short
// of a log.
const tailBytes = 2048

// killDelay is how long a program has between SIGTERM and SIGKILL when its context ends.
const killDelay = 5 * time.Second

// Command is a program to run.
type Command struct {
	Args   []string // Args[0] is the program
	Dir    string
	Env    []string  // added to this process' own
	Input  string    // standard input
	Hidden []string  // what an error must not show: a program may say again what it was given
	Output io.Writer // also receives standard output and standard error as they come; may be nil
}

// Error says how a program failed.
type Error struct {
	Args     []string
	ExitCode int // -1 when it never started or a signal ended it
	Tail     string
	Duration time.Duration
	Err      error
}

func (e *Error) Error() string {
	took := e.Duration.Round(time.Millisecond)
	words := Quote(e.Args)
	text := fmt.Sprintf("run %s: %v after %s", words, e.Err, took)

	if e.Tail != "" {
		text += ": " + e.Tail
	}

	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Run runs the program and returns its standard output. A failure is an *Error with the tail of standard error.
// When ctx ends the program's process group is asked to stop, and killed after five seconds.
func Run(ctx context.Context, c Command) (string, error) {
	cmd := c.prepare(ctx)

	var stdout, stderr bytes.Buffer
	cmd.Stdout = &stdout
	cmd.Stderr = &stderr

	if c.Output != nil {
		both := &lockedWriter{to: c.Output}
		cmd.Stdout = io.MultiWriter(&stdout, both)
		cmd.Stderr = io.MultiWriter(&stderr, both)
	}

	start := time.Now()
	err := cmd.Run()

	// A program that ignored SIGTERM may be left in the group; mostly nothing is.
	started := cmd.Process != nil
	if started && ctx.Err() != nil {
		group := -cmd.Process.Pid
		_ = syscall.Kill(group, syscall.SIGKILL)
	}

	if err == nil {
		return stdout.String(), nil
	}

	// The program ended because of the signal, but the reason is why the context ended.
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}

	// Some programs report what is wrong on standard output; without this the error would say nothing.
	said := stderr.String()
	if strings.TrimSpace(said) == "" {
		said = stdout.String()
	}

	// Hidden before it is cut: a secret cut in two would not be found.
	shown := hide(said, c.Hidden)
	failure := &Error{
		Args:     c.Args,
		ExitCode: -1,
		Tail:     tail(shown),
		Duration: time.Since(start),
		Err:      err,
	}
	if cmd.ProcessState != nil {
		failure.ExitCode = cmd.ProcessState.ExitCode()
	}

	return stdout.String(), failure
}

// prepare puts the program in a process group of its own, so that a signal reaches what it starts, too.
func (c Command) prepare(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdin = strings.NewReader(c.Input)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = killDelay

	// SIGTERM first, and to the whole group: each program in it has killDelay to clean up.
	cmd.Cancel = func() error {
		group := -cmd.Process.Pid
		return syscall.Kill(group, syscall.SIGTERM)
	}

	return cmd
}

// lockedWriter lets the two that copy a program's outputs write to one writer.
type lockedWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (s *lockedWriter) Write(data []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.to.Write(data)
}

// shellSpecial are the characters that a shell does not take as they are.
const shellSpecial = " \t\n'\"\\$&|;<>()*?[]{}`~#!"

// Quote writes an argument vector the way a shell would accept it.
func Quote(args []string) string {
	quoted := make([]string, len(args))

	for i, arg := range args {
		special := strings.ContainsAny(arg, shellSpecial)
		if arg != "" && !special {
			quoted[i] = arg
			continue
		}

		escaped := strings.ReplaceAll(arg, "'", `'\''`)
		quoted[i] = "'" + escaped + "'"
	}

	return strings.Join(quoted, " ")
}

func tail(text string) string {
	text = strings.TrimSpace(text)

	before := len(text) - tailBytes
	if before <= 0 {
		return text
	}

	return "..." + text[before:]
}

// hide takes the longest first: one secret may be part of another.
func hide(text string, hidden []string) string {
	longestFirst := slices.Clone(hidden)
	slices.SortFunc(longestFirst, func(a, b string) int {
		return cmp.Compare(len(b), len(a))
	})

	for _, secret := range longestFirst {
		if secret == "" {
			continue
		}

		text = strings.ReplaceAll(text, secret, "[hidden]")
	}

	return text
}
