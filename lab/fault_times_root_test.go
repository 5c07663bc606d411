//go:build root

package lab_test

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab"
	"github.com/hornero/hornero/lab/api"
)

// trip is the shortest of some round trips from one Droplet's VPC address to another's.
func (b *bench) trip(from, to *godo.Droplet) time.Duration {
	b.Helper()
	address, err := to.PrivateIPv4()
	require.NoError(b, err)

	said := b.inside(from, "ping -c 5 -i 0.2 -W 2 "+address)
	found := regexp.MustCompile(`rtt min/avg/max/mdev = ([0-9.]+)/`).FindStringSubmatch(said)
	require.NotNil(b, found, said)

	shortest, err := strconv.ParseFloat(found[1], 64)
	require.NoError(b, err)

	return time.Duration(shortest * float64(time.Millisecond))
}

// links is what is to be seen of links and rules in the lab's fabric.
func (b *bench) links() string {
	b.Helper()
	out, err := exec.Command("ip", "netns", "exec", "hornero-"+testLab, "sh", "-c",
		"ip -o link | sort; ip link | grep alias; grep . /proc/sys/net/ipv4/conf/*/arp_ignore; nft "+
			"list ruleset").CombinedOutput()
	require.NoError(b, err, "%s", out)

	return string(out)
}

func TestLateDroplets(t *testing.T) {
	const by, slack = 40 * time.Millisecond, 25 * time.Millisecond
	b := newBench(t)
	debian := godo.DropletCreateImage{Slug: "debian-13-x64"}
	one, two := b.create("one", debian, ""), b.create("two", debian, "")
	b.run(one, "true") // its network is up
	b.run(two, "true")

	endpoint, err := lab.Locate(testLab)
	require.NoError(t, err)

	before := b.links()
	straight := b.trip(one, two)
	require.Less(t, straight, by)

	fault, err := endpoint.Break(t.Context(), api.FaultRequest{
		Kind:    "delay",
		Groups:  [][]int{{one.ID}},
		Delay:   by.String(),
		Jitter:  "2ms",
		Network: "vpc",
	})
	require.NoError(t, err)

	isLate := func() {
		t.Helper()
		trip := b.trip(one, two)
		require.GreaterOrEqual(t, trip, 2*(by-2*time.Millisecond))
		require.Less(t, trip, 2*(by+2*time.Millisecond)+slack)
	}
	isLate()
	b.bulk(one, two)
	b.bulk(two, one)

	t.Log("killing the lab's process")

	address, err := two.PrivateIPv4()
	require.NoError(t, err)

	status, err := lab.StatusOf(t.Context(), testLab)
	require.NoError(t, err)
	b.kill()

	out, err := b.enter(status.Droplets[0].PID, "ping", "-c", "2", "-i", "0.2", "-W", "1", address)
	require.Error(t, err)
	require.Contains(t, out, "100% packet loss", "nobody carries its frames")
	require.True(t, b.start())
	isLate()

	t.Log("off and on")
	b.power(b.client.DropletActions.PowerOff, one)
	b.power(b.client.DropletActions.PowerOn, one)
	b.run(one, "true")
	isLate()
	require.NoError(t, endpoint.Lift(t.Context(), fault.Name))
	require.Less(t, b.trip(one, two), by)
	require.Equal(t, before, b.links(), "lifted without trace")

	_, err = endpoint.Break(t.Context(), api.FaultRequest{
		Kind:   "delay",
		Groups: [][]int{{one.ID}},
		Delay:  by.String(),
	})
	require.NoError(t, err)

	_, err = b.client.Droplets.Delete(t.Context(), one.ID)
	require.NoError(t, err)

	b.until(bootWithin, "gone with its Droplet", func() error {
		if faults, err := endpoint.Faults(t.Context()); err != nil || len(faults) > 0 {
			return fmt.Errorf("%v %v", faults, err)
		}

		return nil
	})

	require.NotContains(t, b.links(), fmt.Sprintf("v%d", one.ID))
}

func (b *bench) power(do func(context.Context, int) (*godo.Action, *godo.Response, error), droplet *godo.Droplet) {
	b.Helper()
	action, _, err := do(b.Context(), droplet.ID)
	require.NoError(b, err)
	b.done(action)
}

