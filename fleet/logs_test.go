package fleet_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
)

// newLogWorld is a stack that is up, whose nodes have an empty journal each.
func newLogWorld(t *testing.T) *world {
	w := newWorld(t)
	w.journals.install(t)
	w.mustUp()

	for _, node := range w.config.Stack.All() {
		file := filepath.Join(w.journals.folder, node.Name)
		require.NoError(t, os.WriteFile(file, nil, 0o600))
	}

	return w
}

// logs are the lines that a query finds.
func (w *world) logs(query fleet.LogQuery) ([]string, error) {
	var lines []string

	err := w.fleet().Logs(w.t.Context(), query, func(line fleet.LogLine) error {
		lines = append(lines, line.Node+": "+line.Message)
		return nil
	})

	return lines, err
}

func TestJournalsAreMergedByTime(t *testing.T) {
	t.Parallel()

	w := newLogWorld(t)
	w.journals.write(t, "web-1", 10, "a")
	w.journals.write(t, "web-1", 40, "d")
	w.journals.write(t, "web-2", 20, "b\nof two lines\n")
	w.journals.write(t, "web-2", 50, []int{'e', 0xff})
	w.journals.write(t, "db-1", 30, []string{"c", "C"})
	w.journals.write(t, "db-1", 50, "e, too")
	w.journals.write(t, "proxy-1", 35, "nobody asks for it")

	lines, err := w.logs(fleet.LogQuery{Names: []string{"web", "db-1", "web-2"}})
	require.NoError(t, err)
	require.Equal(t, []string{
		"web-1: a",
		"web-2: b\nof two lines",
		"db-1: c\nC",
		"web-1: d",
		"db-1: e, too",
		"web-2: e\uFFFD",
	}, lines)

	// Without names, those of all nodes.
	lines, err = w.logs(fleet.LogQuery{})
	require.NoError(t, err)
	require.Len(t, lines, 7)

	_, err = w.logs(fleet.LogQuery{Names: []string{"webb"}})
	require.EqualError(t, err, `the stack blog has no node or role "webb"; did you mean "web"?`)
}

func TestALineSaysWhereItIsFrom(t *testing.T) {
	t.Parallel()

	w := newLogWorld(t)
	w.journals.write(t, "web-1", 1_500_000, "a")

	var lines []fleet.LogLine
	query := fleet.LogQuery{
		Names: []string{"web-1"},
		Units: []string{"nginx", "php*"},
		Since: time.Unix(12, 345_678_000),
		Lines: 7,
	}
	err := w.fleet().Logs(t.Context(), query, func(line fleet.LogLine) error {
		lines = append(lines, line)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []fleet.LogLine{{
		Time:     time.Date(2001, 1, 1, 0, 0, 1, 500_000_000, time.UTC),
		Node:     "web-1",
		Role:     "web",
		Unit:     "nginx.service",
		Program:  "nginx",
		PID:      42,
		Priority: 3,
		Message:  "a",
	}}, lines)

	words := w.journals.words(t, "web-1")
	require.Len(t, words, 1)
	require.Contains(t, words[0], "--output-fields=MESSAGE,")
	require.True(t, strings.HasSuffix(words[0], "--lines=7 --since=@12.345678 --unit=nginx --unit=php*"), words[0])
}

func TestANodeThatDoesNotTellItsJournalKeepsNoOtherFromIt(t *testing.T) {
	t.Parallel()

	w := newLogWorld(t)
	w.journals.write(t, "web-1", 10, "a")
	w.journals.write(t, "web-2", 20, "b")
	w.journals.write(t, "db-3", 30, "c")
	w.destroyDroplet("db-1", 6)
	w.awaitDroplets(6)
	w.set(func() { w.silent = "web-1" })
	require.NoError(t, os.WriteFile(filepath.Join(w.journals.folder, "broken-db-2"), nil, 0o600))

	said := w.hear()
	lines, err := w.logs(fleet.LogQuery{Silence: 5 * time.Second})
	require.Equal(t, []string{
		"web-2: b",
		"db-3: c",
	}, lines)
	require.ErrorIs(t, err, fleet.ErrLogsMissing)
	require.ErrorContains(t, err, "read the journals of db-1, db-2, web-1: ")
	require.Contains(t, said(), "db-1: "+fleet.ErrNoDroplet.Error()+"\n")
	require.Contains(t, said(), "db-2: run on db-2: exit code 3: no journal files were found\n")
	require.Contains(t, said(), "web-1: read the journal of web-1: it says nothing for 5 s\n")
}

func TestAManyTimesLongerJournalIsMergedWhole(t *testing.T) {
	t.Parallel()

	w := newLogWorld(t)

	// More than may wait for its turn.
	for i := range int64(3000) {
		w.journals.write(t, "web-1", 2*i, fmt.Sprint(2*i))
	}

	w.journals.write(t, "web-2", 5, "5")
	w.journals.write(t, "web-2", 5995, "5995")

	lines, err := w.logs(fleet.LogQuery{Names: []string{"web"}})
	require.NoError(t, err)
	require.Len(t, lines, 3002)
	require.Equal(t, []string{
		"web-1: 4",
		"web-2: 5",
		"web-1: 6",
	}, lines[2:5])
	require.Equal(t, []string{
		"web-1: 5994",
		"web-2: 5995",
		"web-1: 5996",
	}, lines[2998:3001])
}

func TestJournalsAreFollowed(t *testing.T) {
	t.Parallel()

	w := newLogWorld(t)
	w.journals.write(t, "web-1", 10, "a")
	w.journals.write(t, "web-2", 5, "before a")

	said := w.hear()
	ctx, stop := context.WithTimeout(t.Context(), waitLimit)
	defer stop()

	f := w.fleet()
	var lines []string

	err := f.Logs(ctx, fleet.LogQuery{Names: []string{"web"}, Follow: true}, func(line fleet.LogLine) error {
		lines = append(lines, line.Node+": "+line.Message)

		switch len(lines) {
		case 2:
			w.journals.write(t, "web-1", 20, "b")
		case 3:
			f.Close() // as a network that fails
			w.journals.write(t, "web-1", 30, "c")
		case 4:
			stop()
		}

		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{
		"web-2: before a",
		"web-1: a",
		"web-1: b",
		"web-1: c",
	}, lines)
	require.Contains(t, said(), "web-1: run on web-1: ")
	require.Contains(t, said(), "; it is asked again until it answers\nweb-")
	require.Contains(t, said(), "web-1: answers again\n")

	// Nothing of it goes on on the nodes.
	f.Close()
	ended := func() bool { return len(w.journals.processes(t)) == 0 }
	require.Eventually(t, ended, waitLimit, waitTick)
}
