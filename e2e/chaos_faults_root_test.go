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
func faults() []fault {
	return []fault{
		{
			name: "kill -9 mariadbd",
			strike: func(s *stack, d *draw) (string, func()) {
				return s.killed(d, "db", "mariadbd")
			},
		},
		{
			name: "kill -9 bootstrap",
			strike: func(s *stack, d *draw) (string, func()) {
				return s.killed(d, []string{"db", "proxy", "web"}[d.IntN(3)], "hornero-bootstr")
			},
		},
		{
			name: "kill -9 haproxy",
			strike: func(s *stack, d *draw) (string, func()) {
				return s.killed(d, []string{"proxy", "web"}[d.IntN(2)], "haproxy")
			},
		},
		{
			name:   "power off",
			strike: powerOff,
		}, {
			name:   "freeze",
			strike: freeze,
		}, {
			name:   "cut off",
			strike: cutOff,
		}, {
			name:   "split in two",
			strike: split,
		}, {
			name:   "lossy links",
			strike: loss,
		}, {
			name:   "disk full",
			strike: full,
		}, {
			name:   "clock an hour off",
			strike: clock,
		}, {
			name:   "late links",
			strike: late,
		},
		{"all off at once", allOff},
	}
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

func nothing() {}

// killed ends a program of a node from outside, where nothing of the node can refuse it.
func (s *stack) killed(d *draw, role, program string) (string, func()) {
	n, _ := s.some(d, role)
	s.end(n, program)
	return n.Name, nothing
}

// end ends a program of a node from outside.
func (s *stack) end(n node, program string) {
	s.t.Helper()

	s.fromOutside(n.DropletID, `for p in $(ip netns pids "$1"); do
	[ "$(cat /proc/$p/comm 2>/dev/null)" = `+program+` ] && kill -9 $p
done; true`)
}

func freeze(s *stack, d *draw) (string, func()) {
	n, ok := s.some(d, "")
	if !ok {
		return n.Name, nothing
	}

	return n.Name, s.inflict(map[string]any{
		"kind":   "freeze",
		"groups": [][]int{{n.DropletID}},
	})
}

func cutOff(s *stack, d *draw) (string, func()) {
	n, ok := s.some(d, "")
	if !ok {
		return n.Name, nothing
	}

	return n.Name, s.inflict(map[string]any{
		"kind":   "cut",
		"groups": [][]int{{n.DropletID}},
	})
}

// split puts each of the database and proxy nodes on one of two sides that do not reach each other.
func split(s *stack, d *draw) (string, func()) {
	sides, names := [2][]int{}, [2][]string{}
	nodes := s.nodes()
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		n := nodes[name]
		if n.Role == "web" || d.hit[n.Name] {
			continue
		}

		d.hit[n.Name] = true
		side := d.IntN(2)
		sides[side], names[side] = append(sides[side], n.DropletID), append(names[side], n.Name)
	}

	if len(sides[0]) == 0 || len(sides[1]) == 0 {
		return cutOff(s, d)
	}

	slices.Sort(names[0])

	return strings.Join(names[0], "+") +
		" from the rest", s.inflict(map[string]any{"kind": "partition", "groups": sides})
}

func loss(s *stack, d *draw) (string, func()) {
	n, ok := s.some(d, "")
	if !ok {
		return n.Name, nothing
	}

	percent := 5 + d.IntN(25)

	return fmt.Sprintf(
			"%s %d %%",
			n.Name,
			percent,
		), s.inflict(map[string]any{
			"kind":    "loss",
			"groups":  [][]int{{n.DropletID}},
			"percent": percent,
			"network": "vpc",
		})
}

// full leaves no room on a node's disk.
func full(s *stack, d *draw) (string, func()) {
	n, ok := s.some(d, "")
	if !ok {
		return n.Name, nothing
	}

	return n.Name, s.inflict(map[string]any{
		"kind":   "fill",
		"groups": [][]int{{n.DropletID}},
	})
}

// clock steps what is started on a node from now on an hour away: the kernel has one clock for all Droplets of
// the lab.
func clock(s *stack, d *draw) (string, func()) {
	n, ok := s.some(d, "")
	if !ok {
		return n.Name, nothing
	}

	step := []string{"1h", "-1h"}[d.IntN(2)]

	return n.Name + " " + step, s.inflict(map[string]any{
		"kind":   "clock",
		"groups": [][]int{{n.DropletID}},
		"step":   step,
	})
}

func late(s *stack, d *draw) (string, func()) {
	n, ok := s.some(d, "")
	if !ok {
		return n.Name, nothing
	}

	return n.Name, s.inflict(map[string]any{
		"kind":    "delay",
		"groups":  [][]int{{n.DropletID}},
		"delay":   "40ms",
		"jitter":  "10ms",
		"network": "vpc",
	})
}

// powerOff pulls a node's plug, and presses its button later.
func powerOff(s *stack, d *draw) (string, func()) {
	n, ok := s.some(d, "")
	if !ok {
		return n.Name, nothing
	}

	s.pull(n)

	return n.Name, func() { s.press(n) }
}

func (s *stack) pull(n node) {
	s.t.Helper()

	require.Equal(
		s.t,
		http.StatusNoContent,
		s.api("POST", fmt.Sprintf("/lab/v1/droplets/%d/kill", n.DropletID), nil, nil),
		n.Name,
	)
}

// press turns a node on, unless it is; one that is busy is asked again.
func (s *stack) press(n node) {
	s.t.Helper()
	path := fmt.Sprintf("/v2/droplets/%d", n.DropletID)
	require.Eventually(s.t, func() bool {
		var now struct{ Droplet struct{ Status string } }
		if s.api("GET", path, nil, &now) == http.StatusOK && now.Droplet.Status == "active" {
			return true
		}

		return s.api(
			"POST",
			path+"/actions",
			map[string]any{"type": "power_on"},
			nil,
		) == http.StatusCreated
	}, 30*time.Second, 200*time.Millisecond, n.Name)
}

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
