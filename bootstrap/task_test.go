package bootstrap_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/roles"
)

// leaseAnswer is what a peer set answers to whoever renews a lease.
type leaseAnswer func(context.Context) (peerset.Lease, bool, error)

// leaseSet is a peer set that renews a lease once, and answers like this from then on.
type leaseSet struct {
	peerset.Set
	renewed int
	then    leaseAnswer
}

func (l *leaseSet) Hold(ctx context.Context, name string, _ time.Duration) (peerset.Lease, bool, error) {
	if l.renewed++; l.renewed > 1 {
		return l.then(ctx)
	}

	return peerset.Lease{Name: name, Epoch: 3}, true, nil
}

func (l *leaseSet) Release(context.Context, peerset.Lease) error {
	return peerset.ErrStaleEpoch
}

// attempt runs a task that sleeps for some seconds, under a lease of this peer set.
func attempt(t *testing.T, set *leaseSet, seconds string) bool {
	agent := bootstrap.New(bootstrap.Config{
		State:   t.TempDir(),
		TaskTTL: 100 * time.Millisecond,
		Log:     testLog(t),
	})
	agent.Served(set, "web-1")

	// A task that ends with its lease is killed long before its sleep is over.
	task := roles.Task{
		Name: "install",
		Run:  []string{"sleep", seconds},
	}

	return agent.Attempt(t.Context(), task, peerset.Lease{Name: "install", Epoch: 3})
}

func TestATaskEndsWithItsLease(t *testing.T) {
	for name, then := range map[string]leaseAnswer{
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
			set := &leaseSet{then: then}
			begun := time.Now()

			require.False(t, attempt(t, set, "61"))
			require.Greater(t, set.renewed, 1)
			require.Less(t, time.Since(begun), 5*time.Second)
		})
	}
}

func TestATaskRunsToItsEndWhileItsLeaseIsRenewed(t *testing.T) {
	set := &leaseSet{then: func(context.Context) (peerset.Lease, bool, error) {
		return peerset.Lease{Epoch: 3}, true, nil
	}}

	require.True(t, attempt(t, set, "0.3"))
	require.Greater(t, set.renewed, 3)
}
