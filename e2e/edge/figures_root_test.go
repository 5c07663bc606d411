//go:build root && bench

package edge_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// figures are what one load tells of an edge.
type figures struct {
	rate float64 // requests a second
	half float64 // ms in which half of the requests had their whole answer
	most float64 // the same of 99 in 100
	cost float64 // µs that the edge computed for a request
}

// Names of what is measured.
const (
	rate = "requests a second"
	half = "p50 in ms"
	most = "p99 in ms"
	cost = "µs of the processor for a request"
)

// measure is one of the figures.
type measure struct {
	name   string
	format string
	less   bool // is better
	of     func(figures) float64
}

var measures = []measure{
	{
		name:   rate,
		format: "%.0f",
		of:     func(f figures) float64 { return f.rate },
	},
	{
		name:   half,
		format: "%.2f",
		less:   true,
		of:     func(f figures) float64 { return f.half },
	},
	{
		name:   most,
		format: "%.2f",
		less:   true,
		of:     func(f figures) float64 { return f.most },
	},
	{
		name:   cost,
		format: "%.1f",
		less:   true,
		of:     func(f figures) float64 { return f.cost },
	},
}

// each is the measure in every round.
func (m measure) each(rounds []figures) []float64 {
	var all []float64
	for _, round := range rounds {
		all = append(all, m.of(round))
	}

	return all
}

// ratios tell how good one is in every round, of the other in the same: more than 1 is better.
func (m measure) ratios(one, other []figures) []float64 {
	var all []float64

	for at, own := range m.each(one) {
		others := m.of(other[at])

		if m.less {
			own, others = others, own
		}

		all = append(all, own/others)
	}

	return all
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// spread is the median, with the least and the most.
func spread(all []float64, format string) string {
	format = strings.ReplaceAll("F (F to F)", "F", format)

	return fmt.Sprintf(
		format,
		median(all),
		slices.Min(all),
		slices.Max(all),
	)
}

// computed is for how many µs the edge has had the processor: its process, those that it made, and all their threads.
func (e contender) computed(t *testing.T) float64 {
	t.Helper()

	process := "/proc/" + strconv.Itoa(e.process)
	children, err := filepath.Glob(process + "/task/*/children")
	require.NoError(t, err)

	folders := []string{process}

	for _, list := range children {
		text, err := os.ReadFile(list)
		require.NoError(t, err)

		for _, child := range strings.Fields(string(text)) {
			folders = append(folders, "/proc/"+child)
		}
	}

	var total float64

	for _, folder := range folders {
		threads, err := filepath.Glob(folder + "/task/*/schedstat")
		require.NoError(t, err)

		for _, thread := range threads {
			text, err := os.ReadFile(thread)
			require.NoError(t, err)

			// The first of three numbers is the time on a processor, in ns.
			spent, err := strconv.ParseFloat(strings.Fields(string(text))[0], 64)
			require.NoError(t, err)

			total += spent / 1000
		}
	}

	return total
}
