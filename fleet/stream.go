package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/ssh"
)

// keepAlivePause is how often a node is asked whether it lives while a stream is open, and how long it may take to
// say so.
const keepAlivePause = 10 * time.Second

// stream runs a command on a node, and has its output read while it runs. Its standard input stays open for as long.
func (s *shell) stream(ctx context.Context, m member, command string, read func(io.Reader) error) error {
	// Also while the session is opened: a node may hang in between.
	stop := context.AfterFunc(ctx, func() { s.drop(m) })
	defer stop()

	session, err := s.session(ctx, m)
	if err != nil {
		return errors.Join(err, ctx.Err())
	}
	defer session.Close()

	// Never written to: that it closes is what a tethered command ends by.
	if _, err := session.StdinPipe(); err != nil {
		return err
	}

	output, err := session.StdoutPipe()
	if err != nil {
		return err
	}

	var stderr bytes.Buffer
	session.Stderr = &stderr

	if err := session.Start(command); err != nil {
		s.drop(m)
		return fmt.Errorf("run on %s: %w", m.Node, errors.Join(err, ctx.Err()))
	}

	if err := read(output); err != nil {
		return err
	}

	code, err := s.ended(ctx, m, session.Wait())
	if err == nil && code != 0 {
		err = fmt.Errorf("run on %s: exit code %d: %s", m.Node, code, bytes.TrimSpace(stderr.Bytes()))
	}

	return err
}

// keepAlive closes the connection to a node that does not answer any more, until ctx ends: a peer that vanished is not
// noticed by who only listens.
func (s *shell) keepAlive(ctx context.Context, m member) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(keepAlivePause):
		}

		s.mu.Lock()
		client := s.clients[m.public()]
		s.mu.Unlock()

		if client == nil || !alive(client.Client) {
			s.drop(m)
			return
		}
	}
}

// alive asks the other end of a connection for any answer.
func alive(client *ssh.Client) bool {
	answered := make(chan error, 1)

	go func() {
		_, _, err := client.SendRequest("keepalive@openssh.com", true, nil)
		answered <- err
	}()

	select {
	case err := <-answered:
		return err == nil
	case <-time.After(keepAlivePause):
		return false
	}
}
