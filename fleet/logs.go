package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hornero/hornero/stack"
)

const (
	// DefaultSilence is how long a node may say nothing while its journal is read: journalctl looks through gigabytes
	// in a few seconds.
	DefaultSilence = 20 * time.Second

	// followPatience is how long a follower keeps a line back for earlier ones of slower nodes.
	followPatience = 400 * time.Millisecond

	// redialPause is between two attempts at a node that a follower has lost.
	redialPause = 2 * time.Second

	// placesPause is between two looks of a follower at where nodes are: the API allows 5,000 requests an hour.
	placesPause = 10 * time.Second
)

// ErrLogsMissing means that the journal of a chosen node was not read to its end.
var ErrLogsMissing = errors.New("the journals of some nodes are missing; the lines on standard error say why")

// errSilent is a node that took a question and gives no answer.
var errSilent = errors.New("it says nothing")

// LogQuery is what an operator wants to read of the nodes' journals.
type LogQuery struct {
	Names   []string  // of nodes and roles; none for all nodes
	Units   []string  // of systemd, as patterns; none for all
	Since   time.Time // zero for the beginning
	Lines   int       // only the newest of each node; 0 for all
	Follow  bool      // go on until ctx ends, with nodes that come back or are replaced, too
	Silence time.Duration
}

// Logs hands over the journals of all chosen nodes, merged by time. A node that cannot be read is told by Progress,
// keeps no other from it, and makes the error ErrLogsMissing.
func (f *Fleet) Logs(ctx context.Context, query LogQuery, each func(LogLine) error) error {
	chosen, err := f.choose(ctx, query.Names)
	if err != nil {
		return err
	}

	query.Silence = cmp.Or(query.Silence, DefaultSilence)
	reading, stop := context.WithCancel(ctx)

	patience := time.Duration(0)
	if query.Follow {
		patience = followPatience
	}

	l := &logs{
		fleet:   f,
		query:   query,
		members: chosen.members,
		looked:  time.Now(),
		merge:   newMerge(len(chosen.nodes), patience),
		failed:  map[string]error{},
	}

	var group sync.WaitGroup
	for stream, node := range chosen.nodes {
		group.Go(func() { l.readNode(reading, stream, node) })
	}

	err = l.merge.run(ctx, each)
	stop()
	group.Wait()

	// A follower ends like this; who reads to the end has not come to it.
	if err == nil && !query.Follow {
		err = ctx.Err()
	}

	if err != nil {
		return err
	}

	return l.missing()
}

// logs are the journals that one query reads.
type logs struct {
	fleet *Fleet
	query LogQuery
	merge *merge

	mutex   sync.Mutex
	members []member
	looked  time.Time        // when the members were looked up
	failed  map[string]error // why nodes could not be read when that was last tried
}

// missing names who was not read; nil when all were.
func (l *logs) missing() error {
	l.mutex.Lock()
	defer l.mutex.Unlock()

	var names []string
	for name := range l.failed {
		names = append(names, name)
	}

	if len(names) == 0 {
		return nil
	}

	slices.Sort(names)

	return fmt.Errorf("read the journals of %s: %w", strings.Join(names, ", "), ErrLogsMissing)
}

// readNode reads a node's journal into the merge, and while it follows again and again.
func (l *logs) readNode(ctx context.Context, stream int, node stack.Node) {
	r := &nodeLog{
		logs:   l,
		stream: stream,
		node:   node,
		query:  l.query,
	}

	for {
		l.note(ctx, node.Name, r.read(ctx))

		ended := !l.query.Follow
		if l.merge.arrive(ctx, arrival{stream: stream, ended: ended}) != nil || ended {
			return
		}

		select {
		case <-ctx.Done():
			return
		case <-time.After(redialPause):
		}
	}
}

// note keeps how reading a node ended. An outage is told once.
func (l *logs) note(ctx context.Context, node string, err error) {
	// The end of the context is the end of all reading: it says nothing of the node.
	if ctx.Err() != nil {
		return
	}

	// A follower's node has no end: its journal's is an outage.
	if err == nil && l.query.Follow {
		err = errors.New("the connection was closed")
	}

	l.mutex.Lock()
	_, known := l.failed[node]

	if err != nil {
		l.failed[node] = err
	}
	l.mutex.Unlock()

	switch {
	case err == nil || known:
	case l.query.Follow:
		l.fleet.progress("%s: %v; it is asked again until it answers", node, err)
	default:
		l.fleet.progress("%s: %v", node, err)
	}
}

// answers notes that a node is read.
func (l *logs) answers(node string) {
	l.mutex.Lock()
	_, failed := l.failed[node]
	delete(l.failed, node)
	l.mutex.Unlock()

	if failed {
		l.fleet.progress("%s: answers again", node)
	}
}

// place finds where a node is: of a follower's nodes some are replaced meanwhile.
func (l *logs) place(ctx context.Context, node string) (member, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()

	if time.Since(l.looked) > placesPause {
		members, err := l.fleet.reachable(ctx)
		if err != nil {
			return member{}, err
		}

		l.members = members
		l.looked = time.Now()
	}

	m, there := find(l.members, node)
	if !there {
		return member{}, ErrNoDroplet
	}

	if m.public() == "" {
		return member{}, errUnaddressed
	}

	return m, nil
}

// nodeLog is the journal of one node.
type nodeLog struct {
	logs   *logs
	stream int
	node   stack.Node
	query  LogQuery
	last   time.Time // of the last line that was handed over
}

// read reads the journal to its end, after what was read before.
func (r *nodeLog) read(ctx context.Context) error {
	m, err := r.logs.place(ctx, r.node.Name)
	if err != nil {
		return err
	}

	// Lines of the same microsecond as the last one's may be lost, so that none comes twice.
	if !r.last.IsZero() {
		r.query.Since = r.last
		r.query.Lines = 0
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	watch := time.AfterFunc(r.query.Silence, func() { cancel(errSilent) })
	defer watch.Stop()

	shell := r.logs.fleet.shell

	err = shell.stream(ctx, m, journalCommand(r.query), func(output io.Reader) error {
		// From here on a follower's node may be quiet for ever; whether it lives is asked below the journal.
		if r.query.Follow {
			watch.Stop()
			go shell.keepAlive(ctx, m)
		}

		return r.pass(ctx, output, watch)
	})

	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errSilent) {
		return fmt.Errorf("read the journal of %s: %w for %.0f s", m.Node, cause, r.query.Silence.Seconds())
	}

	return err
}

// pass hands a journal's entries to the merge.
func (r *nodeLog) pass(ctx context.Context, output io.Reader, watch *time.Timer) error {
	r.logs.answers(r.node.Name)

	if err := r.logs.merge.arrive(ctx, arrival{stream: r.stream}); err != nil {
		return err
	}

	before := r.last

	return readJournal(output, func(line LogLine) error {
		if !line.Time.After(before) {
			return nil
		}

		line.Node = r.node.Name
		line.Role = r.node.Role

		// While it waits for others, the node is not silent.
		watch.Stop()

		if err := r.logs.merge.send(ctx, r.stream, line); err != nil {
			return err
		}

		if !r.query.Follow {
			watch.Reset(r.query.Silence)
		}

		r.last = line.Time

		return nil
	})
}
