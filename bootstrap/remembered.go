package bootstrap

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/file"
)

const snapshotFile = "snapshot.json"

// rememberedSet answers with the remembered snapshot until the peer set itself has answered, so that a node that
// rebooted while there is no quorum goes on with what it last knew.
type rememberedSet struct {
	peerset.Set
	remembered peerset.Snapshot
}

func withMemory(set peerset.Set, remembered peerset.Snapshot) peerset.Set {
	// Whether there is a quorum now, nobody knows yet.
	remembered.Quorum = false
	return rememberedSet{set, remembered}
}

// Snapshot returns the peer set's own snapshot as soon as it has one.
func (s rememberedSet) Snapshot() peerset.Snapshot {
	snapshot := s.Set.Snapshot()
	if snapshot.Founded == "" {
		return s.remembered.Clone()
	}

	return snapshot
}

// loadSnapshot reads the snapshot that this node kept last.
func loadSnapshot(state string) peerset.Snapshot {
	var snapshot peerset.Snapshot

	data, err := os.ReadFile(filepath.Join(state, snapshotFile))
	if err != nil || json.Unmarshal(data, &snapshot) != nil {
		// A new node has nothing to remember.
		return peerset.Snapshot{}
	}

	return snapshot
}

// keepSnapshot keeps the last snapshot on disk.
func (a *Agent) keepSnapshot(ctx context.Context, set peerset.Set) {
	for {
		changed := set.Changed()

		if err := saveSnapshot(a.State, set.Snapshot()); err != nil {
			a.Log.Warn("remember the peer set", "err", err)
		}

		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

func saveSnapshot(state string, snapshot peerset.Snapshot) error {
	if snapshot.Founded == "" {
		// An empty snapshot must not replace what is remembered: the peer set has said nothing yet.
		return nil
	}

	data, err := json.Marshal(snapshot)
	if err != nil {
		return err
	}

	_, err = file.Write(filepath.Join(state, snapshotFile), data, file.Options{Mode: 0o600})

	return err
}
