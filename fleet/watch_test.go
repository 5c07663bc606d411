package fleet_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/status"
)

// Counts of answers, for each third of a watch: how many, the status' first digit, the seconds.
const (
	quick   = "140 2 0.02\n10 3 0.05\n1 5 0.02\n"
	failing = "140 2 0.02\n10 5 0.02\n"
	late    = "100 2 0.02\n50 2 0.9\n"
	few     = "10 2 0.02\n5 5 0.9\n"
)

func TestANewNodeIsComparedWithTheOldOnes(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		fresh, old string
		wrong      string // "" when it is good
		told       string
	}{
		"as the old ones": {
			fresh: quick,
			old:   quick,
			told:  "web-3: 453 requests, 0.7 % errors, 95 % within 0.05 s; the old nodes: 906 requests",
		},
		"more errors": {
			fresh: failing,
			old:   quick,
			wrong: "it answers with more errors than the old nodes: 300 requests, 6.7 % errors",
		},
		"errors that the old ones have, too": {
			fresh: failing,
			old:   failing,
			told:  "the old nodes: 900 requests, 6.7 % errors",
		},
		"slower": {
			fresh: late,
			old:   quick,
			wrong: "it answers slower than the old nodes: 450 requests, 0.0 % errors, 95 % within 0.9 s",
		},
		"too few requests to tell": {
			fresh: few,
			old:   quick,
			told:  "too few to compare",
		},
		"old ones that do not count": {
			fresh: failing,
			told:  "too few to compare",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldOf(t, tlsText, nil)
			w.mustUp()
			image := w.snapshot("web-1", webTags...)

			w.set(func() {
				w.counts = map[string]string{
					"web-1": c.old,
					"web-2": c.old,
					"web-3": c.fresh,
				}
			})

			said := w.hear()
			err := w.fleet().Roll(t.Context(), fleet.Roll{Role: "web"})

			if c.wrong == "" {
				require.NoError(t, err)
				require.Contains(t, said(), c.told)
				require.Contains(t, w.names(), "web-1/2")

				return
			}

			require.ErrorIs(t, err, fleet.ErrRolledBack)
			require.ErrorContains(t, err, c.wrong)
			w.awaitDroplets(7)
			require.Equal(t, whole, w.names())

			rejected, _, err := w.config.Client.Images.GetByID(t.Context(), image)
			require.NoError(t, err)
			require.Contains(t, rejected.Tags, "hornero:rejected")
		})
	}
}

func TestAWatchIsLongerWhereThatMakesItSure(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()
	w.snapshot("web-1", webTags...)

	w.set(func() {
		w.counts = map[string]string{
			"web-1": "40 2 0.02\n",
			"web-2": "40 2 0.02\n",
			"web-3": "30 2 0.02\n10 5 0.02\n",
		}
	})

	err := w.fleet().Roll(t.Context(), fleet.Roll{Role: "web"})
	require.ErrorContains(t, err, "more errors than the old nodes: 320 requests")
}

// The new nodes have all traffic before anything can be compared: it is, with what the old ones answered.
func TestBlueAndGreenChangePlacesAgainWhenTheNewOnesAreWorse(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()
	w.snapshot("web-1", webTags...)

	w.set(func() { w.counts = map[string]string{"web-1": quick, "web-2": quick} })

	w.config.Progress = func(line string) {
		if strings.HasPrefix(line, "web-1, web-2: gets no traffic") {
			w.set(func() { w.counts = map[string]string{"web-3": quick, "web-4": failing} })
		}
	}

	err := w.fleet().Roll(t.Context(), fleet.Roll{
		Role:     "web",
		Strategy: fleet.StrategyBlueGreen,
	})
	require.ErrorIs(t, err, fleet.ErrRolledBack)
	require.ErrorContains(t, err, "web-3, web-4: it answers with more errors")
	w.awaitDroplets(7)
	require.Equal(t, whole, w.names())
	require.Equal(t, []string{"web-1", "web-2"}, w.traffic())
	w.nothingToDo()
}

func TestADatabaseNodeThatHoldsTheWriterUpIsRolledBack(t *testing.T) {
	t.Parallel()

	second := time.Second.Nanoseconds()

	for name, c := range map[string]struct {
		grows map[string]status.Figures
		bad   bool
	}{
		"it asks for pauses": {
			grows: map[string]status.Figures{
				"db-1": {PausedNanoseconds: second},
				"db-4": {PausesAsked: 1},
			},
			bad: true,
		},
		"another one does": {
			grows: map[string]status.Figures{
				"db-1": {PausedNanoseconds: second},
				"db-2": {PausesAsked: 1},
			},
		},
		"they are short": {
			grows: map[string]status.Figures{
				"db-1": {PausedNanoseconds: 1},
				"db-4": {PausesAsked: 1},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldOf(t, tlsText, nil)
			w.mustUp()
			w.set(func() { w.grows = c.grows })

			err := w.fleet().Roll(t.Context(), fleet.Roll{
				Role:     "db",
				All:      true,
				Strategy: fleet.StrategyRolling,
			})

			if !c.bad {
				require.NoError(t, err)
				return
			}

			require.ErrorIs(t, err, fleet.ErrRolledBack)
			require.ErrorContains(t, err, "db-4: it lags behind: the writer db-1 stood still for")
			w.awaitDroplets(7)
			require.Equal(t, whole, w.names())
		})
	}
}

// journal prints what it stands for, and notes what it was asked for.
const journal = `#!/bin/sh
echo "$*" > "$(dirname "$0")/words"
exec cat "$(dirname "$0")/lines"
`

func TestANodeCountsWhatItAnswered(t *testing.T) {
	t.Parallel()

	folder := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), mode))
	}

	const agent = `10.0.0.1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 9 "-" "status=500 seconds=9"`

	write("journalctl", journal, 0o700)
	write("lines", strings.Join([]string{
		agent + " status=200 seconds=0.013",
		agent + " status=200 seconds=0.0131",
		agent + " status=502 seconds=130.017",
		agent + " status=301 seconds=0.000",
		"", "word", agent, "status=200 seconds=", "status=abc seconds=1", "seconds=1",
	}, "\n")+"\n", 0o600)

	command := exec.Command("sh", "-c", fleet.CountCommand([]string{"nginx", "shop"}, 20*time.Second))
	command.Env = append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"))
	said, err := command.Output()
	require.NoError(t, err)

	requests, errors, slow := fleet.Served(string(said))
	require.Equal(t, 4, requests, "%s", said)
	require.Equal(t, 1, errors)
	require.InDelta(t, 130, slow, 1)

	words, err := os.ReadFile(filepath.Join(folder, "words"))
	require.NoError(t, err)
	require.Equal(t, "--quiet --no-pager --output=cat --identifier=nginx --identifier=shop --since=-20000ms\n",
		string(words))
}
