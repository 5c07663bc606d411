package rootfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hornero/hornero/internal/cgroup"
)

// groups is the cgroup above all machines.
const groups = "hornero-rootfs"

// groupsOf is where they are on this machine; empty when it has the v2 hierarchy nowhere.
func groupsOf() (string, error) {
	above, err := cgroup.Hierarchy()
	if err != nil || above == "" {
		return "", err
	}

	return filepath.Join(above, groups), nil
}

// newGroup makes the cgroup of what a machine runs.
func newGroup(name string) (cgroup.Group, error) {
	above, err := groupsOf()
	if err != nil {
		return "", err
	}
	if above == "" {
		return "", errors.New("no cgroup v2 on this machine: mount -t cgroup2 none /sys/fs/cgroup/unified")
	}

	g := cgroup.Group(filepath.Join(above, name))

	return g, g.Make()
}

// emptyTimeout is how long the kernel may take to end what was killed.
const emptyTimeout = 20 * time.Second

// endGroup ends what is left in a group, and removes it. The group above goes with the last.
func endGroup(g cgroup.Group) error {
	// A context of its own: a group is ended also after Ctrl-C.
	ctx, cancel := context.WithTimeoutCause(
		context.Background(),
		emptyTimeout,
		fmt.Errorf("killed processes are still there after %s", emptyTimeout),
	)
	defer cancel()

	if err := g.Kill(ctx); err != nil {
		return err
	}

	if err := g.Remove(); err != nil {
		return err
	}

	_ = os.Remove(filepath.Dir(string(g))) // another machine may be in it

	return nil
}
