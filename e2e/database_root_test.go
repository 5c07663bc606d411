//go:build root

package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// aFullDiskMovesTheWriter leaves the writer's disk too little space: the writes go to a node that has room, and
// it goes on serving.
func aFullDiskMovesTheWriter(t *testing.T, s *site) {
	s.untilHealthy()
	writer := s.writer()
	var answer struct{ Fault struct{ Name string } }

	fill := map[string]any{
		"kind":   "fill",
		"groups": [][]int{{s.nodes()[writer].DropletID}},
		"leave":  100 << 20,
	}

	require.Equal(t,
		http.StatusCreated,
		s.api("POST", "/lab/v1/faults", fill, &answer),
	)

	began := time.Now()

	require.Eventually(t,
		func() bool {
			now := s.writer()
			return now != "" && now != writer
		},
		30*time.Second,
		200*time.Millisecond,
		"another writer",
	)

	t.Logf("the writes left %s %.1f s after its disk was full", writer, time.Since(began).Seconds())

	said := s.on(writer, "hornero-bootstrap status")
	require.Contains(t, said, "its disk is nearly full")
	require.True(t, s.nodes()[writer].Healthy)
	require.Contains(t, s.metrics(writer), "hornero_galera_disk_free_bytes")

	require.Equal(t,
		http.StatusNoContent,
		s.api("DELETE", "/lab/v1/faults/"+answer.Fault.Name, nil, nil),
	)

	require.Eventually(t,
		func() bool {
			return !strings.Contains(s.on(writer, "hornero-bootstrap status"), "nearly full")
		},
		10*time.Second,
		200*time.Millisecond,
	)
}

// metrics is what a node says to Prometheus.
func (s *site) metrics(name string) string {
	s.t.Helper()
	return s.on(name, fmt.Sprintf(
		`bash -c 'exec 3<>/dev/tcp/%s/9200; printf "GET /metrics HTTP/1.0\r\n\r\n" >&3; cat <&3'`,
		s.nodes()[name].Addresses.Private,
	))
}

// aServerThatHangsIsKilled stops a database server that comes to nothing any more: it is killed, and comes back
// by itself.
func aServerThatHangsIsKilled(t *testing.T, s *site) {
	s.untilHealthy()

	other := map[string]string{
		"db-1": "db-2",
		"db-2": "db-3",
		"db-3": "db-1",
	}[s.writer()]

	pid := s.on(other, "systemctl show -P MainPID mariadb")

	s.on(
		other,
		"mkdir -p /run/systemd/system/mariadb.service.d && printf '[Service]\nTimeoutStopSec=2\n' "+
			">/run/systemd/system/mariadb.service.d/soon.conf && systemctl daemon-reload",
	)

	// systemd lets what it stops continue once: the server is held again and again, until it is gone.
	s.on(
		other,
		"setsid sh -c 'while kill -STOP "+pid+
			"; do sleep 0.02; done' >/dev/null 2>&1 </dev/null & systemctl --no-block stop mariadb",
	)

	require.Eventually(t,
		func() bool {
			return s.on(other, "kill -0 "+pid+" 2>/dev/null && echo lives || true") == ""
		},
		20*time.Second,
		200*time.Millisecond,
		"killed",
	)

	require.Contains(t, s.on(other, "journalctl -u mariadb --no-pager"), "with signal SIGKILL")
	s.on(other, "rm -r /run/systemd/system/mariadb.service.d && systemctl daemon-reload")
	s.untilHealthy()
}

// anAgentThatHangsIsAnother stops the bootstrap of the writer's node for good: systemd starts another, and
// nothing else changes on the node.
func anAgentThatHangsIsAnother(t *testing.T, s *site) {
	s.untilHealthy()
	writer := s.writer()
	server := s.on(writer, "systemctl show -P MainPID mariadb")

	s.on(
		writer,
		"mkdir -p /run/systemd/system/hornero-bootstrap.service.d && printf "+
			"'[Service]\nWatchdogSec=3\nTimeoutStopSec=1\n' "+
			">/run/systemd/system/hornero-bootstrap.service.d/soon.conf && systemctl daemon-reload && systemctl "+
			"restart hornero-bootstrap",
	)

	s.untilHealthy()

	pid := s.on(writer, "systemctl show -P MainPID hornero-bootstrap")
	s.on(writer, "sleep 4; kill -STOP "+pid) // it was in time until then

	require.Eventually(t,
		func() bool {
			return s.on(writer, "kill -0 "+pid+" 2>/dev/null && echo lives || true") == ""
		},
		20*time.Second,
		200*time.Millisecond,
		"ended by systemd",
	)

	said := s.on(writer, "journalctl -u hornero-bootstrap --no-pager")
	require.Equal(t, 1, strings.Count(said, "Watchdog timeout"), said)

	s.on(
		writer,
		"rm -r /run/systemd/system/hornero-bootstrap.service.d && systemctl daemon-reload && systemctl restart "+
			"hornero-bootstrap",
	)

	s.untilHealthy()

	require.Equal(t,
		server,
		s.on(writer, "systemctl show -P MainPID mariadb"),
		"its server ran through it all",
	)
}
