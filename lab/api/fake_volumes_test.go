package api_test

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/hornero/hornero/lab/state"
)

// volumes pretends to keep volumes.
type volumes struct {
	mutex     sync.Mutex
	holders   map[string]int // by the volume's id; 0 when it is free
	snapshots map[string]bool
	gate      chan struct{} // held open by a test
	broken    error         // of Attach
}

func newVolumes() *volumes {
	return &volumes{
		holders:   map[string]int{},
		snapshots: map[string]bool{},
	}
}

func (v *volumes) set(id string, droplet int) error {
	v.mutex.Lock()
	gate := v.gate
	v.mutex.Unlock()

	if gate != nil {
		<-gate
	}

	v.mutex.Lock()
	defer v.mutex.Unlock()

	if droplet != 0 && v.broken != nil {
		return v.broken
	}

	v.holders[id] = droplet

	return nil
}

// hold keeps what is done to volumes from its end.
func (v *volumes) hold() (release func()) {
	v.mutex.Lock()
	defer v.mutex.Unlock()

	gate := make(chan struct{})
	v.gate = gate

	return sync.OnceFunc(func() {
		v.mutex.Lock()
		v.gate = nil
		v.mutex.Unlock()
		close(gate)
	})
}

func (v *volumes) breakAttach(err error) {
	v.mutex.Lock()
	defer v.mutex.Unlock()

	v.broken = err
}

func (v *volumes) holder(id string) int {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	return v.holders[id]
}

func (v *volumes) Create(_ context.Context, volume state.Volume, _ string) error {
	return v.set(volume.ID, 0)
}

func (v *volumes) Delete(_ context.Context, id string) error {
	v.mutex.Lock()
	defer v.mutex.Unlock()

	delete(v.holders, id)

	return nil
}

func (v *volumes) Attach(_ context.Context, volume state.Volume, droplet int) error {
	return v.set(volume.ID, droplet)
}

func (v *volumes) Detach(_ context.Context, volume state.Volume, _ int) error {
	return v.set(volume.ID, 0)
}

func (v *volumes) Resize(context.Context, string, int) error {
	return nil
}

func (v *volumes) Snapshot(_ context.Context, _ state.Volume, snapshot string) (int64, error) {
	v.mutex.Lock()
	defer v.mutex.Unlock()

	v.snapshots[snapshot] = true

	return 20_000_000, nil
}

func (v *volumes) DeleteSnapshot(_ context.Context, id string) error {
	v.mutex.Lock()
	defer v.mutex.Unlock()

	delete(v.snapshots, id)

	return nil
}

func (v *volumes) RemoveAllBut(_ context.Context, volumes, snapshots []string) error {
	v.mutex.Lock()
	defer v.mutex.Unlock()

	maps.DeleteFunc(v.holders, func(id string, _ int) bool {
		return !slices.Contains(volumes, id)
	})
	maps.DeleteFunc(v.snapshots, func(id string, _ bool) bool {
		return !slices.Contains(snapshots, id)
	})

	return nil
}