// bulk sends 20 MB from one Droplet to another in their VPC.
func (b *bench) bulk(from, to *godo.Droplet) {
	b.Helper()
	address, err := from.PrivateIPv4()
	require.NoError(b, err)

	sum := b.inside(from, "head -c 20M /dev/urandom > /root/bulk; sha256sum < /root/bulk")

	b.inside(
		from,
		"systemd-run --quiet --collect --unit bulk systemd-socket-activate --accept --inetd --listen 9999 cat "+
			"/root/bulk",
	)

	begun := time.Now()

	got := b.inside(to,
		"for n in $(seq 50); do bash -c 'exec 3<>/dev/tcp/"+address+
			"/9999 && cat <&3 >/root/got' 2>/dev/null && break; sleep 0.1; done; sha256sum < /root/got",
	)

	b.Logf("20 MB in %s", time.Since(begun).Round(time.Millisecond))
	require.Equal(b, sum, got)
	b.inside(from, "systemctl stop bulk; rm /root/bulk")
}

// secondsOff is how far a Droplet's date is from the true time.
func (b *bench) secondsOff(droplet *godo.Droplet) int {
	b.Helper()
	seen, err := strconv.Atoi(b.inside(droplet, "date +%s"))
	require.NoError(b, err)

	return seen - int(time.Now().Unix())
}

// clockService writes down the time each second, and how long the computer runs by the monotonic clock.
const clockService = `#!/usr/bin/python3
import threading, time
while True:
    with open("/run/times", "w") as f: print(int(time.time()), int(time.monotonic()), file=f)
    threading.Event().wait(0.1)
    time.sleep(0.1)
`

// runs waits until systemd is content, and tells what it is not content with.
const runs = "for n in $(seq 300); do systemctl is-system-running >/dev/null 2>&1 && break; sleep 0.1; done; " +
	"systemctl is-system-running || systemctl --failed"

// serviceOff is how far from the truth a service that runs sees time and monotonic clock.
func (b *bench) serviceOff(droplet *godo.Droplet) (wall, monotonic int) {
	b.Helper()

	said := strings.Fields(b.inside(
		droplet,
		"while ! grep -qs . /run/times; do sleep 0.05; done; cat /run/times; cut -d. -f1 /proc/uptime",
	))
	require.Len(b, said, 3)

	numbers := []int{}

	for _, text := range said {
		n, err := strconv.Atoi(text)
		require.NoError(b, err)
		numbers = append(numbers, n)
	}

	return numbers[0] - int(time.Now().Unix()), numbers[1] - numbers[2]
}

// serviceSees waits until the service that runs follows a step.
func (b *bench) serviceSees(droplet *godo.Droplet, off int) {
	b.Helper()

	b.until(5*time.Second, "the service follows", func() error {
		if wall, _ := b.serviceOff(droplet); wall < off-5 || wall > off+5 {
			return fmt.Errorf("it is off by %d", wall)
		}

		return nil
	})
}

func TestSteppedClocks(t *testing.T) {
	for _, release := range []string{"debian-13-x64", "debian-12-x64"} {
		t.Run(release, func(t *testing.T) { newBench(t).stepClocks(release) })
	}
}

