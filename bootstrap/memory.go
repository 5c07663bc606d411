package bootstrap

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/file"
)

const (
	snapshotFile = "snapshot.json"
	originFile   = "origin.json"
)

// origin is what a node keeps of its first boot.
type origin struct {
	Droplet cloudinit.Droplet
	Found   cloudinit.Found
	First   time.Time // when this disk first saw the document
}

func (a *Agent) kept() (origin, bool) {
	return keptIn(a.State)
}

// Kept is the user-data that a node's agent found at its first boot and goes on with, from its folder.
func Kept(state string) (cloudinit.Found, bool) {
	o, known := keptIn(state)
	return o.Found, known
}

func keptIn(state string) (origin, bool) {
	var o origin
	data, err := os.ReadFile(filepath.Join(state, originFile))
	if err != nil || json.Unmarshal(data, &o) != nil {
		return origin{}, false // a first boot has kept nothing
	}

	return o, true
}

func (a *Agent) keep(o origin) error {
	data, err := json.Marshal(o)
	if err != nil {
		return err
	}

	_, err = file.Write(filepath.Join(a.State, originFile), data, file.Options{Mode: 0o600})

	return err
}

// memory is a set that answers with the remembered snapshot until the peer set has spoken, so that a node that
// rebooted while there is no quorum goes on with what it last knew.
type memory struct {
	peerset.Set
	remembered peerset.Snapshot
}

func withMemory(set peerset.Set, remembered peerset.Snapshot) peerset.Set {
	remembered.Quorum = false
	return memory{set, remembered}
}

// Snapshot returns the peer set's own snapshot as soon as it has one.
func (m memory) Snapshot() peerset.Snapshot {
	snapshot := m.Set.Snapshot()
	if snapshot.Founded == "" {
		return m.remembered.Clone()
	}

	return snapshot
}

func recall(path string) peerset.Snapshot {
	var snapshot peerset.Snapshot
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &snapshot) != nil {
		return peerset.Snapshot{} // nothing remembered is what a new node has
	}

	return snapshot
}

// remember keeps the last snapshot on disk.
func (a *Agent) remember(ctx context.Context, set peerset.Set) {
	path := filepath.Join(a.State, snapshotFile)
	for {
		changed := set.Changed()

		if snapshot := set.Snapshot(); snapshot.Founded != "" {
			data, err := json.Marshal(snapshot)
			if err == nil {
				_, err = file.Write(path, data, file.Options{Mode: 0o600})
			}
			if err != nil {
				a.Log.Warn("remember the peer set", "err", err)
			}
		}

		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}
