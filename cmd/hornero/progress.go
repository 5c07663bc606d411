package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// progressVersion is that of the lines that --json prints. A reader of one version reads all that have it: keys are
// added, none is taken away.
const progressVersion = 1

// Kinds of progressEvent.
const (
	progressBegin  = "begin"  // the first line
	progressLine   = "line"   // something happened
	progressResult = "result" // a line of what the command is asked for, as the site's address
	progressEnd    = "end"    // the last line; there is none when the program was killed
)

// progressEvent is a line of --json, and of the record of a run.
type progressEvent struct {
	Version int       `json:"version,omitempty"` // with begin
	Event   string    `json:"event"`
	Time    time.Time `json:"time"`

	Command []string `json:"command,omitempty"` // with begin
	Stack   string   `json:"stack,omitempty"`   // with begin
	File    string   `json:"file,omitempty"`    // with begin

	Node string `json:"node,omitempty"` // that a line is about; none for the whole stack
	Text string `json:"text,omitempty"`

	Code  *int   `json:"code,omitempty"` // with end: the exit code
	Error string `json:"error,omitempty"`
}

// progress is how a long command tells what it does: as lines of JSON, as a block that is drawn in place, or as plain
// lines. All that the command writes goes through it, and is kept in the record of the run.
type progress struct {
	stdout, stderr io.Writer
	groups         []string // of the stack's nodes: a line that begins with a node's name is about it
	json           bool
	block          *block // nil: lines
	record         *runRecord

	mutex   sync.Mutex
	begin   progressEvent
	nodes   []string          // that something was said of, the first first
	said    map[string]string // the last of each
	last    string            // the last of the whole stack
	asking  bool              // somebody is asked something: nothing is drawn
	partial bytes.Buffer      // a line of standard error without its end
}

// nodeLine is a line about a node, behind the seconds since the start where it has them.
var nodeLine = regexp.MustCompile(`^\s*(?:[0-9.]+ s\s+)?([a-z][a-z0-9-]*): (.*)$`)

// emit tells an event to whoever reads JSON, and keeps it.
func (p *progress) emit(event progressEvent) {
	p.record.write(event)

	if p.json {
		_ = json.NewEncoder(p.stdout).Encode(event) // who closed standard output reads no more
	}
}

// line tells a line of standard error.
func (p *progress) line(text string) {
	event := progressEvent{
		Event: progressLine,
		Time:  time.Now().UTC(),
		Text:  text,
	}

	if parts := nodeLine.FindStringSubmatch(text); parts != nil && p.isNode(parts[1]) {
		event.Node = parts[1]
		event.Text = parts[2]
	}

	p.emit(event)

	switch {
	case p.json:
	case p.block == nil:
		fmt.Fprintln(p.stderr, text)
	case event.Node == "":
		p.block.clear()
		fmt.Fprintln(p.stderr, text)
		p.last = text
	default:
		if !slices.Contains(p.nodes, event.Node) {
			p.nodes = append(p.nodes, event.Node)
		}

		p.said[event.Node] = event.Text
	}
}

// isNode tells whether a word names a node: those of a group are named after it, also those that stack.yaml does not
// have yet.
func (p *progress) isNode(word string) bool {
	return slices.ContainsFunc(p.groups, func(group string) bool {
		return word == group || strings.HasPrefix(word, group+"-")
	})
}

// draw draws a line for each node, and one for the whole.
func (p *progress) draw() {
	if p.block == nil || p.asking || len(p.nodes) == 0 {
		return
	}

	wide := 0
	for _, node := range p.nodes {
		wide = max(wide, len(node))
	}

	var lines []string
	for _, node := range p.nodes {
		lines = append(lines, fmt.Sprintf("  %-*s  %s", wide, node, p.said[node]))
	}

	took := time.Since(p.begin.Time).Truncate(time.Second)
	lines = append(lines, fmt.Sprintf("%s %s: %s", p.begin.Command[1], p.begin.Stack, took))

	p.block.draw(lines)
}

// progressErr is a command's standard error.
type progressErr struct{ *progress }

