//go:build root && bench

package edge_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	connections = 32
	measured    = 2 * time.Second
)

// protocol is how visitors ask.
type protocol struct {
	name  string
	flags []string // for h2load
}

const (
	http1 = "HTTP/1.1"
	http2 = "HTTP/2"
)

var protocols = []protocol{
	{
		name:  http1,
		flags: []string{"--h1"},
	},
	{
		name:  http2,
		flags: []string{"--alpn-list=h2", "--max-concurrent-streams=4"},
	},
}

// load asks an edge for the page without a pause.
func (e contender) load(t *testing.T, by protocol) figures {
	t.Helper()

	log := filepath.Join(t.TempDir(), "requests")
	flags := []string{
		"--clients=" + strconv.Itoa(connections),
		"--duration=" + measured.String(),
		"--log-file=" + log,
		"--connect-to=" + e.address,
	}

	flags = append(flags, by.flags...)
	flags = append(flags, "https://"+site+"/")
	command := on(otherProcessors, "h2load", flags...)

	before := e.computed(t)
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))

	computed := e.computed(t) - before
	took, failed := read(t, log)
	require.Zero(t, failed, "%s: %s", e.name, out)
	require.Positive(t, computed, "another than %s answers at %s", e.name, e.address)

	return figures{
		rate: float64(len(took)) / measured.Seconds(),
		half: took[len(took)/2],
		most: took[len(took)*99/100],
		cost: computed / float64(len(took)),
	}
}

// read reads h2load's log: when a request began, what was answered, and how long it took in µs.
func read(t *testing.T, log string) (took []float64, failed int) {
	t.Helper()

	text, err := os.ReadFile(log)
	require.NoError(t, err)

	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)

		if fields[1] != "200" {
			failed++
		}

		micro, err := strconv.ParseFloat(fields[2], 64)
		require.NoError(t, err)

		took = append(took, micro/1000)
	}

	require.NotEmpty(t, took)
	slices.Sort(took)

	return took, failed
}
