package fleet_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/fleet/lock"
)

// quickTimes are for an API on this machine. Its clock tells whole seconds, so that a term has some of them.
var quickTimes = lock.Times{
	Term:    6 * time.Second,
	Bound:   900 * time.Millisecond,
	Settle:  time.Second,
	Refresh: 300 * time.Millisecond,
	Silence: 3 * time.Second,
	Fresh:   time.Millisecond,
	Call:    2 * time.Second,
	Poll:    50 * time.Millisecond,
}

// operator is one who works on the world's stack.
func (w *world) operator(by string) *fleet.Fleet {
	config := w.config
	config.Lock = fleet.LockConfig{
		Owner: lock.Owner{By: by},
		Times: quickTimes,
	}

	f, err := fleet.New(config)
	require.NoError(w.t, err)
	w.t.Cleanup(f.Close)

	return f
}

// vpc is the stack's, or nil.
func (w *world) vpc() *godo.VPC {
	vpcs, _, err := w.config.Client.VPCs.List(w.t.Context(), nil)
	require.NoError(w.t, err)

	for _, vpc := range vpcs {
		if vpc.Name == "hornero-blog" {
			return vpc
		}
	}

	return nil
}

// describe writes the description of the stack's VPC.
func (w *world) describe(text string) {
	_, _, err := w.config.Client.VPCs.Set(w.t.Context(), w.vpc().ID, godo.VPCSetDescription(text))
	require.NoError(w.t, err)
}

func (w *world) lock() fleet.LockLine {
	line, err := fleet.ReadLock(w.t.Context(), w.config)
	require.NoError(w.t, err)

	return line
}

// replaceAsAnn recreates a node as an operator who waits for nobody.
func (w *world) replaceAsAnn(node string) error {
	return replace(w.t.Context(), w.operator("ann"), node, 0)
}

// replace is a command that replaces a node.
func replace(ctx context.Context, f *fleet.Fleet, node string, wait time.Duration) error {
	request := lock.Request{
		Command: "replace " + node,
		Wait:    wait,
	}

	return f.Change(ctx, request, func(ctx context.Context) error { return f.Replace(ctx, node) })
}

func up(ctx context.Context, f *fleet.Fleet, wait time.Duration) error {
	request := lock.Request{
		Command: "up",
		Wait:    wait,
	}

	return f.Change(ctx, request, func(ctx context.Context) error {
		_, _, err := f.Up(ctx)
		return err
	})
}

func TestOfTwoReplacesOneIsRefusedByName(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	var group sync.WaitGroup
	errs := make([]error, 2)

	for i, node := range []string{"db-2", "db-3"} {
		group.Go(func() { errs[i] = replace(t.Context(), w.operator("on-"+node), node, 0) })
	}

	group.Wait()

	refused := errors.Join(errs...)
	require.ErrorIs(t, refused, lock.ErrLocked)
	require.ErrorContains(t, refused, "runs `hornero replace db-")
	require.True(t, errs[0] == nil || errs[1] == nil, "%v", refused)

	drained := strings.Count(strings.Join(w.history, "\n"), "destroy")
	require.Equal(t, 1, drained, "%v", w.history)
	require.Equal(t, lock.Free, w.lock().State)
}

func TestOfTwoReplacesOneWaitsForTheOther(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	var group sync.WaitGroup

	for _, node := range []string{"db-2", "db-3"} {
		group.Go(func() {
			if err := replace(t.Context(), w.operator("on-"+node), node, waitLimit); err != nil {
				t.Error(err)
			}
		})
	}

	group.Wait()
	require.Contains(t, w.names(), "db-2/2")
	require.Contains(t, w.names(), "db-3/2")

	// One was gone for good before the other began to drain.
	require.Len(t, w.history, 4)
	require.True(t, strings.HasPrefix(w.history[1], "destroy"), "%v", w.history)
}

func TestTheFirstUpHasTheLockFromTheNetworkOn(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	require.Equal(t, lock.Free, w.lock().State, "there is no network yet")

	var during fleet.LockLine
	var once sync.Once

	w.config.Progress = func(line string) {
		if strings.HasPrefix(line, "VPC ") {
			once.Do(func() { during = w.lock() })
		}
	}

	start := time.Now()
	require.NoError(t, up(t.Context(), w.operator("tom@laptop"), 0))
	t.Logf("up with the lock: %s", time.Since(start))
	require.Equal(t, lock.Taken, during.State)
	require.Equal(t, "tom@laptop", during.By)
	require.Equal(t, "up", during.Command)
	require.NotNil(t, during.Until)
	require.Equal(t, whole, w.names())
	require.Equal(t, lock.Free, w.lock().State)
}

