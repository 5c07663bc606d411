//go:build root && bench

package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestStart measures how long a stack takes to be there: each role from the agent's exec to configured and to
// its role's state being healthy, in START_LAUNCHES launches (3); then the whole stack, START_ROUNDS times (5),
// from the power's return after it went in the middle of writes. It also tells what the agents of an idle stack
// cost.
func TestStart(t *testing.T) {
	launches := int(number(t, "START_LAUNCHES", 3))
	rounds := int(number(t, "START_ROUNDS", 5))
	s := launch(t)
	starts := map[string][]started{}

	for n := range launches {
		if n > 0 {
			s.must("destroy", "--yes")
			s.must("up")
		}

		s.untilHealthy()

		for _, n := range s.nodes() {
			one := s.started(n.Name)
			fmt.Printf("%-8s configured %.2f s after exec, its role's state healthy after %.2f s\n",
				n.Name, one.configured.Seconds(), one.healthy.Seconds())

			starts[as(n)] = append(starts[as(n)], one)
		}
	}

	for _, role := range slices.Sorted(maps.Keys(starts)) {
		configured := sorted(starts[role], func(one started) time.Duration {
			return one.configured
		})
		healthy := sorted(starts[role], func(one started) time.Duration {
			return one.healthy
		})
		fmt.Printf("%-10s n=%d  exec to configured: %s; to a healthy state: %s\n",
			role, len(configured), medianAndMax(configured, 2), medianAndMax(healthy, 2))
	}

	s.idle()

	c := newClients(s)
	var writes, whole []time.Duration

	for range rounds {
		write, all := s.outage(c)
		writes = append(writes, write)
		whole = append(whole, all)
	}

	slices.Sort(writes)
	slices.Sort(whole)
	fmt.Printf("all off and on  n=%d  power-on to the first acknowledged write: %s; to all nodes healthy: %s\n",
		rounds, medianAndMax(writes, 1), medianAndMax(whole, 1))
}

// medianAndMax prints what stands in the middle and at the end of times in order, with so many digits.
func medianAndMax(times []time.Duration, digits int) string {
	median := times[len(times)/2]
	longest := times[len(times)-1]

	return fmt.Sprintf("median %.*f s, max %.*f s", digits, median.Seconds(), digits, longest.Seconds())
}

// as tells the founder from those who join it.
func as(n node) string {
	switch {
	case n.Name == "db-1":
		return "db founder"
	case n.Role == "db":
		return "db joiner"
	}

	return n.Role
}

// started is how long an agent took, from its exec. A new member is neither before it is in consensus, whatever
// it does meanwhile.
type started struct{ configured, healthy time.Duration }

// readStamps prints when the agent was started, when it was configured and when its role's state was healthy, in
// microseconds.
const readStamps = `systemctl show -p ExecMainStartTimestampMonotonic --value hornero-bootstrap
journalctl -u hornero-bootstrap -b -o json --output-fields=MESSAGE |
	sed -nE 's/.*"__MONOTONIC_TIMESTAMP":"([0-9]+)".*/\1 &/p' | awk '
	!configured && /msg=phase from=configuring to=serving/ { configured = $1 }
	!healthy && /msg=state / && /healthy=true/ { healthy = $1 }
	/msg=..in consensus/ { inside = $1 }
	END { print (inside > configured ? inside : configured), (inside > healthy ? inside : healthy) }'`

// started reads systemd's and the journal's stamps, which are of one clock.
func (s *stack) started(node string) started {
	s.t.Helper()

	out := s.on(node, readStamps)

	var exec, configured, healthy int64
	n, err := fmt.Sscan(out, &exec, &configured, &healthy)
	require.NoErrorf(s.t, err, "%s: %d numbers in %q", node, n, out)

	return started{
		configured: time.Duration(configured-exec) * time.Microsecond,
		healthy:    time.Duration(healthy-exec) * time.Microsecond,
	}
}

func sorted(all []started, of func(started) time.Duration) []time.Duration {
	times := make([]time.Duration, len(all))
	for at, one := range all {
		times[at] = of(one)
	}

	slices.Sort(times)

	return times
}

// idle prints what the agents cost while nobody asks for anything.
func (s *stack) idle() {
	s.t.Helper()
	const span = 60 * time.Second
	nodes := s.nodes()
	for name := range nodes {
		s.untilImageCompared(name)
	}

	before, began := map[string]int{}, map[string]time.Time{}

	for name := range nodes {
		before[name], began[name] = s.ofAgent(name, cpuTicks), time.Now()
	}

	time.Sleep(span) // what is measured is that nothing happens

	leader := s.leader().Name

	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		cpu := float64(s.ofAgent(name, cpuTicks)-before[name]) / time.Since(began[name]).Seconds()
		memory := float64(s.ofAgent(name, residentKiB)) / 1024
		var is []string

		if name == leader {
			is = append(is, "leads")
		}

		if nodes[name].Writer {
			is = append(is, "writer")
		}

		fmt.Printf(
			"%-8s idle agent: CPU %.2f %%, memory %.1f MiB  %s\n",
			name,
			cpu,
			memory,
			strings.Join(is, ", "),
		)
	}
}

// untilImageCompared waits for the agent's first look at the whole image, a minute after the boot, which takes
// a share of a core for a while.
func (s *stack) untilImageCompared(name string) {
	s.t.Helper()

	require.Eventually(s.t, func() bool {
		var status struct {
			Image struct {
				CheckedAt string `json:"checked_at"`
			}
		}

		said := s.on(name, "hornero-bootstrap status --json")
		require.NoError(s.t, json.Unmarshal([]byte(said), &status))

		return status.Image.CheckedAt != ""
	}, 10*time.Minute, 2*time.Second, "%s has compared its image", name)
}

// What the kernel tells of a process (proc(5)): a program of awk and the file that it reads.
const (
	cpuTicks    = `'{print $14 + $15}' /proc/%s/stat`
	residentKiB = `'/VmRSS/ {print $2}' /proc/%s/status`
)

// ofAgent reads a number of a node's agent.
func (s *stack) ofAgent(name, what string) (number int) {
	s.t.Helper()
	pid := "$(systemctl show -p MainPID --value hornero-bootstrap)"
	_, err := fmt.Sscan(s.on(name, "awk "+fmt.Sprintf(what, pid)), &number)
	require.NoError(s.t, err)

	return number
}

// outage takes the power from all nodes in the middle of writes and gives it back: the stack serves again by
// itself, with every acknowledged row.
func (s *stack) outage(c *clients) (write, whole time.Duration) {
	s.t.Helper()
	require.Eventually(s.t, s.whole, healsWithin, 300*time.Millisecond, "whole before the outage")

	stop := c.start()
	time.Sleep(2 * time.Second) // of writes

	_, on := allOff(s, &draw{hit: map[string]bool{}})
	time.Sleep(time.Second) // the last answers have come

	off := c.acknowledged()
	began := time.Now()
	on()

	require.Eventually(s.t, func() bool {
		return c.acknowledged() > off
	}, healsWithin, 20*time.Millisecond, "a write is acknowledged again")

	write = time.Since(began)
	require.Eventually(s.t, s.whole, healsWithin, 300*time.Millisecond, "whole again by itself")

	whole = time.Since(began)
	r := stop()
	fmt.Printf("%s  all off and on: first acknowledged write after %.1f s, all nodes healthy after %.1f s; "+
		"%d rows acknowledged\n", began.Format("15:04:05.000"), write.Seconds(), whole.Seconds(), r.rows)
	s.keepsRows(c)

	return write, whole
}

func (c *clients) acknowledged() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	return len(c.rows)
}
