//go:build root

package lab_test

import (
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
	address := b.privateAddress(to)
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
		"exec 2>/dev/null; ip -o link | sort; ip link | grep alias; grep . /proc/sys/net/ipv4/conf/*/arp_ignore; nft "+
			"list ruleset").CombinedOutput()
	require.NoError(b, err, "%s", out)

	return string(out)
}

func TestLateDroplets(t *testing.T) {
	require := require.New(t)
	const by, slack = 40 * time.Millisecond, 25 * time.Millisecond
	b := newBench(t)
	one := b.createDebian("one")
	two := b.createDebian("two")
	b.run(one, "true") // its network is up
	b.run(two, "true")

	before := b.links()
	straight := b.trip(one, two)
	require.Less(straight, by)

	fault := b.giveFault(api.FaultRequest{
		Kind:    "delay",
		Groups:  [][]int{{one.ID}},
		Delay:   by.String(),
		Jitter:  "2ms",
		Network: "vpc",
	})

	isLate := func() {
		t.Helper()
		trip := b.trip(one, two)
		require.GreaterOrEqual(trip, 2*(by-2*time.Millisecond))
		require.Less(trip, 2*(by+2*time.Millisecond)+slack)
	}

	isLate()
	b.bulk(one, two)
	b.bulk(two, one)

	t.Log("killing the lab's process")

	address := b.privateAddress(two)
	status := b.labStatus()
	b.kill()

	out, err := b.enter(status.Droplets[0].PID, "ping", "-c", "2", "-i", "0.2", "-W", "1", address)
	require.Error(err)
	require.Contains(out, "100% packet loss", "nobody carries its frames")
	b.startAgain()
	isLate()

	t.Log("off and on")
	b.powerOff(one)
	b.powerOn(one)
	b.run(one, "true")
	isLate()
	b.lift(fault)
	require.Less(b.trip(one, two), by)
	require.Equal(before, b.links(), "lifted without trace")

	b.delayGoesWithItsDroplet(one, by)
}

// delayGoesWithItsDroplet deletes a Droplet that is late.
func (b *bench) delayGoesWithItsDroplet(one *godo.Droplet, by time.Duration) {
	b.Helper()

	b.giveFault(api.FaultRequest{
		Kind:   "delay",
		Groups: [][]int{{one.ID}},
		Delay:  by.String(),
	})

	b.delete(one)

	endpoint := b.endpoint()

	b.until(bootWithin, "gone with its Droplet", func() error {
		faults, err := endpoint.Faults(b.Context())
		if err != nil || len(faults) > 0 {
			return fmt.Errorf("%v %v", faults, err)
		}

		return nil
	})

	require.NotContains(
		b,
		b.links(),
		fmt.Sprintf("v%d", one.ID),
	)
}

// giveFault gives Droplets a fault, and returns its name.
func (b *bench) giveFault(ask api.FaultRequest) string {
	b.Helper()
	endpoint := b.endpoint()
	fault, err := endpoint.Break(b.Context(), ask)
	require.NoError(b, err)

	return fault.Name
}

