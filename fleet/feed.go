package fleet

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/internal/status"
)

const (
	// askStatus asks a node's agent once.
	askStatus = "hornero-bootstrap status --json"
	// feedStatus asks it for each line that it is given.
	feedStatus = askStatus + " --each-line"
	// unknownFlag is what a node of an older version says of that.
	unknownFlag = "unknown flag"
)

// maxStatus bounds what a node may say of itself, in bytes: that of a hundred nodes has 40 KB.
const maxStatus = 4 << 20

// errNoFeed means that a node's version has no feed.
var errNoFeed = errors.New("the node tells its status once only")

// feed is a program on a node that tells the node's status each time it is asked. A shell and a program for each look
// would cost the node more than what it is waited for: a starting stack is looked at three times a second.
type feed struct {
	session *ssh.Session
	asks    io.Writer
	said    *bufio.Scanner
	stderr  bytes.Buffer
}

// openFeed starts one.
func (s *shell) openFeed(ctx context.Context, m member) (*feed, error) {
	session, err := s.session(ctx, m)
	if err != nil {
		return nil, err
	}

	f := &feed{session: session}
	session.Stderr = &f.stderr

	f.asks, err = session.StdinPipe()
	if err != nil {
		return nil, err
	}

	output, err := session.StdoutPipe()
	if err != nil {
		return nil, err
	}

	f.said = bufio.NewScanner(output)
	f.said.Buffer(nil, maxStatus)

	if err := session.Start(feedStatus); err != nil {
		s.drop(m)
		return nil, fmt.Errorf("run on %s: %w", m.Node, err)
	}

	return f, nil
}

// ask asks the node once more.
func (f *feed) ask(s *shell, m member) ([]byte, error) {
	// A program that has ended takes no line. Why it has, the session says.
	_, _ = io.WriteString(f.asks, "\n")

	if f.said.Scan() {
		return f.said.Bytes(), nil
	}

	// What is longer than it may be is not read to its end.
	if err := f.said.Err(); err != nil {
		s.drop(m)
		return nil, fmt.Errorf("ask %s: %w", m.Node, err)
	}

	defer f.session.Close()

	err := f.session.Wait()
	why := strings.TrimSpace(f.stderr.String())

	if exited := new(ssh.ExitError); errors.As(err, &exited) {
		if strings.Contains(why, unknownFlag) {
			return nil, errNoFeed
		}

		return nil, fmt.Errorf("ask %s: %s", m.Node, why)
	}

	s.drop(m)

	return nil, fmt.Errorf("run on %s: %w", m.Node, errors.Join(err, io.ErrUnexpectedEOF))
}

// status asks a node's agent how it is.
func (s *shell) status(ctx context.Context, m member) (status.Status, error) {
	// One dial and one answer: all nodes are asked at once, and the slowest holds the result up.
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()

	var said status.Status
	if m.public() == "" {
		return said, fmt.Errorf("ask %s: it has no address yet", m.Node)
	}

	text, err := s.feedStatus(ctx, m)
	if errors.Is(err, errNoFeed) {
		text, err = s.statusOnce(ctx, m)
	}

	if err != nil {
		return said, err
	}

	return said, json.Unmarshal(text, &said)
}

// feedStatus asks a node by its feed. Two that ask one node at once have a feed each, of which one is kept.
func (s *shell) feedStatus(ctx context.Context, m member) ([]byte, error) {
	// A session knows no context: closing its connection is what ends a node's silence.
	stop := context.AfterFunc(ctx, func() { s.drop(m) })
	defer stop()

	client, err := s.dial(ctx, m)
	if err != nil {
		return nil, err
	}

	f, plain := s.takeFeed(client)
	if plain {
		return nil, errNoFeed
	}

	if f == nil {
		if f, err = s.openFeed(ctx, m); err != nil {
			return nil, errors.Join(err, ctx.Err())
		}
	}

	text, err := f.ask(s, m)
	if errors.Is(err, errNoFeed) {
		s.withoutFeed(client)
	}

	if err != nil {
		return nil, errors.Join(err, ctx.Err())
	}

	// Before the feed is used again.
	text = bytes.Clone(text)
	s.keepFeed(client, f)

	return text, nil
}

// takeFeed takes the feed of a connection, nil where there is none now, or tells that its node has none.
func (s *shell) takeFeed(client *login) (f *feed, plain bool) {
	s.mu.Lock()
	defer s.mu.Unlock()

	f, client.feed = client.feed, nil

	return f, client.plain
}

// keepFeed keeps a feed for the next question.
func (s *shell) keepFeed(client *login, f *feed) {
	s.mu.Lock()
	defer s.mu.Unlock()

	if client.feed != nil {
		f.session.Close()
		return
	}

	client.feed = f
}

// withoutFeed keeps in mind that a node has none.
func (s *shell) withoutFeed(client *login) {
	s.mu.Lock()
	defer s.mu.Unlock()

	client.plain = true
}

// statusOnce asks a node of a version without a feed.
func (s *shell) statusOnce(ctx context.Context, m member) ([]byte, error) {
	var stdout, stderr bytes.Buffer

	code, err := s.run(ctx, m, askStatus, nil, &stdout, &stderr)
	if err != nil {
		return nil, err
	}

	if code != 0 {
		return nil, fmt.Errorf("ask %s: %s", m.Node, bytes.TrimSpace(stderr.Bytes()))
	}

	return stdout.Bytes(), nil
}
