//go:build root

package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/status"
)

// TestNodesFindEachOther, which are told no address: those that may not found wait, one of two that may founds, and
// all are in its peer set.
func TestNodesFindEachOther(t *testing.T) {
	s := newRealSet(t)
	s.with = func(node *cloudinit.Node) { node.Join = nil }

	waiting := []*process{
		s.launch("db", 2, 1, program),
		s.launch("web", 1, 1, program),
	}
	waiting[0].eventually("it looks for a member", func(said status.Status) bool {
		return said.Phase == "joining" && said.PeerSet.Founded == "" && said.Reason != ""
	})

	// As two operators may launch them at once.
	s.with = func(node *cloudinit.Node) {
		node.Join = nil
		node.Found = true
	}
	founders := []*process{
		s.launch("db", 3, 1, program),
		s.launch("db", 4, 1, program),
	}

	all := append(waiting, founders...)

	for _, one := range all {
		require.Eventually(t, one.ready, time.Minute, 20*time.Millisecond, "%s serves", one.node)
	}

	founded := all[0].status().PeerSet.Founded
	require.NotEmpty(t, founded)

	for _, one := range all {
		one.eventually("it is in the one peer set", func(said status.Status) bool {
			return said.PeerSet.Founded == founded && said.PeerSet.Quorum && len(said.PeerSet.Peers) == len(all)
		})
	}
}
