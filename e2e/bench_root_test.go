//go:build root && bench

package e2e_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What Hornero's times may be of the others' (the medians).
const (
	mostOfScript = 1.0      // from the last Droplet active to the page on both web nodes
	mostOfGuide  = 1.0 / 15 // the whole launch
)

// rival launches a stack of three database nodes, two proxies and two web nodes, and changes it.
type rival interface {
	fmt.Stringer
	// launch returns when the last Droplet was active, and when the whole launch was over; nodes are who is asked for
	// the page meanwhile.
	launch(watch func(web map[string]int)) (active, over time.Time)
	// replaceDatabase gives another Droplet the place of the third database node, and returns it when it is on.
	replaceDatabase() *server
	// addWeb adds a third web node, and returns its Droplet.
	addWeb() int
	end()
}

// timesOf are one round's, in seconds; the names are those of the table.
type timesOf map[string]time.Duration

// What is measured, in the order of the table.
const (
	pagesOnBoth = "last Droplet active to the page on both web nodes"
	wholeLaunch = "whole launch"
	newDatabase = "replace a database node, to Synced"
	newWeb      = "add a web node, to its page"
)

var measured = []string{pagesOnBoth, wholeLaunch, newDatabase, newWeb}

// TestBench measures Hornero beside the same images started by a script that knows all addresses, and beside plain
// Droplets that Ansible configures as the guide does (baseline/README.md), in one lab, in turn, BENCH_ROUNDS times (5).
// Who asks for a page asks each web node itself, on its port 80, every 50 ms, in the same way for all three.
func TestBench(t *testing.T) {
	rounds := int(number(t, "BENCH_ROUNDS", 5))

	text, err := os.ReadFile("../stack.yaml")
	require.NoError(t, err)

	s := newHarness(t, setup{StackFile: string(text)}).baked(t)

	rivals := rivalsOf(s, string(text))
	figures := map[string]map[string][]time.Duration{}

	for _, r := range rivals {
		figures[r.String()] = map[string][]time.Duration{}
	}

	for round := range rounds {
		for _, r := range rivals {
			times := s.race(r)
			fmt.Printf("round %d, %s\n", round+1, r)

			for _, what := range measured {
				figures[r.String()][what] = append(figures[r.String()][what], times[what])
				fmt.Printf("  %-52s %7.1f s\n", what, times[what].Seconds())
			}
		}

		slices.Reverse(rivals) // load that grows or shrinks meets all
	}

	for _, what := range measured {
		fmt.Println(what)

		for name, of := range figures {
			fmt.Printf("  %-8s %s\n", name, summary(of[what]))
		}
	}

	ratio := func(what, rival string, most float64) {
		ours, theirs := figures["hornero"][what], figures[rival][what]
		if len(ours) > 0 && len(theirs) > 0 {
			fmt.Printf("%s: %.3f of %s's, wanted at most %.3f\n",
				what, summary(ours).median.Seconds()/summary(theirs).median.Seconds(), rival, most)
		}
	}

	ratio(pagesOnBoth, "script", mostOfScript)
	ratio(wholeLaunch, "ansible", mostOfGuide)
}

// rivalsOf are those that BENCH_RIVALS names; all without it.
func rivalsOf(s *stack, text string) (rivals []rival) {
	for name, made := range map[string]func() rival{
		"script":  func() rival { return newScripted(s) },
		"ansible": func() rival { return newGuided(s) },
		"hornero": func() rival { return &itself{stack: s, text: text} },
	} {
		if wanted := os.Getenv("BENCH_RIVALS"); wanted == "" || strings.Contains(wanted, name) {
			rivals = append(rivals, made())
		}
	}

	return rivals
}

// race has one of them do all, once.
func (s *stack) race(r rival) timesOf {
	times := timesOf{}
	began := time.Now()
	var pages *pageWatch

	active, over := r.launch(func(web map[string]int) {
		pages = s.watchPages(web)
	})

	shown := pages.wait()
	times[pagesOnBoth] = shown.Sub(active)
	times[wholeLaunch] = latest(over, shown).Sub(began)

	began = time.Now()
	joined := r.replaceDatabase()
	untilSynced([]*server{joined})
	times[newDatabase] = joined.synced.Sub(began)

	began = time.Now()
	shown = s.watchPages(map[string]int{"web-3": r.addWeb()}).wait()
	times[newWeb] = shown.Sub(began)

	r.end()

	return times
}

func latest(one, other time.Time) time.Time {
	if one.After(other) {
		return one
	}

	return other
}
