//go:build root && (chaos || bench)

package e2e_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// outcome is what one round of chaos cost.
type outcome struct {
	kind       string
	gap, heals time.Duration
}

// kind names what was drawn, without the nodes it hit.
func kind(drawn []fault) string {
	if len(drawn) > 1 {
		return "two at once"
	}

	return drawn[0].name
}

// tally is a table of the rounds, by what was done in them.
func tally(l *load) string {
	by := map[string][]outcome{}
	for _, one := range l.outcomes {
		by[one.kind] = append(by[one.kind], one)
		by["all"] = append(by["all"], one)
	}

	var text strings.Builder
	fmt.Fprintf(&text, "%d rows acknowledged, %d transfers, %d epochs of the writer\n",
		len(l.rows), l.moved.Load(), len(l.epochs))

	const line = "%-20s %6v %18s %18s\n"
	fmt.Fprintf(&text, line, "fault", "rounds", "gap median/worst", "heals median/worst")

	for _, name := range slices.Sorted(maps.Keys(by)) {
		gaps := []time.Duration{}
		heals := []time.Duration{}
		for _, one := range by[name] {
			gaps = append(gaps, one.gap)
			heals = append(heals, one.heals)
		}

		fmt.Fprintf(
			&text,
			line,
			name,
			len(gaps),
			medianAndWorst(gaps),
			medianAndWorst(heals),
		)
	}

	return text.String()
}

func medianAndWorst(of []time.Duration) string {
	slices.Sort(of)
	median := of[len(of)/2]
	worst := of[len(of)-1]

	return fmt.Sprintf("%.1f s / %.1f s", median.Seconds(), worst.Seconds())
}

// tenure is who held the lease of the writer in one epoch.
type tenure struct {
	Epoch int64
	Node  string
}

// oneWriterAnEpoch holds the rows against the peer set's own record of who was the writer: in the order in
// which the client was told of them, the nodes that took rows are among the holders of the lease, in the order
// of their epochs. Two nodes that took rows in one epoch, or one that went on after its epoch, break that.
func (s *stack) oneWriterAnEpoch(l *load) {
	s.t.Helper()
	s.readEpochs(l)

	for ; l.judged < len(l.rows); l.judged++ {
		row := l.rows[l.judged]
		for l.epoch < len(l.epochs) && l.epochs[l.epoch].Node != row.host {
			l.epoch++
		}

		require.Lessf(s.t, l.epoch, len(l.epochs), "%s took row %s (the %dth), and was not the writer then: %v",
			row.host, row.id, l.judged+1, l.epochs)
	}
}

// readEpochs adds the writers that the peer set has recorded since it was asked last.
func (s *stack) readEpochs(l *load) {
	s.t.Helper()

	for line := range strings.Lines(s.must("events", "--json", "-n", "0")) {
		var event struct {
			Kind, Lease string
			tenure
		}

		require.NoError(s.t, json.Unmarshal([]byte(line), &event), line)

		if event.Kind != "writer" {
			continue
		}

		at, known := slices.BinarySearchFunc(l.epochs, event.Epoch, func(one tenure, epoch int64) int {
			return cmp.Compare(one.Epoch, epoch)
		})
		if known {
			require.Equalf(s.t, l.epochs[at].Node, event.Node, "two writers in epoch %d", event.Epoch)
			continue
		}

		l.epochs = slices.Insert(l.epochs, at, event.tenure)
	}
}