func (b *bench) stepClocks(release string) {
	t := b.T
	one := b.create("one", godo.DropletCreateImage{Slug: release}, "")
	b.run(one,
		"cat > /root/clock.py <<'END'\n"+clockService+
			"END\nchmod +x /root/clock.py; cat /etc/ld.so.preload 2>/dev/null || true",
	)

	b.inside(one,
		"printf '[Service]\\nExecStart=/root/clock.py\\n' > /etc/systemd/system/clock.service; systemctl "+
			"daemon-reload; systemctl start clock",
	)

	traces := func() string {
		return b.inside(one, "ls -d /etc/ld.so.preload /run/hornero-clock 2>/dev/null || true")
	}
	endpoint, err := lab.Locate(testLab)
	require.NoError(t, err)
	const hour = 3600

	fault, err := endpoint.Break(t.Context(), api.FaultRequest{
		Kind:   "clock",
		Groups: [][]int{{one.ID}},
		Step:   "-1h",
	})
	require.NoError(t, err)
	require.InDelta(t, -hour, b.secondsOff(one), 5)

	seen, err := strconv.Atoi(b.run(one, "date +%s"))
	require.NoError(t, err)
	require.InDelta(t, time.Now().Unix()-hour, seen, 5, "over SSH")

	wall, _ := b.serviceOff(one)
	require.InDelta(t, 0, wall, 5, "what runs is not told")
	b.inside(one, "systemctl stop clock; rm -f /run/times; systemctl start clock")

	wall, monotonic := b.serviceOff(one)
	require.InDelta(t, -hour, wall, 5)
	require.InDelta(t, 0, monotonic, 5, "a step does not touch the monotonic clock")
	require.Equal(t, "running", b.inside(one, runs))

	t.Log("another on top, and the lab's process killed")

	more, err := endpoint.Break(t.Context(), api.FaultRequest{
		Kind:   "clock",
		Groups: [][]int{{one.ID}},
		Step:   "3h",
	})
	require.NoError(t, err)
	b.serviceSees(one, 2*hour)
	require.NoError(t, endpoint.Lift(t.Context(), more.Name))
	b.kill()
	require.True(t, b.start())
	require.InDelta(t, -hour, b.secondsOff(one), 5)

	t.Log("a reboot from inside, a snapshot")
	b.inside(one, "touch /run/before; systemctl reboot")

	b.until(bootWithin, "stepped after a boot", func() error {
		status, err := lab.StatusOf(t.Context(), testLab)
		if err != nil || len(status.Droplets) != 1 || status.Droplets[0].PID == 0 {
			return fmt.Errorf("%v %w", status.Droplets, err)
		}

		out, err := b.enter(
			status.Droplets[0].PID,
			"sh",
			"-c",
			"test ! -e /run/before && echo booted; date +%s",
		)

		seen := strings.Fields(out)
		if err != nil || len(seen) != 2 {
			return fmt.Errorf("%s %w", out, err)
		}

		if at, err := strconv.Atoi(seen[1]); err != nil || at-int(time.Now().Unix()) > -hour+5 {
			return fmt.Errorf("%s %w", out, err)
		}

		return nil
	})

	require.Equal(t, "running", b.inside(one, runs))

	action, _, err := b.client.DropletActions.Snapshot(t.Context(), one.ID, "snap")
	require.NoError(t, err)
	b.done(action)

	snapshots, _, err := b.client.Droplets.Snapshots(t.Context(), one.ID, nil)
	require.NoError(t, err)

	two := b.create("two", godo.DropletCreateImage{ID: snapshots[0].ID}, "")
	b.run(two, "true")

	require.Empty(t,
		b.inside(two, "ls -d /etc/ld.so.preload 2>/dev/null || true"),
		"never part of a snapshot",
	)

	require.InDelta(t, 0, b.secondsOff(two), 5)

	t.Log("lifted")
	b.inside(one, "systemctl start clock")

	wall, _ = b.serviceOff(one)
	require.InDelta(t, -hour, wall, 5)
	require.NoError(t, endpoint.Lift(t.Context(), fault.Name))
	require.Empty(t, traces(), "lifted without trace")
	require.InDelta(t, 0, b.secondsOff(one), 5)
	b.serviceSees(one, 0)

	t.Log("lifted while it is off")

	fault, err = endpoint.Break(t.Context(), api.FaultRequest{
		Kind:   "clock",
		Groups: [][]int{{one.ID}},
		Step:   "-1h",
	})
	require.NoError(t, err)
	require.NotEmpty(t, traces())
	b.power(b.client.DropletActions.PowerOff, one)
	require.NoError(t, endpoint.Lift(t.Context(), fault.Name))
	b.power(b.client.DropletActions.PowerOn, one)
	b.run(one, "true")
	require.Empty(t, traces())
	require.InDelta(t, 0, b.secondsOff(one), 5)

	t.Log("one that preloads something itself")
	b.inside(two, "echo > /etc/ld.so.preload")

	_, err = endpoint.Break(t.Context(), api.FaultRequest{
		Kind:   "clock",
		Groups: [][]int{{two.ID}},
		Step:   "-1h",
	})
	require.ErrorContains(t, err, "of its own")
}