func (p progressErr) Write(data []byte) (int, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	p.asking = false
	p.partial.Write(data)

	for {
		line, rest, whole := bytes.Cut(p.partial.Bytes(), []byte("\n"))
		if !whole {
			break
		}

		text := string(line)
		p.partial = *bytes.NewBuffer(slices.Clone(rest))
		p.line(text)
	}

	// A line without an end is a question, which is to be read now.
	if p.partial.Len() > 0 {
		return len(data), p.ask()
	}

	p.draw()

	return len(data), nil
}

// ask passes a question on.
func (p *progress) ask() error {
	if p.block != nil {
		p.block.clear()
	}

	p.asking = true
	question := p.partial.String()
	p.partial.Reset()

	p.record.write(progressEvent{
		Event: progressLine,
		Time:  time.Now().UTC(),
		Text:  question,
	})

	_, err := io.WriteString(p.stderr, question)

	return err
}

// progressOut is a command's standard output.
type progressOut struct{ *progress }

func (p progressOut) Write(data []byte) (int, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	for line := range strings.Lines(string(data)) {
		p.emit(progressEvent{
			Event: progressResult,
			Time:  time.Now().UTC(),
			Text:  strings.TrimSuffix(line, "\n"),
		})
	}

	if p.json {
		return len(data), nil
	}

	// What is drawn stays above it: the result is the last that one sees.
	p.leave()

	return p.stdout.Write(data)
}

// leave leaves what is drawn where it is.
func (p *progress) leave() {
	if p.block == nil {
		return
	}

	p.draw()
	p.block.drawn = 0
	p.nodes = nil
}

// end tells how the command ended.
func (p *progress) end(ctx context.Context, err error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	p.leave()

	code := int(outcomeOf(ctx, err))
	event := progressEvent{
		Event: progressEnd,
		Time:  time.Now().UTC(),
		Code:  &code,
	}

	var silent exit
	if err != nil && !errors.As(err, &silent) {
		event.Error = err.Error()
	}

	p.emit(event)
	p.record.close()
}

// outcomeOf is the exit code of a command that ended like this.
func outcomeOf(ctx context.Context, err error) exit {
	var code exit

	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return code
	case ctx.Err() != nil:
		return exitInterrupted
	}

	return codeOf(err)
}

// redraw keeps the seconds of a block true until ctx ends.
func (p *progress) redraw(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}

		p.mutex.Lock()
		p.draw()
		p.mutex.Unlock()
	}
}

// changing makes a command that changes a stack, and takes its time, tell its progress: on a terminal in place,
// elsewhere in lines, with --json for programs. What it told is kept for `hornero runs`.
func changing(file *string, cmd *cobra.Command) *cobra.Command {
	var asJSON bool
	run := cmd.RunE

	if cmd.Flags().Lookup("json") == nil {
		cmd.Flags().BoolVar(&asJSON, "json", false, "print each step as a line of JSON")
	}

	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p := newProgress(cmd, args, *file, asJSON)
		defer cmd.SetErr(p.stderr)
		defer cmd.SetOut(p.stdout)

		cmd.SetErr(progressErr{p})
		cmd.SetOut(progressOut{p})

		ctx, stop := context.WithCancel(cmd.Context())

		var drawing sync.WaitGroup
		if p.block != nil {
			drawing.Go(func() { p.redraw(ctx) })
		}

		err := run(cmd, args)

		stop()
		drawing.Wait()
		p.end(cmd.Context(), err)

		return err
	}

	return cmd
}

// newProgress begins to tell what a command does.
func newProgress(cmd *cobra.Command, args []string, file string, asJSON bool) *progress {
	where, _ := absolute(file) // nothing where the working directory is gone

	p := &progress{
		stdout: cmd.OutOrStdout(),
		stderr: cmd.ErrOrStderr(),
		json:   asJSON,
		said:   map[string]string{},
		begin: progressEvent{
			Version: progressVersion,
			Event:   progressBegin,
			Time:    time.Now().UTC(),
			Command: commandWords(cmd, args),
			File:    where,
		},
	}

	if !asJSON {
		p.block = newBlock(p.stderr)
	}

	// A file that is wrong is told by the command.
	if s, _, err := loadStack(file); err == nil {
		p.begin.Stack = s.Name

		for _, group := range s.Nodes {
			p.groups = append(p.groups, group.Name)
		}

		if p.record, err = beginRecord(s.Name); err != nil {
			fmt.Fprintf(p.stderr, "hornero runs will not have this run: %v\n", err)
		}
	}

	p.emit(p.begin)

	return p
}
