package galera_test

import (
	"context"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// What the driver does not use.

func (m *memory) Refresh() {}

func (m *memory) TakeHeartbeats(map[string]int) {}

func (m *memory) Note(context.Context, peerset.Identity, peerset.Note) error {
	return nil
}

func (m *memory) Events(context.Context, int64, int) ([]peerset.Event, error) {
	return nil, nil
}
