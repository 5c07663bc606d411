//go:build root

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

func (p *process) eventually(what string, true func(status.Status) bool) {
	require.Eventually(p,
		func() bool { return true(p.status()) },
		40*time.Second,
		100*time.Millisecond,
		"%s: %s: %+v",
		p.node,
		what,
		p.status().PeerSet,
	)
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
	out, _, err := client.said("events")
	require.NoError(t, err)
	require.Equal(t, 4, strings.Count(out, " joined at "), out)

	_, stderr, err := second.said("recover", "--yes")
	require.Error(t, err)
	require.Contains(t, stderr, "the peer set has a quorum")

	_ = second.end(syscall.SIGKILL)
	late := s.run("web", 2) // the survivor has never heard of it
	_ = first.end(syscall.SIGKILL)
	_ = third.end(syscall.SIGKILL)
	second.start()
	second.eventually("no quorum", func(s status.Status) bool {
		return s.Phase == "serving" && !s.PeerSet.Quorum
	})
	require.Equal(t, 200, second.code("/healthz"), "traffic goes on")
	require.Equal(t, 503, second.code("/readyz"))

	out, stderr, err = second.said("events")
	require.NoError(t, err)
	require.Equal(t, 4, strings.Count(out, " joined at "), out)
	require.Contains(t, stderr, "the peer set does not answer")

	out, _, err = second.said("recover", "--dry-run", "--json")
	require.NoError(t, err)
	var plan status.Recovery
	require.NoError(t, json.Unmarshal([]byte(out), &plan))
	require.Empty(t, plan.Refused)

	_, stderr, err = second.said("recover", "--yes")
	require.Error(t, err)
	require.Contains(t, stderr, "restart hornero-bootstrap.service", "there is no systemd here")

	_ = second.end(syscall.SIGKILL)
	second.start()
	second.eventually("the rebuilt peer set", func(s status.Status) bool {
		return s.PeerSet.Quorum && s.PeerSet.Era == 1 && s.PeerSet.Founded == founded
	})
	client.eventually("the client follows", func(s status.Status) bool {
		return s.PeerSet.Quorum && s.PeerSet.Era == 1
	})

	second.eventually("who was unknown has joined", func(s status.Status) bool {
		return slices.ContainsFunc(s.PeerSet.Peers, func(peer status.Peer) bool {
			return peer.Name == late.node && peer.Alive && peer.Healthy
		})
	})

	require.Equal(t, 200, late.code("/healthz"))

	// One comes back with an empty disk, but for its memory; the other as it was.
	require.NoError(t, os.RemoveAll(filepath.Join(first.root, "var/lib/hornero/dqlite")))
	first.start()
	third.start()
	require.Error(t, third.ended(), "it finds that the peer set was rebuilt without it")
	third.start() // as systemd does

	for _, member := range []*process{first, second, third} {
		member.eventually("three voters of the new era", func(s status.Status) bool {
			return s.Healthy &&
				s.PeerSet.Quorum &&
				s.PeerSet.Era == 1 &&
				len(s.PeerSet.Voters) == 3 &&
				s.PeerSet.Founded == founded
		})
	}

	out, _, err = client.said("events", "--json")
	require.NoError(t, err)
	require.Contains(t, out, `"kind":"rebuilt"`)
	require.Contains(t, out, `"kind":"joined"`)
}
