//go:build root

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/status"
)

// said is what a command of the program prints in a node's root.
func (p *process) said(args ...string) (string, string, error) {
	var stdout, stderr bytes.Buffer
	command := p.command(args...)
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()

	return stdout.String(), stderr.String(), err
}

func (p *process) status() status.Status {
	var said status.Status

	out, _, err := p.said("status", "--json")
	if err == nil {
		require.NoError(p, json.Unmarshal([]byte(out), &said))
	}

	return said
}

func (p *process) eventually(what string, wanted func(status.Status) bool) {
	holds := func() bool {
		return wanted(p.status())
	}
	require.Eventually(p, holds, 40*time.Second, 100*time.Millisecond,
		"%s: %s: %+v", p.node, what, p.status().PeerSet)
}

// ended waits for the program's own end.
func (p *process) ended() error {
	ended := make(chan error, 1)
	go func(running *exec.Cmd) { ended <- running.Wait() }(p.running)

	select {
	case err := <-ended:
		p.running = nil
		return err
	case <-time.After(40 * time.Second):
		p.Fatalf("%s goes on: %+v", p.node, p.status().PeerSet)
		return nil
	}
}

// restart does what systemd does.
func (p *process) restart(signal syscall.Signal) {
	_ = p.end(signal)
	p.start()
}

// TestALostPeerSetIsRebuiltByRealPrograms ends two of three members for good, and brings everything back. This
// test is systemd.
func TestALostPeerSetIsRebuiltByRealPrograms(t *testing.T) {
	s := newRealSet(t)
	first, second, third := s.run("db", 1), s.run("db", 2), s.run("db", 3)
	client := s.run("web", 1)
	first.eventually("three voters", func(s status.Status) bool {
		return len(s.PeerSet.Voters) == 3
	})

	founded := first.status().PeerSet.Founded
	client.requireJoins(4)

	_, stderr, err := second.said("recover", "--yes")
	require.Error(t, err)
	require.Contains(t, stderr, "the peer set has a quorum")

	_ = second.end(syscall.SIGKILL)
	late := s.run("web", 2) // the survivor has never heard of it
	_ = first.end(syscall.SIGKILL)
	_ = third.end(syscall.SIGKILL)
	second.start()

	second.requireServesWithoutQuorum()
	second.recover()
	second.restart(syscall.SIGKILL)

	second.eventually("the rebuilt peer set", func(s status.Status) bool {
		return s.PeerSet.Quorum &&
			s.PeerSet.Era == 1 &&
			s.PeerSet.Founded == founded
	})
	client.eventually("the client follows", func(s status.Status) bool {
		return s.PeerSet.Quorum && s.PeerSet.Era == 1
	})
	second.eventually("who was unknown has joined", func(s status.Status) bool {
		peer := of(s, late.node)
		return peer.Alive && peer.Healthy
	})
	require.Equal(t, 200, late.code("/healthz"))

	// One comes back with an empty disk, but for its memory; the other as it was.
	require.NoError(t, os.RemoveAll(filepath.Join(first.root, "var/lib/hornero/dqlite")))
	first.start()
	third.start()
	require.Error(t, third.ended(), "it finds that the peer set was rebuilt without it")
	third.start()

	for _, member := range []*process{first, second, third} {
		member.eventually("three voters of the new era", func(s status.Status) bool {
			set := s.PeerSet
			return s.Healthy &&
				set.Quorum &&
				set.Era == 1 &&
				len(set.Voters) == 3 &&
				set.Founded == founded
		})
	}

	out, _, err := client.said("events", "--json")
	require.NoError(t, err)
	require.Contains(t, out, `"kind":"rebuilt"`)
	require.Contains(t, out, `"kind":"joined"`)
}

// requireJoins asks for the events, and returns what goes to standard error with them.
func (p *process) requireJoins(joins int) (stderr string) {
	out, stderr, err := p.said("events")
	require.NoError(p, err)
	require.Equal(p, joins, strings.Count(out, " joined at "), out)

	return stderr
}

// requireServesWithoutQuorum wants the node to go on, with what it remembers of the peer set.
func (p *process) requireServesWithoutQuorum() {
	p.eventually("no quorum", func(s status.Status) bool {
		return s.Phase == "serving" && !s.PeerSet.Quorum
	})

	require.Equal(p, 200, p.code("/healthz"), "traffic goes on")
	require.Equal(p, 503, p.code("/readyz"))
	require.Contains(p, p.requireJoins(4), "the peer set does not answer")
}

// recover rebuilds the peer set from this node, but for the restart: there is no systemd here.
func (p *process) recover() {
	out, _, err := p.said("recover", "--dry-run", "--json")
	require.NoError(p, err)

	var plan status.Recovery
	require.NoError(p, json.Unmarshal([]byte(out), &plan))
	require.Empty(p, plan.Refused)

	_, stderr, err := p.said("recover", "--yes")
	require.Error(p, err)
	require.Contains(p, stderr, "restart hornero-bootstrap.service")
}
