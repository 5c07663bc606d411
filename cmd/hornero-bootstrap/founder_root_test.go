//go:build root

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/status"
)

// rebuild gives a node the disk that its Droplet has after a rebuild: only its user-data and what the metadata
// service says of it are what they were. This test is the metadata service.
func (p *process) rebuild(tags []string, first time.Time) {
	path := filepath.Join(p.root, "var/lib/hornero/origin.json")
	data, err := os.ReadFile(path)
	require.NoError(p, err)

	var kept struct {
		Droplet cloudinit.Droplet
		Found   cloudinit.Found
		First   time.Time
	}
	require.NoError(p, json.Unmarshal(data, &kept))

	kept.Droplet.Tags, kept.First = tags, first
	data, err = json.Marshal(kept)
	require.NoError(p, err)
	require.NoError(p, os.RemoveAll(filepath.Dir(path)))
	require.NoError(p, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(p, os.WriteFile(path, data, 0o600))
}

// TestAFounderThatIsRebuiltFoundsNothing, although its user-data says that it may: the members find it, and it
// joins them.
func TestAFounderThatIsRebuiltFoundsNothing(t *testing.T) {
	s := newRealSet(t)
	founder, second, third := s.run("db", 1), s.run("db", 2), s.run("db", 3)
	founder.eventually("three voters", func(s status.Status) bool {
		return len(s.PeerSet.Voters) == 3
	})

	founded := second.status().PeerSet.Founded

	for name, rebuilt := range map[string]struct {
		tags  []string
		first time.Time
		says  string
	}{
		"it has the tag": {
			tags:  []string{"hornero", cloudinit.FoundedTag("bench")},
			first: time.Now(),
			says:  "it has the tag",
		},
		"its document is of last week": {
			tags:  nil,
			first: time.Now().Add(7 * 24 * time.Hour),
			says:  "too old to found a peer set by",
		},
	} {
		t.Log(name)
		_ = founder.end(syscall.SIGKILL)

		second.eventually("it is missed", func(s status.Status) bool {
			return slices.ContainsFunc(s.PeerSet.Peers, func(peer status.Peer) bool {
				return peer.Name == "db-1" && !peer.Alive
			})
		})

		founder.rebuild(rebuilt.tags, rebuilt.first)
		founder.start()
		founder.eventually("it is in the peer set that it founded", func(s status.Status) bool {
			return s.Healthy &&
				s.PeerSet.Quorum &&
				s.PeerSet.Founded == founded &&
				len(s.PeerSet.Voters) == 3
		})

		said, err := os.ReadFile(founder.log())
		require.NoError(t, err)
		require.Contains(t, string(said), rebuilt.says)

		require.NotContains(t,
			string(said[strings.LastIndex(string(said), "document found"):]),
			"phase=refused",
		)
	}

	for _, member := range []*process{second, third} {
		member.eventually("nothing else was founded", func(s status.Status) bool {
			return s.PeerSet.Quorum &&
				s.PeerSet.Founded == founded &&
				len(s.PeerSet.Voters) == 3
		})
	}
}
