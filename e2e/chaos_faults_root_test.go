//go:build root && (chaos || bench)

package e2e_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// fault is something that breaks, and is over when mended is called.
type fault struct {
	name   string
	strike func(s *stack, d *draw) (what string, mended func())
}

// draw is what is drawn for one round: no two faults hit one node.
type draw struct {
	*rand.Rand
	hit map[string]bool
}

// faults are drawn from evenly. Nothing but what is named here is ever done to a node: no restart, no help.
var faults = []fault{
	{
		name:   "kill -9 mariadbd",
		strike: kill("mariadbd", "db"),
	},
	{
		name: "kill -9 bootstrap",
		// its name as the kernel cuts it
		strike: kill("hornero-bootstr", "db", "proxy", "web"),
	},
	{
		name:   "kill -9 haproxy",
		strike: kill("haproxy", "proxy", "web"),
	},
	{
		name:   "power off",
		strike: powerOff,
	},
	{
		name:   "freeze",
		strike: freeze,
	},
	{
		name:   "cut off",
		strike: cutOff,
	},
	{
		name:   "split in two",
		strike: split,
	},
	{
		name:   "lossy links",
		strike: loss,
	},
	{
		name:   "disk full",
		strike: full,
	},
	{
		name:   "clock an hour off",
		strike: clock,
	},
	{
		name:   "late links",
		strike: late,
	},
	{
		name:   "all off at once",
		strike: allOff,
	},
}

// some is a node of a role, or of any, that no other fault of the round has hit; there may be none.
func (s *stack) some(d *draw, role string) (node, bool) {
	s.t.Helper()
	found := []node{}

	for _, n := range s.nodes() {
		if (role == "" || n.Role == role) && !d.hit[n.Name] {
			found = append(found, n)
		}
	}

	if len(found) == 0 {
		return node{Name: "nobody"}, false
	}

	slices.SortFunc(found, func(a, b node) int {
		return strings.Compare(a.Name, b.Name)
	})

	one := found[d.IntN(len(found))]
	d.hit[one.Name] = true

	return one, true
}

// mendsItself is what ends a fault that nobody has to end.
func mendsItself() {}

// kill ends a program of a node from outside, where nothing of the node can refuse it. Of several roles one is drawn.
func kill(program string, roles ...string) func(*stack, *draw) (string, func()) {
	return func(s *stack, d *draw) (string, func()) {
		role := roles[0]
		if len(roles) > 1 {
			role = roles[d.IntN(len(roles))]
		}

		n, _ := s.some(d, role)
		s.end(n, program)

		return n.Name, mendsItself
	}
}

// end ends a program of a node from outside.
func (s *stack) end(n node, program string) {
	s.t.Helper()

	s.fromOutside(n.DropletID, `for p in $(ip netns pids "$1"); do
	[ "$(cat /proc/$p/comm 2>/dev/null)" = `+program+` ] && kill -9 $p
done; true`)
}

// onOne has the lab inflict a fault on one node.
func (s *stack) onOne(d *draw, kind string, more map[string]any) (string, func()) {
	s.t.Helper()
	n, ok := s.some(d, "")
	if !ok {
		return n.Name, mendsItself
	}

	return n.Name, s.inflictOn(n, kind, more)
}

func (s *stack) inflictOn(n node, kind string, more map[string]any) (lift func()) {
	s.t.Helper()
	body := map[string]any{
		"kind":   kind,
		"groups": [][]int{{n.DropletID}},
	}
	maps.Copy(body, more)

	return s.inflict(body)
}

func freeze(s *stack, d *draw) (string, func()) {
	return s.onOne(d, "freeze", nil)
}

func cutOff(s *stack, d *draw) (string, func()) {
	return s.onOne(d, "cut", nil)
}

// full leaves no room on a node's disk.
func full(s *stack, d *draw) (string, func()) {
	return s.onOne(d, "fill", nil)
}

func late(s *stack, d *draw) (string, func()) {
	return s.onOne(d, "delay", map[string]any{
		"delay":   "40ms",
		"jitter":  "10ms",
		"network": "vpc",
	})
}

// split puts each of the database and proxy nodes on one of two sides that do not reach each other.
func split(s *stack, d *draw) (string, func()) {
	sides := [2][]int{}
	names := [2][]string{}
	nodes := s.nodes()
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		n := nodes[name]
		if n.Role == "web" || d.hit[n.Name] {
			continue
		}

		d.hit[n.Name] = true
		side := d.IntN(2)
		sides[side] = append(sides[side], n.DropletID)
		names[side] = append(names[side], n.Name)
	}

	if len(sides[0]) == 0 || len(sides[1]) == 0 {
		return cutOff(s, d)
	}

	slices.Sort(names[0])
	what := strings.Join(names[0], "+") + " from the rest"

	return what, s.inflict(map[string]any{
		"kind":   "partition",
		"groups": sides,
	})
}

func loss(s *stack, d *draw) (string, func()) {
	n, ok := s.some(d, "")
	if !ok {
		return n.Name, mendsItself
	}

	percent := 5 + d.IntN(25)
	what := fmt.Sprintf("%s %d %%", n.Name, percent)

	return what, s.inflictOn(n, "loss", map[string]any{
		"percent": percent,
		"network": "vpc",
	})
}

// clock steps what is started on a node from now on an hour away: the kernel has one clock for all Droplets of
// the lab.
func clock(s *stack, d *draw) (string, func()) {
	n, ok := s.some(d, "")
	if !ok {
		return n.Name, mendsItself
	}

	step := []string{"1h", "-1h"}[d.IntN(2)]

	return n.Name + " " + step, s.inflictOn(n, "clock", map[string]any{"step": step})
}

// powerOff pulls a node's plug, and presses its button later.
func powerOff(s *stack, d *draw) (string, func()) {
	n, ok := s.some(d, "")
	if !ok {
		return n.Name, mendsItself
	}

	s.pull(n)

	return n.Name, func() { s.press(n) }
}

// pull takes the power from a node at once.
func (s *stack) pull(n node) {
	s.t.Helper()
	path := fmt.Sprintf("/lab/v1/droplets/%d/kill", n.DropletID)
	code := s.api("POST", path, nil, nil)
	require.Equal(s.t, http.StatusNoContent, code, n.Name)
}

// press turns a node on, unless it is; one that is busy is asked again.
func (s *stack) press(n node) {
	s.t.Helper()

	require.Eventually(s.t, func() bool {
		var now struct{ Droplet droplet }
		code := s.api("GET", dropletPath(n.DropletID), nil, &now)
		if code == http.StatusOK && now.Droplet.Status == "active" {
			return true
		}

		return s.power(n.DropletID, "power_on") == http.StatusCreated
	}, 30*time.Second, 200*time.Millisecond, n.Name)
}

// allOff takes the power from all nodes.
func allOff(s *stack, d *draw) (string, func()) {
	all := s.nodes()
	for _, n := range all {
		d.hit[n.Name] = true
		s.pull(n)
	}

	return "everything", func() {
		for _, n := range all {
			s.press(n)
		}
	}
}
