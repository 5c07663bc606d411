package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hornero/hornero/fleet"
)

// watchEvery is how often a watch looks: each look is three requests, and the API allows 5,000 an hour.
const watchEvery = 5 * time.Second

// watch shows how a stack is until ctx ends: on a terminal in place, elsewhere a line for each change.
type watch struct {
	out   io.Writer
	block *block // nil: lines
	json  bool

	last   map[string]string // what was said of each node
	report string            // the last that was printed as JSON
}

func newWatch(out io.Writer, asJSON bool) *watch {
	w := &watch{
		out:  out,
		json: asJSON,
		last: map[string]string{},
	}

	if !asJSON {
		w.block = newBlock(out)
	}

	return w
}

// run looks again and again. Ctrl-C is how it is meant to end, and no error.
func (w *watch) run(ctx context.Context, look func(context.Context) (fleet.Report, error)) error {
	for {
		report, err := look(ctx)
		if ctx.Err() != nil {
			return nil
		}

		if err := w.show(report, err, time.Now()); err != nil {
			return err
		}

		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchEvery):
		}
	}
}

// show shows what one look saw, or why it saw nothing: the next may.
func (w *watch) show(report fleet.Report, failed error, now time.Time) error {
	switch {
	case w.block != nil:
		w.draw(report, failed, now)
		return nil
	case failed != nil:
		return w.change("", failed.Error(), now)
	case w.json:
		return w.encode(report)
	}

	if err := w.change("", "the cloud answers, "+summary(report), now); err != nil {
		return err
	}

	for _, node := range report.Nodes {
		if err := w.change(node.Name, stateLine(node), now); err != nil {
			return err
		}
	}

	return nil
}

func (w *watch) draw(report fleet.Report, failed error, now time.Time) {
	at := now.UTC().Format("15:04:05") + " UTC, every " + watchEvery.String() + ", Ctrl-C ends it"
	if failed != nil {
		w.block.draw([]string{at, failed.Error()})
		return
	}

	var text bytes.Buffer
	_ = printReport(&text, report, false) // a buffer takes all

	w.block.draw(append([]string{at}, strings.Split(strings.TrimSpace(text.String()), "\n")...))
}

// change prints what is said of a node, or of the whole stack, where it is not what was said before.
func (w *watch) change(node, text string, now time.Time) error {
	if w.last[node] == text {
		return nil
	}

	w.last[node] = text
	if node != "" {
		text = node + ": " + text
	}

	_, err := fmt.Fprintf(w.out, "%s  %s\n", now.UTC().Format("2006-01-02 15:04:05"), text)

	return err
}

// encode prints a report that is not the last one.
func (w *watch) encode(report fleet.Report) error {
	line, err := json.Marshal(report)
	if err != nil || string(line) == w.report {
		return err
	}

	w.report = string(line)
	_, err = fmt.Fprintln(w.out, w.report)

	return err
}

// summary is a stack in a line.
func summary(report fleet.Report) string {
	healthy := 0
	for _, node := range report.Nodes {
		if node.Healthy {
			healthy++
		}
	}

	return fmt.Sprintf(
		"%d of %d nodes are healthy, quorum %v, writer %s",
		healthy,
		len(report.Nodes),
		report.PeerSet.Quorum,
		report.WriterLine(),
	)
}

// stateLine is a node in a line.
func stateLine(node fleet.NodeLine) string {
	line := node.State + ", healthy"
	if !node.Healthy {
		line = node.State + ", not healthy: " + node.Reason
	}

	if node.Note != "" {
		line += "; " + node.Note
	}

	return line
}
