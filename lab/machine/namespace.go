package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// makeNamespace makes a named network namespace, or finds it; the leftover of a crash between its two steps is no
// namespace and is made one.
func makeNamespace(name string) error {
	path := namespacePath(name)
	if isNamespace(path) {
		return nil
	}

	if err := os.MkdirAll(namespaces, 0o755); err != nil {
		return fmt.Errorf("make namespace %s: %w", name, err)
	}

	err := inFolder(func() error {
		if err := mountFolder(); err != nil {
			return err
		}

		// A bind mount needs a file to lie on, as ip netns makes it.
		if err := os.WriteFile(path, nil, 0o444); err != nil {
			return err
		}

		if err := onThread(func() error { return bindNew(path) }); err != nil {
			return errors.Join(err, os.Remove(path))
		}

		return nil
	})
	if err != nil {
		return fmt.Errorf("make namespace %s: %w", name, err)
	}

	return nil
}

// bindNew puts the thread into a new namespace, and binds that to a path.
func bindNew(path string) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}

	// The mount keeps the namespace alive when this thread ends and no process is in it yet.
	return unix.Mount(
		fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()),
		path,
		"none",
		unix.MS_BIND,
		"",
	)
}

// removeNamespace takes the name away; the namespace goes with the last process in it.
func removeNamespace(name string) error {
	path := namespacePath(name)

	err := inFolder(func() error {
		// Mounts may be stacked at the path: each unmount takes one off.
		for isNamespace(path) {
			if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
				return err
			}
		}

		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}

		return unmountFolder()
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove namespace %s: %w", name, err)
	}

	return nil
}

// inFolder holds the lock of the folder of namespaces, which ip netns takes as well.
func inFolder(do func() error) error {
	folder, err := os.Open(namespaces)
	if err != nil {
		return err
	}
	defer folder.Close()

	if err := unix.Flock(int(folder.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", namespaces, err)
	}

	return do()
}

// mountFolder makes the folder a mount of its own, as `ip netns add` does where it is none. Did that it later, it would
// hide the mounts that are there, and nobody could remove those names any more.
func mountFolder() error {
	is, err := isMount(namespaces)
	if err != nil || is {
		return err
	}

	if err := unix.Mount(
		namespaces,
		namespaces,
		"none",
		unix.MS_BIND|unix.MS_REC,
		"",
	); err != nil {
		return fmt.Errorf("mount %s: %w", namespaces, err)
	}

	return unix.Mount(
		"",
		namespaces,
		"none",
		unix.MS_SHARED|unix.MS_REC,
		"",
	)
}

// unmountFolder takes that back with the last namespace, whoever made it.
func unmountFolder() error {
	left, err := os.ReadDir(namespaces)
	if err != nil || len(left) > 0 {
		return err
	}

	is, err := isMount(namespaces)
	if err != nil || !is {
		return err
	}

	return unix.Unmount(namespaces, unix.MNT_DETACH)
}

func isMount(path string) (bool, error) {
	var stat unix.Statx_t
	if err := unix.Statx(
		unix.AT_FDCWD,
		path,
		0,
		0,
		&stat,
	); err != nil {
		return false, fmt.Errorf("look at %s: %w", path, err)
	}

	return stat.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, nil
}

func isNamespace(path string) bool {
	var stat unix.Statfs_t
	return unix.Statfs(path, &stat) == nil && stat.Type == unix.NSFS_MAGIC
}

// within runs f on a thread that is in the namespace.
func within(name string, f func() error) error {
	target, err := netns.GetFromPath(namespacePath(name))
	if err != nil {
		return fmt.Errorf("enter namespace %s: %w", name, err)
	}
	defer target.Close()

	return onThread(func() error {
		if err := netns.Set(target); err != nil {
			return fmt.Errorf("enter namespace %s: %w", name, err)
		}

		return f()
	})
}

// onThread runs f on a thread of its own, which ends with it: whatever namespace f leaves the thread in, nobody else
// ever runs there.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- f()
	}()

	return <-done
}

// Listen opens a listener inside the fabric, where the gateway's and the metadata service's addresses are.
func (h *Host) Listen(network, address string) (listener net.Listener, err error) {
	err = within(h.fabric(), func() error {
		listener, err = net.Listen(network, address)
		return err
	})

	return listener, err
}

// ListenPacket is Listen for datagrams.
func (h *Host) ListenPacket(network, address string) (connection net.PacketConn, err error) {
	err = within(h.fabric(), func() error {
		connection, err = net.ListenPacket(network, address)
		return err
	})

	return connection, err
}

// Dial connects from the fabric.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return dial(ctx, h.fabric(), network, address)
}

// DialIn connects from inside a Droplet's network.
func (h *Host) DialIn(ctx context.Context, id int, network, address string) (net.Conn, error) {
	return dial(ctx, h.Namespace(number(id)), network, address)
}

// dial connects from a namespace to an address that needs no look-up: the dialer stays on its thread then.
func dial(ctx context.Context, namespace, network, address string) (connection net.Conn, err error) {
	err = within(namespace, func() error {
		// A fallback would dial in a goroutine of its own, on a thread outside of the namespace.
		connection, err = (&net.Dialer{FallbackDelay: -1}).DialContext(ctx, network, address)
		return err
	})

	return connection, err
}

// setSysctls writes settings of the network that the calling thread is in; what this kernel does not have is
// left out.
func setSysctls(settings map[string]string) error {
	for name, value := range settings {
		err := os.WriteFile(
			filepath.Join("/proc/sys/net", name),
			[]byte(value),
			0,
		)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("set net/%s: %w", name, err)
		}
	}

	return nil
}
