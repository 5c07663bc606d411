//go:build root

package peers_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// fill takes all of a folder's file system, and whatever becomes free of it, until the returned function gives
// it back.
func fill(t *testing.T, folder string) (empty func()) {
	name := filepath.Join(folder, "ballast")
	ballast, err := os.Create(name)
	require.NoError(t, err)

	full, stop, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)

		for filled := false; ; {
			if _, err := ballast.Write(make([]byte, 4096)); err == nil {
				continue
			}
			if !filled {
				filled = true
				close(full)
			}

			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()

	<-full

	return func() {
		close(stop)
		<-ended
		require.NoError(t, ballast.Close())
		require.NoError(t, os.Remove(name))
	}
}

// The voters' disks fill up together where they hold the same data. Until there is room a write is refused in
// its time, and the next one need not wait for it; then the peer set goes on by itself, with all its voters.
func TestWritesEndWhileTheVotersDisksAreFull(t *testing.T) {
	c := newCluster(t)
	folders := []string{
		filepath.Join(c.dir, "db-2-1"),
		filepath.Join(c.dir, "db-3-1"),
	}

	for _, folder := range folders {
		require.NoError(t, os.MkdirAll(folder, 0o700))
		require.NoError(t, unix.Mount(
			"tmpfs",
			folder,
			"tmpfs",
			0,
			"size=64m,mode=0700",
		))
		t.Cleanup(func() {
			_ = unix.Unmount(folder, unix.MNT_DETACH)
		})
	}

	all := three(c)
	defer func() {
		for _, store := range all {
			_ = store.Crash()
		}
	}()

	var empty []func()

	for _, folder := range folders {
		empty = append(empty, fill(t, folder))
	}

	lease := all[0].Snapshot().Leases[peerset.LeaseGaleraBootstrap]
	put := func(value string) error {
		begun := time.Now()
		err := all[0].Put(
			c.within(5*time.Second),
			who("db-1", 1),
			"galera.decision",
			value,
			lease,
		)
		require.Less(t, time.Since(begun), 8*time.Second)

		return err
	}

	var err error
	for until := time.Now().Add(time.Minute); err == nil && time.Now().Before(until); {
		err = put(time.Now().String())
	}

	require.ErrorIs(t,
		err,
		peerset.ErrUnavailable,
		"there is no room in which a majority could write",
	)
	require.Error(t, put("again"))

	for _, give := range empty {
		give()
	}

	c.succeeds(30*time.Second, func() error { return put("after") })

	for _, store := range all {
		c.eventually(10*time.Second, func() bool { return decision(store) == "after" })
	}

	// Each of the two votes again: with either the first has a majority.
	for n, name := range []string{"db-2", "db-3"} {
		require.NoError(t, all[n+1].Crash())

		c.succeeds(30*time.Second, func() error { return put("without " + name) })

		all[n+1] = c.start(c.config("test", name, n+2, 1))

		c.eventually(15*time.Second, func() bool {
			return all[n+1].Snapshot().Settings["galera.decision"] == "without "+name
		})
	}
}
