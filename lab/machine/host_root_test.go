//go:build root

package machine_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/lab/machine"
	"github.com/hornero/hornero/lab/mirror"
)

const (
	vpc      = "5a4981aa-9653-4bd1-bef5-d6bff52042e4"
	otherVPC = "c33931f2-a26a-4e61-b85c-4e95a2ec431b"
)

func TestTheEndOfALabLeavesTheRoutesOfOthers(t *testing.T) {
	l := newLab(t)

	metric := fmt.Sprint(os.Getpid()) // two runs on one computer do not meet
	route := func(do string) string {
		text, err := command.Run(
			t.Context(),
			command.Command{Args: []string{
				"ip", "route", do, "blackhole", "10.108.255.0/24", "metric", metric, "proto", "72",
			}},
		)
		require.NoError(t, err)

		return text
	}
	route("add")

	err := l.Down(t.Context())
	route("del") // it is there
	require.NoError(t, err)
}

func TestDropletOfEachReleaseBoots(t *testing.T) {
	for _, release := range []string{"debian-13", "debian-12"} {
		t.Run(release, func(t *testing.T) {
			l := newLab(t)
			l.serveMirror(release)

			d := l.droplet(100001, l.base(release))
			client := l.start(d)
			require.Equal(t, "node-100001", l.run(client, "hostname"))
			require.Equal(t, "by user-data", l.run(client, "cat /root/told"))
			require.Equal(t, "1024", l.run(client, "free -m | awk '/^Mem/ {print $2}'"))
			l.untilBooted(client)

			l.run(
				client,
				"nft add table inet t && nft delete table inet t && sysctl -q -w net.core.somaxconn=1024",
			)

			// A database asks for as many requests: the kernel's limit for all Droplets together is raised.
			l.run(client, `python3 -c 'import ctypes
x = ctypes.c_ulong(0)
assert ctypes.CDLL(None).syscall(206, 128, ctypes.byref(x)) == 0, "io_setup"'`)

			// The image must not carry the resolver of the computer that it was made on.
			require.Equal(t, "nameserver "+l.Gateway().String(), l.run(client, "cat /etc/resolv.conf"))
			l.run(client, "apt-get -q update && apt-get -q -y install hello && hello")
			l.run(client, "cloud-init schema --system")
			require.NoError(t, l.Shutdown(t.Context(), d.ID))
			require.False(t, l.Running(d.ID))
		})
	}
}

// serveMirror is the Droplets' way to packages.
func (l *testLab) serveMirror(release string) {
	image, err := l.Base(l.t.Context(), release, nil)
	require.NoError(l.t, err)

	hosts, err := machine.Sources(image)
	require.NoError(l.t, err)

	listener, err := l.Listen("tcp", fmt.Sprintf("%s:%d", l.Gateway(), mirror.Port))
	require.NoError(l.t, err)

	server := &http.Server{Handler: mirror.New(mirror.Config{
		Folder: l.t.TempDir(),
		Hosts:  func() []string { return hosts },
	})}

	go server.Serve(listener)
	l.t.Cleanup(func() { server.Close() })

	l.vendor = mirror.VendorData("http://" + listener.Addr().String())
}

func TestNetwork(t *testing.T) {
	l := newLab(t)
	layers := l.base("debian-13")
	a, b, c := l.droplet(100001, layers), l.droplet(100002, layers), l.droplet(100003, layers)
	c.VPC = otherVPC // with the same range

	for _, d := range []machine.Droplet{a, b, c} {
		require.NoError(t, l.Create(t.Context(), d))
	}

	listener, err := l.Listen("tcp", machine.MetadataAddress().String()+":80")
	require.NoError(t, err)

	from := make(chan string, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		from <- r.RemoteAddr
	})}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })

	connection, err := l.DialIn(t.Context(), a.ID, "tcp", machine.MetadataAddress().String()+":80")
	require.NoError(t, err)
	fmt.Fprint(connection, "GET / HTTP/1.0\r\n\r\n")
	require.Contains(t, <-from, a.Public.String()+":")
	connection.Close()

	require.True(t,
		reaches(t, l, a, b.Private.String()),
		"within the VPC",
	)

	require.True(t,
		reaches(t, l, a, b.Public.String()),
		"in the public network",
	)

	require.False(t,
		reaches(t, l, a, c.Private.String()),
		"into another VPC",
	)

	require.False(t, reaches(t, l, a, "192.0.2.1"), "anywhere else")

	text, err := command.Run(
		t.Context(),
		command.Command{Args: []string{
			"ip",
			"route",
			"get",
			b.Private.String(),
		}},
	)
	require.Error(t, err, "a VPC is nowhere on this computer: %s", text)

	require.NoError(t, l.Links(b.ID, false))

	require.False(t,
		reaches(t, l, a, b.Private.String()),
		"with its cables pulled",
	)

	require.NoError(t, l.Links(b.ID, true))

	require.Eventually(t,
		func() bool {
			return reaches(t, l, a, b.Private.String())
		},
		10*time.Second,
		50*time.Millisecond,
	)
}

