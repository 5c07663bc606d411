//go:build root && bench

package e2e_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// databasesOnly is a stack of nothing but database nodes.
const databasesOnly = `version: 1
name: join
cloud: lab
region: nyc3
nodes:
  - {name: db, role: db, count: 3}
`

// What Hornero's times may be of the floor's.
const (
	mostOfThree = 0.8
	mostOfOne   = 1.0
)

// TestJoin measures how long blank database nodes take until they are Synced, in turn without Hornero
// (floor_root_test.go) and with it, JOIN_ROUNDS times (5):
//
//   - three: from the moment at which the first of three machines is on until the last says that it is Synced in a
//     cluster of three;
//   - one: a third of a cluster leaves in peace and its machine is deleted; from the moment at which a blank machine in
//     its place is on until that says that it is Synced in a cluster of three. One client adds rows to the cluster all
//     the time, 5 ms apart.
//
// Both run in the same lab, in machines of the same size, on the same baked image of role db. A machine is on
// when its PID 1 is there; what the lab does before is in neither. One client looks at every server in the same
// way, through its socket from outside the machine, every 50 ms.
//
// The floor has nothing in it but the database: no installer, no cloud-init, the addresses known before
// power-on, all three machines on at once, MariaDB started by systemd. Hornero's side has everything in it that
// a user waits for: `hornero up` creates all Droplets at once, and the nodes are told no address; they find their
// user-data and each other, form the peer set, decide who begins, and talk TLS; cloud-init runs beside them.
// `hornero up` is told to stop looking when all machines are on, `hornero replace` looks to the end.
func TestJoin(t *testing.T) {
	rounds := int(number(t, "JOIN_ROUNDS", 5))
	h := newHarness(t, setup{
		StackFile: databasesOnly,
		LabFlags:  []string{"--profile", "instant"},
		BakeFlags: []string{"-var", `roles=["db"]`},
	})
	s := h.baked(t)
	t.Cleanup(func() {
		_, _ = s.try("destroy", "--yes")
	})

	sides := []contestant{newFloor(s), &ours{stack: s}}
	figures := map[string][]time.Duration{}
	fmt.Printf("%-6s %-8s %10s %10s\n", "round", "side", "three", "one")

	for round := range rounds {
		for _, side := range sides {
			three := side.three()
			one := s.joins(side)
			side.end()

			figures[side.String()+" three"] = append(figures[side.String()+" three"], three)
			figures[side.String()+" one"] = append(figures[side.String()+" one"], one)
			fmt.Printf("%-6d %-8s %8.2f s %8.2f s\n", round+1, side, three.Seconds(), one.Seconds())
		}

		slices.Reverse(sides) // whoever is second comes first: load that grows or shrinks meets both
	}

	for _, what := range []struct {
		name string
		most float64
	}{{"three", mostOfThree}, {"one", mostOfOne}} {
		floor := summary(figures["floor "+what.name])
		ours := summary(figures["hornero "+what.name])
		ratio := ours.median.Seconds() / floor.median.Seconds()
		fmt.Printf("%-6s floor %s, Hornero %s: ratio of the medians %.2f, wanted at most %.2f\n",
			what.name, floor, ours, ratio, what.most)
	}
}

type figure struct{ median, min, max time.Duration }

func summary(of []time.Duration) figure {
	sorted := slices.Sorted(slices.Values(of))
	middle := (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
	return figure{middle, sorted[0], sorted[len(sorted)-1]}
}

func (f figure) String() string {
	return fmt.Sprintf("median %.2f s (%.2f to %.2f)", f.median.Seconds(), f.min.Seconds(), f.max.Seconds())
}

// contestant makes clusters of three.
type contestant interface {
	fmt.Stringer
	// three launches three blank machines and returns how long they took.
	three() time.Duration
	// survivor is who takes the writes while one of the others is exchanged.
	survivor() *server
	// exchange gives a blank machine the place of one that leaves, and returns it when it is on.
	exchange() *server
	end()
}

// joins exchanges a machine under load and returns how long the new one took.
func (s *stack) joins(side contestant) time.Duration {
	survivor := side.survivor()
	stop := survivor.adds()
	time.Sleep(2 * time.Second) // of a load that nothing disturbs

	joiner := side.exchange()
	took := untilSynced([]*server{joiner})
	rows := stop()
	require.NotZero(s.t, rows)
	require.Equal(s.t, rows, joiner.count(), "rows on the machine that joined")

	return took
}

// ours is a stack of Hornero.
type ours struct {
	*stack
	servers map[string]*server
}

func (*ours) String() string { return "hornero" }

func (o *ours) three() time.Duration {
	o.servers = map[string]*server{}
	names := []string{"db-1", "db-2", "db-3"}
	up := o.background("up")

	for _, name := range names {
		o.servers[name] = o.powered(o.droplet("join-"+name, 0))
	}

	up.stop()

	all := []*server{
		o.servers["db-1"],
		o.servers["db-2"],
		o.servers["db-3"],
	}
	took := untilSynced(all)

	require.Eventually(o.t, func() bool {
		healthy := 0
		for _, n := range o.nodes() {
			if n.Healthy {
				healthy++
			}
		}

		return healthy == len(names) && o.writer() != ""
	}, 90*time.Second, 300*time.Millisecond, "all database nodes healthy")

	const size = "select variable_value from information_schema.global_status" +
		" where variable_name = 'wsrep_cluster_size'"

	for _, m := range all {
		require.Equal(o.t, "3", m.ask(size), "one cluster")
	}

	return took
}

func (o *ours) survivor() *server {
	return o.servers[o.writer()]
}

func (o *ours) exchange() *server {
	name := "db-3"
	if o.writer() == name {
		name = "db-2"
	}

	before := o.servers[name].id
	replace := o.background("replace", name)
	o.t.Cleanup(replace.stop)

	o.servers[name] = o.powered(o.droplet("join-"+name, before))

	return o.servers[name]
}

func (o *ours) end() {
	// A replace may be about to end.
	o.must(
		"destroy",
		"--yes",
		"--lock-wait=1m",
	)
}

// droplet waits for a Droplet by its name that is another than one before, and returns its number.
func (s *stack) droplet(name string, before int) (id int) {
	s.t.Helper()

	require.Eventually(s.t, func() bool {
		var list struct{ Droplets []struct{ ID int } }
		s.api("GET", "/v2/droplets?name="+name, nil, &list)

		for _, d := range list.Droplets {
			if d.ID != before {
				id = d.ID
			}
		}

		return id != 0
	}, time.Minute, 20*time.Millisecond, "Droplet %s", name)

	return id
}

// program is a bin/hornero that runs beside the test.
type program struct{ stop func() }

func (s *stack) background(args ...string) program {
	s.t.Helper()

	command := s.command(context.Background(), args...)
	var out strings.Builder
	command.Stdout = &out
	command.Stderr = &out
	require.NoError(s.t, command.Start())

	done := make(chan error, 1)
	go func() { done <- command.Wait() }()

	return program{stop: func() {
		_ = command.Process.Signal(os.Interrupt)
		if err := <-done; err != nil && s.t.Failed() {
			s.t.Logf("hornero %s: %v\n%s", strings.Join(args, " "), err, out.String())
		}

		done <- nil
	}}
}
