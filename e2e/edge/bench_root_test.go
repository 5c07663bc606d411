//go:build root && bench

package edge_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	wanted    = 0.93 // of who is configured by hand: 0.95, and what a shared machine adds
	pageBytes = 2048

	leastRounds = 5
)

// contender is an edge of one kind.
type contender struct {
	name    string
	address string
	process int

	// least is how good the edge must be of this one's time of the processor, by protocol: a little less than it was
	// when it was measured, on a machine that had other work. What is less than wanted is told.
	least map[string]float64
}

// Requests a second of one processor, how long they take, and what the edge computes for one, beside what somebody
// configures by hand who wants no more than to pass requests on. All in one run, in turn.
func TestFiguresOfTheEdge(t *testing.T) {
	configure(t)

	page := strings.Repeat("A page of a site.\n", pageBytes)[:pageBytes]
	require.NoError(t, os.MkdirAll("/srv/nodes", 0o755))
	require.NoError(t, os.WriteFile("/srv/nodes/index.html", []byte(page), 0o644))

	start(t, "127.0.0.32:9200", otherProcessors, "nginx", "-g", "daemon off;", "-c", here(t, "nodes.conf"))

	all := []contender{
		{
			name:    "the edge",
			address: address + ":443",
			process: begin(t, address+":443", "haproxy", "-W", "-f", "/etc/haproxy/haproxy.cfg"),
		},
		{
			name:    "HAProxy by hand",
			address: "127.0.0.6:6443",
			process: begin(t, "127.0.0.6:6443", "haproxy", "-W", "-f", here(t, "haproxy.cfg")),
			least:   map[string]float64{http1: 0.8, http2: 0.85},
		},
		{
			name:    "nginx by hand",
			address: "127.0.0.7:7443",
			process: begin(t, "127.0.0.7:7443", "nginx", "-g", "daemon off;", "-c", here(t, "nginx.conf")),
			least:   map[string]float64{http1: 0.65, http2: 0.85},
		},
	}

	for _, by := range protocols {
		compare(t, by, all)
	}
}

// begin starts an edge on the processor that edges have.
func begin(t *testing.T, address, program string, args ...string) int {
	t.Helper()

	return start(t, address, edgeProcessor, program, args...).Process.Pid
}

// here is a file of this folder, for programs that have another one as theirs.
func here(t *testing.T, name string) string {
	t.Helper()

	path, err := filepath.Abs("testdata/" + name)
	require.NoError(t, err)

	return path
}

// compare loads all in turn, each round beginning with another, and holds the first to the others.
func compare(t *testing.T, by protocol, all []contender) {
	t.Helper()

	rounds := make([][]figures, len(all))

	for round := range asked(t) {
		for turn := range all {
			at := (round + turn) % len(all)
			rounds[at] = append(rounds[at], all[at].load(t, by))
		}
	}

	for at, one := range all {
		var told []string
		for _, measure := range measures {
			told = append(told, measure.name+" "+spread(measure.each(rounds[at]), measure.format))
		}

		tell(by.name, one.name, told)
	}

	for at, other := range all[1:] {
		judge(t, by, other, rounds[0], rounds[at+1])
	}
}

// judge tells how good the edge is of another.
func judge(t *testing.T, by protocol, other contender, own, others []figures) {
	t.Helper()

	var told []string

	for _, measure := range measures {
		ratios := measure.ratios(own, others)
		told = append(told, measure.name+" "+spread(ratios, "%.2f")+reached(median(ratios)))

		if measure.name == cost {
			require.GreaterOrEqual(t, median(ratios), other.least[by.name], "%s: %s: %s", by.name, other.name, cost)
		}
	}

	tell(by.name, "how good the edge is of "+other.name, told)
}

func reached(ratio float64) string {
	if ratio >= wanted {
		return ""
	}

	return " (less than wanted)"
}

func tell(protocol, who string, told []string) {
	fmt.Printf("    figure: %s: %s: %s\n", protocol, who, strings.Join(told, ", "))
}

// asked is how many rounds there are.
func asked(t *testing.T) int {
	t.Helper()

	rounds, err := strconv.Atoi(os.Getenv("EDGE_ROUNDS"))
	require.NoError(t, err, "EDGE_ROUNDS")
	require.GreaterOrEqual(t, rounds, leastRounds, "EDGE_ROUNDS")

	return rounds
}