func TestTwoFirstUpsLaunchTheStackOnce(t *testing.T) {
	t.Parallel()

	w := newWorld(t)

	var group sync.WaitGroup
	errs := make([]error, 2)

	for i, by := range []string{"tom", "ann"} {
		group.Go(func() { errs[i] = up(t.Context(), w.operator(by), waitLimit) })
	}

	group.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, whole, w.names())
	require.Empty(t, w.history)
}

func TestALostLockRemovesNothing(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	// Between the drain and the removal somebody takes the lock away.
	w.config.Progress = func(line string) {
		if strings.HasSuffix(line, "drains") {
			config := w.config
			config.Progress = nil

			if err := fleet.BreakLock(t.Context(), config, w.lock().Nonce); err != nil {
				t.Error(err)
			}
		}
	}

	err := replace(t.Context(), w.operator("tom@laptop"), "db-2", 0)
	require.ErrorIs(t, err, lock.ErrLost)
	require.ErrorContains(t, err, "run the same command again")
	require.Equal(t, whole, w.names())

	w.config.Progress = nil
	require.NoError(t, replace(t.Context(), w.operator("tom@laptop"), "db-2", 0))
	require.Contains(t, w.names(), "db-2/2")
}

// left is the claim of a run that was killed.
func left(w *world, process lock.Process, term time.Duration) lock.Claim {
	claim := lock.Claim{
		Nonce:   "0badcafe",
		By:      "tom@laptop",
		Process: process,
		Command: "up",
		Since:   time.Now(),
		Until:   time.Now().Add(term),
	}
	w.describe(claim.String())

	return claim
}

func TestTheLockOfAKilledRunIsTakenOver(t *testing.T) {
	w := newWorld(t)
	w.mustUp()

	command := exec.Command("sleep", "60")
	require.NoError(t, command.Start())
	process := lock.ProcessOf(command.Process.Pid)
	left(w, process, time.Hour)
	require.ErrorIs(t, w.replaceAsAnn("web-1"), lock.ErrLocked)
	require.Equal(t, lock.Taken, w.lock().State)

	require.NoError(t, command.Process.Kill())
	_ = command.Wait()
	require.Equal(t, lock.Dead, w.lock().State)

	said := w.hear()
	require.NoError(t, w.replaceAsAnn("web-1"))
	require.Contains(t, said(), "takes over the lock of tom@laptop (`hornero up`), which ended without giving it back")

	// Of another machine nobody knows: its claim ends by itself.
	process.Machine = "elsewhere"
	left(w, process, 3*time.Second)
	require.ErrorIs(t, w.replaceAsAnn("web-1"), lock.ErrLocked)
	require.NoError(t, replace(t.Context(), w.operator("ann"), "web-1", waitLimit))
	require.Contains(t, w.names(), "web-1/3")
}

func TestALockIsBrokenByItsNameAlone(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	require.NoError(t, fleet.BreakLock(t.Context(), w.config, "0badcafe"), "there is no network yet")
	w.mustUp()

	w.describe("the blog's network")
	claim := left(w, lock.Process{}, time.Hour)
	require.ErrorIs(t, fleet.BreakLock(t.Context(), w.config, "deadbeef"), lock.ErrOther)
	require.Equal(t, lock.Taken, w.lock().State)

	require.NoError(t, fleet.BreakLock(t.Context(), w.config, claim.Nonce))
	require.Equal(t, lock.Free, w.lock().State)
	require.NoError(t, w.replaceAsAnn("web-1"))
}

func TestADescriptionIsPutBack(t *testing.T) {
	w := newWorld(t)
	w.mustUp()
	w.describe("the blog's network")

	require.NoError(t, w.replaceAsAnn("web-1"))
	require.Equal(t, "the blog's network", w.vpc().Description)

	// Also by a command that was interrupted while it waited for the lock, or later; on a quick machine it may be done.
	for _, after := range []time.Duration{200 * time.Millisecond, 1500 * time.Millisecond} {
		ctx, interrupt := context.WithTimeout(t.Context(), after)
		if err := replace(ctx, w.operator("ann"), "db-1", 0); err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}

		interrupt()
		require.Equal(t, "the blog's network", w.vpc().Description)
	}
}

func TestADestroyHasTheLockUntilTheNetworkIsGone(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	destroy := func(f *fleet.Fleet) error {
		request := lock.Request{
			Command: "destroy",
			Leaving: true,
		}

		return f.Change(t.Context(), request, f.Destroy)
	}

	said := w.hear()
	require.NoError(t, destroy(w.operator("tom@laptop")))
	require.Nil(t, w.vpc())
	require.NotContains(t, said(), "not given back")
	require.NoError(t, destroy(w.operator("tom@laptop")), "without a network it goes on without a lock")
}
