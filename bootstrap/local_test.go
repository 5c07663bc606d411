package bootstrap_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// forgetting is a peer set that notes whom it is told to forget.
type forgetting struct {
	peerset.Set
	gone []string
}

func (f *forgetting) Snapshot() peerset.Snapshot {
	return peerset.Snapshot{Peers: []peerset.Peer{{Name: "web-9"}}}
}

func (f *forgetting) Forget(_ context.Context, name string) error {
	f.gone = append(f.gone, name)
	return nil
}

func TestForgetTakesWhomThePeerSetOrTheStackKnows(t *testing.T) {
	set := &forgetting{}
	expected := map[string][]string{"db": {"db-1", "db-2", "db-3"}}
	agent := bootstrap.New(bootstrap.Config{State: t.TempDir()})
	require.NoError(t, agent.Forget(t.Context(), set, expected, "web-9"))
	require.NoError(t, agent.Forget(t.Context(), set, expected, "db-3"), "it never registered")
	require.ErrorIs(t, agent.Forget(t.Context(), set, expected, "db-33"), peerset.ErrUnknown)
	require.Equal(t, []string{"web-9", "db-3"}, set.gone)
}
