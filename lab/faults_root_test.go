//go:build root

package lab_test

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/guest"
	"github.com/hornero/hornero/lab/api"
)

// reaches tells how many of some pings from one Droplet's VPC address to another's were answered.
func (b *bench) reaches(from, to *godo.Droplet, pings int) int {
	b.Helper()
	address := b.privateAddress(to)

	text := b.inside(from, fmt.Sprintf(
		"ping -c %d -i 0.01 -W 0.3 %s | sed -n 's/.* \\([0-9]*\\) received.*/\\1/p'",
		pings,
		address,
	))

	answered, err := strconv.Atoi(text)
	require.NoError(b, err, text)

	return answered
}

// insideWithin is how long a program in a Droplet may take: nothing here is waited for longer.
const insideWithin = 2 * time.Minute

// enter runs a program in the namespaces of a Droplet's PID 1 and returns all that it says.
func (b *bench) enter(pid int, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(b.Context(), insideWithin)
	defer cancel()

	args = guest.Enter(pid, args...)
	program := exec.CommandContext(ctx, args[0], args[1:]...)
	program.WaitDelay = time.Second // what it started may keep its output open
	out, err := program.CombinedOutput()

	return strings.TrimSpace(string(out)), err
}

// inside runs a shell line in a Droplet's namespaces, whatever its network is like.
func (b *bench) inside(droplet *godo.Droplet, line string) string {
	b.Helper()
	status := b.labStatus()

	for _, one := range status.Droplets {
		if one.ID == droplet.ID {
			out, err := b.enter(one.PID, "sh", "-c", line)
			require.NoError(b, err, "%s", out)
			return out
		}
	}

	b.Fatalf("no Droplet %d", droplet.ID)

	return ""
}

func TestFaultsOfTheNetworkAreFeltAndLiftedWithoutTrace(t *testing.T) {
	b := newBench(t)
	require := require.New(t)
	one := b.createDebian("one")
	two := b.createDebian("two")
	three := b.createDebian("three")
	b.run(one, "true") // its network is up

	endpoint := b.endpoint()

	tables := func() string {
		out, err := exec.Command(
			"ip",
			"netns",
			"exec",
			"hornero-"+testLab,
			"nft",
			"list",
			"tables",
		).CombinedOutput()
		require.NoError(err, "%s", out)

		return string(out)
	}

	before := tables()
	const pings = 4

	// what of pings from one to two, two to one, one to three, two to three is answered
	seen := func() []int {
		return []int{
			b.reaches(one, two, pings),
			b.reaches(two, one, pings),
			b.reaches(one, three, pings),
			b.reaches(two, three, pings),
		}
	}
	// An ARP request that a fault swallowed is asked again after a second (retrans_time_ms), and pings wait for it:
	// what a fault leaves through is looked at until it is so. What it stops is stopped each time.
	sees := func(want []int, why string) {
		b.until(10*time.Second, why, func() error {
			if got := seen(); !slices.Equal(want, got) {
				return fmt.Errorf("of four pings each are answered %d, not %d", got, want)
			}

			return nil
		})
	}

	sees([]int{4, 4, 4, 4}, "before any fault")

	for _, fault := range []struct {
		api.FaultRequest
		want []int
	}{
		{
			api.FaultRequest{
				Kind:   "cut",
				Groups: [][]int{{one.ID}},
			},
			[]int{0, 0, 0, 4},
		},
		{
			api.FaultRequest{
				Kind: "partition",
				Groups: [][]int{
					{one.ID},
					{two.ID, three.ID},
				},
			},
			[]int{0, 0, 0, 4},
		},
		{
			api.FaultRequest{
				Kind:    "oneway",
				Groups:  [][]int{{one.ID}, {two.ID}},
				Network: "vpc",
			},
			[]int{0, 0, 4, 4},
		},
		{
			api.FaultRequest{
				Kind:    "cut",
				Groups:  [][]int{{one.ID}},
				Network: "public",
			},
			[]int{4, 4, 4, 4},
		},
		// a frozen Droplet's kernel goes on answering
		{
			api.FaultRequest{
				Kind:   "freeze",
				Groups: [][]int{{three.ID}},
			},
			[]int{4, 4, 4, 4},
		},
	} {
		broken, err := endpoint.Break(t.Context(), fault.FaultRequest)
		require.NoError(err)
		sees(fault.want, broken.Name)
		require.NoError(endpoint.Lift(t.Context(), broken.Name))
		require.Equal(before, tables(), "%s is lifted without trace", broken.Name)
	}

	sees([]int{4, 4, 4, 4}, "after the faults")

	broken, err := endpoint.Break(t.Context(), api.FaultRequest{
		Kind:    "loss",
		Groups:  [][]int{{one.ID}, {two.ID}},
		Percent: 30,
	})
	require.NoError(err)

	answered := b.reaches(one, two, 200) // each is lost on one of two ways: 49 of 100 come back
	require.InDelta(98, answered, 40)
	b.kill()
	b.startAgain()
	require.Less(
		b.reaches(one, two, 200),
		150,
		"a fault outlives the lab's process",
	)
	require.NoError(endpoint.Lift(t.Context(), broken.Name))
	sees([]int{4, 4, 4, 4}, "after the loss")
}
