package bootstrap_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/roles"
)

// lending is a peer set whose lease is lost in a way, after it was renewed once.
type lending struct {
	peerset.Set
	renewed int
	lose    func(context.Context) (peerset.Lease, bool, error)
}

func (l *lending) Hold(ctx context.Context, name string, _ time.Duration) (peerset.Lease, bool, error) {
	if l.renewed++; l.renewed > 1 {
		return l.lose(ctx)
	}

	return peerset.Lease{Name: name, Epoch: 3}, true, nil
}

func (l *lending) Release(context.Context, peerset.Lease) error {
	return peerset.ErrStaleEpoch
}

func TestATaskEndsWithItsLease(t *testing.T) {
	for name, lose := range map[string]func(context.Context) (peerset.Lease, bool, error){
		"another holds it": func(context.Context) (peerset.Lease, bool, error) {
			return peerset.Lease{Epoch: 4}, false, nil
		},
		"another held it meanwhile": func(context.Context) (peerset.Lease, bool, error) {
			return peerset.Lease{Epoch: 5}, true, nil
		},
		"this node is not in the set": func(context.Context) (peerset.Lease, bool, error) {
			return peerset.Lease{}, false, peerset.ErrEvicted
		},
		"nobody answers": func(ctx context.Context) (peerset.Lease, bool, error) {
			<-ctx.Done()
			return peerset.Lease{}, false, peerset.ErrUnavailable
		},
	} {
		t.Run(name, func(t *testing.T) {
			set := &lending{lose: lose}

			agent := bootstrap.New(bootstrap.Config{
				State:   t.TempDir(),
				TaskTTL: 100 * time.Millisecond,
				Log:     slog.New(slog.NewTextHandler(t.Output(), nil)),
			})
			agent.Served(set, "web-1")

			begun := time.Now()

			require.False(t, agent.Attempt(
				t.Context(),
				roles.Task{
					Name: "install",
					Run:  []string{"sleep", "61"},
				},
				peerset.Lease{Name: "install", Epoch: 3},
			))

			require.Greater(t, set.renewed, 1)
			require.Less(t, time.Since(begun), 5*time.Second)
		})
	}
}

func TestATaskRunsToItsEndWhileItsLeaseIsRenewed(t *testing.T) {
	set := &lending{lose: func(context.Context) (peerset.Lease, bool, error) {
		return peerset.Lease{Epoch: 3}, true, nil
	}}

	agent := bootstrap.New(bootstrap.Config{
		State:   t.TempDir(),
		TaskTTL: 100 * time.Millisecond,
		Log:     slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	agent.Served(set, "web-1")

	require.True(t, agent.Attempt(
		t.Context(),
		roles.Task{
			Name: "install",
			Run:  []string{"sleep", "0.3"},
		},
		peerset.Lease{Name: "install", Epoch: 3},
	))

	require.Greater(t, set.renewed, 3)
}
