//go:build root

package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// aFullDiskMovesTheWriter leaves the writer's disk too little space: the writes go to a node that has room, and
// it goes on serving.
func aFullDiskMovesTheWriter(t *testing.T, s *stack) {
	s.untilHealthy()
	writer := s.writer()

	lift := s.inflict(map[string]any{
		"kind":   "fill",
		"groups": [][]int{{s.nodes()[writer].DropletID}},
		"leave":  100 << 20,
	})

	began := time.Now()
	s.untilAnotherWrites(writer)
	t.Logf("the writes left %s %.1f s after its disk was full", writer, time.Since(began).Seconds())

	said := s.on(writer, "hornero-bootstrap status")
	require.Contains(t, said, "its disk is nearly full")
	require.True(t, s.nodes()[writer].Healthy)
	require.Contains(t, s.metrics(writer), "hornero_galera_disk_free_bytes")

	lift()

	require.Eventually(t, func() bool {
		return !strings.Contains(s.on(writer, "hornero-bootstrap status"), "nearly full")
	}, 10*time.Second, 200*time.Millisecond)
}

// metrics is what a node says to Prometheus.
func (s *stack) metrics(name string) string {
	s.t.Helper()

	return s.on(name, `bash -c 'exec 3<>/dev/tcp/127.0.0.1/9200; printf "GET /metrics HTTP/1.0\r\n\r\n" >&3; cat <&3'`)
}

// override adds to a node's unit until the next boot, or until restored is called.
func (s *stack) override(node, unit, text string) (restored func()) {
	s.t.Helper()
	folder := "/run/systemd/system/" + unit + ".service.d"
	file := folder + "/soon.conf"
	write := fmt.Sprintf("mkdir -p %s && printf '[Service]\n%s\n' >%s", folder, text, file)
	s.on(node, write+" && systemctl daemon-reload")

	return func() {
		s.t.Helper()
		s.on(node, "rm -r "+folder+" && systemctl daemon-reload")
	}
}

func (s *stack) mainPID(node, unit string) string {
	s.t.Helper()

	return s.on(node, "systemctl show -P MainPID "+unit)
}

// untilEnded waits until a node has no process of a number any more.
func (s *stack) untilEnded(node, pid string) {
	s.t.Helper()

	require.Eventually(s.t, func() bool {
		return s.on(node, "kill -0 "+pid+" 2>/dev/null && echo lives || true") == ""
	}, 20*time.Second, 200*time.Millisecond, "process %s of %s has ended", pid, node)
}

// aServerThatHangsIsKilled stops a database server that comes to nothing any more: it is killed, and comes back
// by itself.
func aServerThatHangsIsKilled(t *testing.T, s *stack) {
	s.untilHealthy()

	node := nextDatabase(s.writer())
	pid := s.mainPID(node, "mariadb")
	restored := s.override(node, "mariadb", "TimeoutStopSec=2")

	// systemd lets what it stops continue once: the server is held again and again, until it is gone.
	hold := "while kill -STOP " + pid + "; do sleep 0.02; done"
	s.on(node, "setsid sh -c '"+hold+"' >/dev/null 2>&1 </dev/null & systemctl --no-block stop mariadb")
	s.untilEnded(node, pid)

	require.Contains(t, s.on(node, "journalctl -u mariadb --no-pager"), "with signal SIGKILL")
	restored()
	s.untilHealthy()
}

// anAgentThatHangsIsRestarted stops the bootstrap of the writer's node for good: systemd starts another, and
// nothing else changes on the node.
func anAgentThatHangsIsRestarted(t *testing.T, s *stack) {
	s.untilHealthy()
	writer := s.writer()
	server := s.mainPID(writer, "mariadb")

	timeouts := func() int {
		return strings.Count(s.on(writer, "journalctl -u hornero-bootstrap --no-pager"), "Watchdog timeout")
	}
	before := timeouts()

	restored := s.override(writer, "hornero-bootstrap", "WatchdogSec=3\nTimeoutStopSec=1")
	s.on(writer, "systemctl restart hornero-bootstrap")
	s.untilHealthy()

	pid := s.mainPID(writer, "hornero-bootstrap")
	s.on(writer, "sleep 4; kill -STOP "+pid) // it was in time until then
	s.untilEnded(writer, pid)

	require.Equal(t, before+1, timeouts(), "systemd ended it once, because it hung")

	restored()
	s.on(writer, "systemctl restart hornero-bootstrap")
	s.untilHealthy()
	require.Equal(t, server, s.mainPID(writer, "mariadb"), "its server ran through it all")
}
