//go:build root

package e2e_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// floodFor is how long each door is flooded, unless E2E_FLOOD says longer.
const floodFor = 10 * time.Second

// floodedPorts are the doors of a database node: health, the agents' API, dqlite, MariaDB and Galera.
var floodedPorts = []int{9200, 9201, 9202, 3306, 4567}

// flood is a program of PHP's that opens connections as fast as it can, holds a thousand of them, and feeds each a
// header that never ends: what anybody could do who has PHP's user and nothing else.
const flood = `ulimit -n 4096; exec php -r '
[, $host, $port, $end] = $argv;
$end += microtime(true);
$held = [];
$tried = 0;
while (microtime(true) < $end) {
	$one = @stream_socket_client("tcp://$host:$port", $no, $why, 0.2, 4 | 2); // connect, and do not wait for it
	$tried++;
	if (!$one) {
		usleep(1000);
		continue;
	}
	stream_set_blocking($one, false);
	@fwrite($one, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Fill: ");
	$held[] = $one;
	@fwrite($held[array_rand($held)], str_repeat("x", 8192));
	if (count($held) > 1000) {
		array_shift($held);
	}
}
echo $tried;
' %s %d %d`

// floodsMoveNothing floods each door of the writer from a web node, as PHP's user, while clients read and write.
func floodsMoveNothing(t *testing.T, s *stack) {
	during := floodFor

	if asked := os.Getenv("E2E_FLOOD"); asked != "" {
		var err error
		during, err = time.ParseDuration(asked)
		require.NoError(t, err)
	}

	before := s.nodes()
	writer := s.writer()

	for _, port := range floodedPorts {
		visited := visit(t, s.address)
		rows := s.inserts(nextDatabase(writer))

		address := before[writer].Addresses.Private
		said, err := s.tryAsPHP(fmt.Sprintf(flood, address, port, int(during.Seconds())))
		require.NoError(t, err, said)

		asked, failed := visited()
		acknowledged, gap := rows()
		t.Logf(
			"port %d: %s connections in %s; %d pages, %d failed; %d rows, at most %.1f s without one",
			port,
			said,
			during,
			asked,
			len(failed),
			len(acknowledged),
			gap.Seconds(),
		)
		require.Empty(t, failed)
		require.Equal(t, writer, s.writer())
		s.holds(acknowledged)
	}

	s.untilHealthy()

	for name, after := range s.nodes() {
		require.Equal(t, before[name].Incarnation, after.Incarnation, name)
		require.Zero(t, after.Drift, name)
	}
}