// bulk sends 20 MB from one Droplet to another in their VPC.
func (b *bench) bulk(from, to *godo.Droplet) {
	b.Helper()
	address := b.privateAddress(from)

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

// clockIsOff wants a Droplet's date to be that many seconds from the true time.
func (b *bench) clockIsOff(droplet *godo.Droplet, seconds int) {
	b.Helper()

	off := b.secondsOff(droplet)
	require.InDelta(b, seconds, off, 5)
}

// clockService writes down the time each fifth of a second, in one move, and how long the computer runs by the
// monotonic clock.
const clockService = `#!/usr/bin/python3
import os, threading, time
while True:
    with open("/run/times.new", "w") as f: print(int(time.time()), int(time.monotonic()), file=f)
    os.replace("/run/times.new", "/run/times")
    threading.Event().wait(0.1)
    time.sleep(0.1)
`

// runs waits until systemd is content, and tells what it is not content with.
const runs = "for n in $(seq 300); do systemctl is-system-running >/dev/null 2>&1 && break; sleep 0.1; done; " +
	"systemctl is-system-running || systemctl --failed"

// serviceOff is how far from the true time a service that runs sees time and monotonic clock.
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
		wall, _ := b.serviceOff(droplet)
		if wall < off-5 || wall > off+5 {
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

const hour = 3600 // in seconds

// stepClock steps a Droplet's clock, and returns the fault's name.
func (b *bench) stepClock(droplet *godo.Droplet, step string) string {
	b.Helper()

	return b.giveFault(api.FaultRequest{
		Kind:   "clock",
		Groups: [][]int{{droplet.ID}},
		Step:   step,
	})
}

// clockTraces lists the files of stepped clocks in a Droplet.
func (b *bench) clockTraces(droplet *godo.Droplet) string {
	return b.inside(droplet, "ls -d /etc/ld.so.preload /run/hornero-clock 2>/dev/null || true")
}

func (b *bench) stepClocks(release string) {
	one := b.create(
		"one",
		godo.DropletCreateImage{Slug: release},
		"",
	)
	b.run(one,
		"cat > /root/clock.py <<'END'\n"+clockService+
			"END\nchmod +x /root/clock.py; cat /etc/ld.so.preload 2>/dev/null || true",
	)

	b.inside(one,
		"printf '[Service]\\nExecStart=/root/clock.py\\n' > /etc/systemd/system/clock.service; systemctl "+
			"daemon-reload; systemctl start clock",
	)

	fault := b.stepClock(one, "-1h")
	b.newProgramsSeeTheStep(one)
	b.secondStepAddsUp(one)
	two := b.stepOutlivesABootAndNoSnapshotHasIt(one)

	b.Log("lifted")
	b.inside(one, "systemctl start clock")

	wall, _ := b.serviceOff(one)
	require.InDelta(b, -hour, wall, 5)
	b.lift(fault)
	require.Empty(b, b.clockTraces(one), "lifted without trace")
	b.clockIsOff(one, 0)
	b.serviceSees(one, 0)

	b.stepIsLiftedWhileOff(one)

	b.Log("one that preloads something itself")
	b.inside(two, "echo > /etc/ld.so.preload")

	endpoint := b.endpoint()
	_, err := endpoint.Break(b.Context(), api.FaultRequest{
		Kind:   "clock",
		Groups: [][]int{{two.ID}},
		Step:   "-1h",
	})
	require.ErrorContains(b, err, "of its own")
}

// newProgramsSeeTheStep looks at a Droplet whose clock is an hour behind.
func (b *bench) newProgramsSeeTheStep(one *godo.Droplet) {
	b.Helper()
	require := require.New(b)
	b.clockIsOff(one, -hour)

	seen, err := strconv.Atoi(b.run(one, "date +%s"))
	require.NoError(err)
	require.InDelta(
		time.Now().Unix()-hour,
		seen,
		5,
		"over SSH",
	)

	wall, _ := b.serviceOff(one)
	require.InDelta(0, wall, 5, "what runs is not told")
	b.inside(one, "systemctl stop clock; rm -f /run/times; systemctl start clock")

	wall, monotonic := b.serviceOff(one)
	require.InDelta(-hour, wall, 5)
	require.InDelta(0, monotonic, 5, "a step does not touch the monotonic clock")
	require.Equal("running", b.inside(one, runs))
}

func (b *bench) secondStepAddsUp(one *godo.Droplet) {
	b.Helper()
	b.Log("another on top, and the lab's process killed")

	more := b.stepClock(one, "3h")
	b.serviceSees(one, 2*hour)
	b.lift(more)

	b.kill()
	b.startAgain()
	b.clockIsOff(one, -hour)
}

// stepOutlivesABootAndNoSnapshotHasIt returns the Droplet that it makes of the snapshot.
func (b *bench) stepOutlivesABootAndNoSnapshotHasIt(one *godo.Droplet) *godo.Droplet {
	b.Helper()
	require := require.New(b)
	b.Log("a reboot from inside, a snapshot")
	b.inside(one, "touch /run/before; systemctl reboot")
	b.until(bootWithin, "stepped after a boot", b.bootedWithStep)
	require.Equal("running", b.inside(one, runs))

	image := b.snapshotOf(one)

	two := b.create("two", image, "")
	b.run(two, "true")

	require.Empty(
		b.inside(two, "ls -d /etc/ld.so.preload 2>/dev/null || true"),
		"never part of a snapshot",
	)
	b.clockIsOff(two, 0)

	return two
}

// bootedWithStep tells whether the only Droplet has booted again and is an hour behind.
func (b *bench) bootedWithStep() error {
	status, err := lab.StatusOf(b.Context(), testLab)
	if err != nil || len(status.Droplets) != 1 || status.Droplets[0].PID == 0 {
		return fmt.Errorf("%v %w", status.Droplets, err)
	}

	look := "test ! -e /run/before && echo booted; date +%s"
	out, err := b.enter(status.Droplets[0].PID, "sh", "-c", look)

	seen := strings.Fields(out)
	if err != nil || len(seen) != 2 {
		return fmt.Errorf("%s %w", out, err)
	}

	at, err := strconv.Atoi(seen[1])
	if err != nil || at-int(time.Now().Unix()) > -hour+5 {
		return fmt.Errorf("%s %w", out, err)
	}

	return nil
}

func (b *bench) stepIsLiftedWhileOff(one *godo.Droplet) {
	b.Helper()
	b.Log("lifted while it is off")

	fault := b.stepClock(one, "-1h")
	require.NotEmpty(b, b.clockTraces(one))

	b.powerOff(one)
	b.lift(fault)
	b.powerOn(one)

	b.run(one, "true")
	require.Empty(b, b.clockTraces(one))
	b.clockIsOff(one, 0)
}
