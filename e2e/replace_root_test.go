//go:build root

package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The page may fail for this long, at most, while a node is replaced.
const longestFailure = 5 * time.Second

// replaceUnderLoad replaces one node of each role, and the writer, while one client reads the page and another writes
// through the proxies.
func replaceUnderLoad(t *testing.T, s *stack) {
	writer := s.writer()

	order := []string{
		nextDatabase(writer),
		writer,
		"proxy-1",
		"web-1",
	}

	for _, name := range order {
		s.replaceInUse(name)
	}
}

// replaceInUse replaces a node while one client reads the page and another writes through the proxies.
func (s *stack) replaceInUse(name string) {
	s.t.Helper()
	before := s.nodes()[name]
	from := "db-1"
	if name == from {
		from = nextDatabase(name)
	}

	page := s.page()
	rows := s.inserts(from)
	started := time.Now()
	s.must("replace", name)

	took := time.Since(started)
	acknowledged, gap := rows()
	failed := page()
	after := s.nodes()[name]
	s.t.Logf("%s replaced in %.1f s, %d rows acknowledged; without an answer: page %.1f s at most, writes %.1f s",
		name, took.Seconds(), len(acknowledged), failed.Seconds(), gap.Seconds())

	require.LessOrEqual(s.t, failed, longestFailure, name)
	require.NotEqual(s.t, before.DropletID, after.DropletID)
	require.Greater(s.t, after.Incarnation, before.Incarnation)
	s.untilHealthy()
	s.holds(acknowledged)
}

// killTheWriter ends every process of the writer's machine at once; its successor takes the writes.
func killTheWriter(t *testing.T, s *stack) {
	s.untilHealthy()
	writer := s.writer()
	page := s.page()
	rows := s.inserts(nextDatabase(writer))

	time.Sleep(2 * time.Second) // of writes that nothing disturbs
	s.killAll(s.nodes()[writer].DropletID)
	s.untilAnotherWrites(writer)
	time.Sleep(5 * time.Second) // of writes by the successor

	acknowledged, gap := rows()
	t.Logf("writer %s killed: writes without an answer for %.1f s at most, page for %.1f s",
		writer, gap.Seconds(), page().Seconds())

	require.Less(t, gap, 20*time.Second, "writes go on")
	s.must("replace", writer)
	s.untilHealthy()
	s.holds(acknowledged)
}

// reboot restarts a node of each role from inside.
func reboot(t *testing.T, s *stack) {
	const began = "cat /proc/1/stat | cut -d' ' -f22"

	for _, name := range []string{"web-1", "proxy-1", "db-2"} {
		before := s.nodes()[name]
		boot := s.on(name, began)
		_, _ = s.try("exec", name, "--", "systemctl", "reboot") // the session ends with the node

		require.Eventually(t, func() bool {
			now, err := s.tryOn(name, began)

			return err == nil && strings.TrimSpace(now) != boot
		}, 60*time.Second, time.Second, "%s boots again", name)

		s.untilHealthy()

		after := s.nodes()[name]
		require.Equal(t, before.DropletID, after.DropletID)
		require.Equal(t, before.Incarnation, after.Incarnation)
		require.Equal(t, before.Addresses, after.Addresses)
	}
}
