//go:build root

package website_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// node is a Debian root in a network namespace of its own, with an address in the site's network.
type node struct {
	t       *testing.T
	name    string
	address string
	root    string // its files, as the test sees them
}

// newNode makes a node of the layers, the lowest first.
func newNode(t *testing.T, name, address string, layers ...string) *node {
	t.Helper()

	folder := t.TempDir()
	n := &node{
		t:       t,
		name:    name,
		address: address,
		root:    filepath.Join(folder, "root"),
	}

	n.mount(folder, layers)
	n.connect()

	return n
}

// mount lays an overlay over the layers, with what programs want of a kernel.
func (n *node) mount(folder string, layers []string) {
	n.t.Helper()

	upper := filepath.Join(folder, "upper")
	work := filepath.Join(folder, "work")

	for _, dir := range []string{n.root, upper, work} {
		require.NoError(n.t, os.MkdirAll(dir, 0o755))
	}

	// The kernel wants the highest first.
	lower := slices.Clone(layers)
	slices.Reverse(lower)

	options := "lowerdir=" + strings.Join(lower, ":")
	options += ",upperdir=" + upper
	options += ",workdir=" + work

	host(n.t, "mount -t overlay overlay -o", options, n.root)
	host(n.t, "mount -t proc proc", n.root+"/proc")
	host(n.t, "mount -t tmpfs tmpfs", n.root+"/run")
	host(n.t, "mount -t tmpfs -o mode=1777 tmpfs", n.root+"/tmp")
	host(n.t, "mount -t tmpfs tmpfs", n.root+"/dev")

	for _, device := range []string{"null", "zero", "full", "random", "urandom"} {
		path := n.root + "/dev/" + device
		require.NoError(n.t, os.WriteFile(path, nil, 0o666))
		host(n.t, "mount --bind /dev/"+device, path)
	}

	n.t.Cleanup(func() {
		unmount := exec.CommandContext(
			context.Background(),
			"umount",
			"-R",
			"-l",
			n.root,
		)
		_ = unmount.Run()
	})
}

// connect gives the node its network and its address.
func (n *node) connect() {
	n.t.Helper()

	host(n.t, "ip netns add "+n.name)
	host(n.t, "ip link add "+n.name+" type veth peer name eth0 netns "+n.name)
	host(n.t, "ip link set "+n.name+" master "+bridge+" up")
	host(n.t, "ip -n "+n.name+" address add "+n.address+"/24 dev eth0")
	host(n.t, "ip -n "+n.name+" link set eth0 up")
	host(n.t, "ip -n "+n.name+" link set lo up")
}

// cut takes the node off the network, or puts it back.
func (n *node) cut(off bool) {
	n.t.Helper()

	state := "up"
	if off {
		state = "down"
	}

	host(n.t, "ip link set "+n.name+" "+state)
}

// command is a program on the node, as root, with the environment of a login.
func (n *node) command(name string, args ...string) *exec.Cmd {
	words := []string{
		"netns",
		"exec",
		n.name,
		"chroot",
		n.root,
		name,
	}

	words = append(words, args...)
	command := exec.CommandContext(n.t.Context(), "ip", words...)
	command.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root",
		"LC_ALL=C.UTF-8",
	}

	return command
}

// run runs a program on the node to its end, and gives what it printed.
func (n *node) run(name string, args ...string) string {
	n.t.Helper()

	out, err := n.try("", name, args...)
	require.NoErrorf(
		n.t,
		err,
		"%s: %s %q: %s",
		n.name,
		name,
		args,
		out,
	)

	return out
}

// try is run for a program that may fail, with its input.
func (n *node) try(input, name string, args ...string) (string, error) {
	command := n.command(name, args...)
	command.Stdin = strings.NewReader(input)
	out, err := command.CombinedOutput()

	return string(out), err
}

// sql runs statements as root of the node's own MariaDB.
func (n *node) sql(statements string) string {
	n.t.Helper()

	out, err := n.try(statements, "mariadb", "--batch", "--skip-column-names")
	require.NoErrorf(n.t, err, "%s: %s", statements, out)

	return strings.TrimSpace(out)
}

// daemon is a program that goes on.
type daemon struct {
	t       *testing.T
	command *exec.Cmd
	printed *bytes.Buffer
	ended   chan struct{}
}

// start starts a daemon on the node. It ends with the test; what it printed is shown when the test failed.
func (n *node) start(name string, args ...string) *daemon {
	n.t.Helper()

	d := &daemon{
		t:       n.t,
		command: n.command(name, args...),
		printed: &bytes.Buffer{},
		ended:   make(chan struct{}),
	}

	d.command.Stdout, d.command.Stderr = d.printed, d.printed
	d.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(n.t, d.command.Start())

	go func() {
		_ = d.command.Wait()
		close(d.ended)
	}()

	n.t.Cleanup(func() {
		d.end(syscall.SIGTERM)

		if n.t.Failed() {
			n.t.Logf("%s: %s: %s", n.name, name, d.printed)
		}
	})

	return d
}

// end sends a signal to the daemon and all its children, and waits until it is gone.
func (d *daemon) end(signal syscall.Signal) {
	_ = syscall.Kill(-d.command.Process.Pid, signal)

	select {
	case <-d.ended:
	case <-time.After(10 * time.Second):
		_ = syscall.Kill(-d.command.Process.Pid, syscall.SIGKILL)
		<-d.ended
	}
}

// write puts a file on the node, with its folders.
func (n *node) write(path, mode, owner, text string) {
	n.t.Helper()

	full := n.root + path
	require.NoError(n.t, os.MkdirAll(filepath.Dir(full), 0o755))
	require.NoError(n.t, os.WriteFile(full, []byte(text), 0o600))
	n.run("chown", owner, path)
	n.run("chmod", mode, path)
}

// hears waits until something on the node answers at a port of its address.
func (n *node) hears(port string) {
	n.t.Helper()

	require.Eventuallyf(n.t, func() bool {
		address := net.JoinHostPort(n.address, port)

		connection, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false
		}

		return connection.Close() == nil
	}, time.Minute, 50*time.Millisecond, "%s does not listen on %s", n.name, port)
}

// host runs a program beside the nodes: words, and arguments that are words each.
func host(t *testing.T, words string, args ...string) {
	t.Helper()

	all := append(strings.Fields(words), args...)
	command := exec.CommandContext(t.Context(), all[0], all[1:]...)

	out, err := command.CombinedOutput()
	require.NoErrorf(t, err, "%s: %s", strings.Join(all, " "), out)
}