// reaches tells whether somebody at the address answers that nobody listens there.
func reaches(t *testing.T, l *testLab, from machine.Droplet, to string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()

	_, err := l.DialIn(ctx, from.ID, "tcp", to+":9")

	return errors.Is(err, syscall.ECONNREFUSED)
}

func TestLifeOfADroplet(t *testing.T) {
	l := newLab(t)
	d := l.droplet(100001, l.base("debian-13"))
	client := l.start(d)
	stopped := make(chan int, 8)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	go l.Watch(ctx, func(id int) { stopped <- id })

	before, err := l.PID(d.ID)
	require.NoError(t, err)
	l.run(client, "touch /root/kept")
	try(client, "systemctl reboot") // cut off by what it does
	client.Wait()

	require.Eventually(t, func() bool {
		after, err := l.PID(d.ID)
		return err == nil && after != 0 && after != before
	}, 30*time.Second, 20*time.Millisecond, "it boots again; until then its sshd may still answer")

	client = l.connect(d)
	l.run(client, "test -e /root/kept")
	l.untilBooted(client)

	require.NoError(t, l.Freeze(d.ID))

	_, err = net.DialTimeout("tcp", d.Public.String()+":22", time.Second)
	require.NoError(t, err, "its kernel answers, nobody behind it")
	require.NoError(t, l.Thaw(d.ID))
	l.run(client, "true")

	// In the background and a moment later, so that SSH can still answer.
	l.run(client, "(sleep 0.2; systemctl poweroff) >/dev/null 2>&1 &")
	require.Equal(t, d.ID, <-stopped)
	require.NoError(t, l.Start(t.Context(), d.ID))
	require.NoError(t, l.Start(t.Context(), d.ID), "twice")
	l.connect(d)
	require.NoError(t, l.Freeze(d.ID))
	require.NoError(t, l.PowerOff(t.Context(), d.ID), "a frozen one")
	require.NoError(t, l.PowerOff(t.Context(), d.ID), "twice")
	require.Equal(t, d.ID, <-stopped)
	require.NoError(t, l.Destroy(t.Context(), d.ID))
	require.NoError(t, l.Destroy(t.Context(), d.ID), "twice")

	_, err = l.Droplet(d.ID)
	require.ErrorIs(t, err, machine.ErrNoDroplet)

	require.ErrorIs(t,
		l.Start(t.Context(), d.ID),
		machine.ErrNoDroplet,
	)
}

// identity is what no two Droplets may share.
const identity = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"

// seal is what makes a disk an image.
const seal = "rm /etc/ssh/ssh_host_* && truncate -s0 /etc/machine-id && cloud-init clean && rm -r " +
	"/usr/share/doc && mkdir /usr/share/doc && sync"

func TestSnapshots(t *testing.T) {
	l := newLab(t)
	l.vendor = mirror.VendorData("http://" + l.Gateway().String() + ":3128")
	base := l.base("debian-13")
	first := l.droplet(100001, base)
	client := l.start(first)
	l.untilBooted(client)

	was := l.run(client, identity)
	l.run(client, "echo one > /root/made && test -e /"+mirror.AptFile)

	live, err := l.Snapshot(t.Context(), first.ID, "live")
	require.NoError(t, err)
	l.run(client, seal)
	require.NoError(t, l.Shutdown(t.Context(), first.ID))

	begin := time.Now()
	sealed, err := l.Snapshot(t.Context(), first.ID, "sealed")
	require.NoError(t, err)
	t.Logf("snapshot in %s", time.Since(begin))
	require.Len(t, sealed.Layers, len(base)+1)
	require.NoDirExists(t, filepath.Join(sealed.Layers[1], "var/lib/cloud/seed"))
	require.NoFileExists(t, filepath.Join(sealed.Layers[1], mirror.AptFile))
	require.NoFileExists(t, filepath.Join(sealed.Layers[1], "etc/resolv.conf"))

	_, err = l.Snapshot(t.Context(), first.ID, "sealed")
	require.ErrorIs(t, err, os.ErrExist)

	second, third := l.droplet(100002, sealed.Layers), l.droplet(100003, live.Layers)
	client = l.start(second)
	require.Equal(t, "one", l.run(client, "cat /root/made"))
	require.Equal(t, "node-100002", l.run(client, "hostname"))
	require.Empty(t, l.run(client, "ls /usr/share/doc"), "a folder made anew hides what was in it")
	l.untilBooted(client)
	require.NotEqual(t, was, l.run(client, identity))
	require.Equal(t, "one", l.run(l.start(third), "cat /root/made"))
	require.NoError(t, l.Start(t.Context(), first.ID))

	require.Equal(t,
		"one",
		l.run(l.connect(first), "cat /root/made"),
		"the Droplet itself goes on",
	)

	require.NoError(t, l.DeleteImage("sealed"))
	require.DirExists(t, sealed.Layers[1], "Droplets stand on it")
	require.NoError(t, l.Destroy(t.Context(), first.ID))
	require.NoError(t, l.Destroy(t.Context(), second.ID))
	require.NoDirExists(t, sealed.Layers[1])
	require.DirExists(t, live.Layers[1])
}
