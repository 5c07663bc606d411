//go:build root

package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// target is the database node that the attackers knock at.
const target = "db-1"

// What an attacker of a web node has no business with: phpsPorts listen, of rootsPorts two do while a node joins only.
var (
	phpsPorts  = []string{"22", "3306", "4567"}
	rootsPorts = []string{"3306", "4567", "4568", "4444"}
)

// noWalls takes a node's walls away. The node loads them again within ten seconds.
const noWalls = "nft delete table inet hornero_walls 2>/dev/null || true"

// wallTries are how often walls are taken away for a try: they may come back in the middle of one.
const wallTries = 10

// tries ports of an address, all at once. A port that refuses can be reached as well as one that answers: what walls
// hold back gets no answer.
const tryPorts = `for port in %[2]s; do
	{ timeout 3 bash -c "exec 3<>/dev/tcp/%[1]s/$port" 2>/dev/null; [ $? = 124 ] || echo $port; } &
done
wait`

// lowerCloudFirewall lets everybody in to all ports of the stack, as far as the cloud's firewall is concerned, until
// the test ends: what holds then are the nodes' own walls.
func (s *stack) lowerCloudFirewall() {
	s.t.Helper()

	rule := map[string]any{
		"protocol": "tcp",
		"ports":    "all",
		"sources":  map[string]any{"addresses": []string{"0.0.0.0/0"}},
	}

	var made struct {
		Firewall struct{ ID string }
	}

	s.call(http.StatusAccepted, "POST", "/v2/firewalls", map[string]any{
		"name":          fmt.Sprintf("e2e-everybody-%d", time.Now().UnixNano()),
		"inbound_rules": []any{rule},
		"tags":          []string{"hornero:hornero"},
	}, &made)

	s.t.Cleanup(func() {
		s.call(http.StatusNoContent, "DELETE", "/v2/firewalls/"+made.Firewall.ID, nil, nil)
	})

	inForce := func() bool { return s.reachesPastWalls(s.asRoot, "3306") }
	require.Eventually(s.t, inForce, time.Minute, time.Second, "the cloud's firewall lets everybody in")

	s.untilWalled(target)
}

// dropWalls takes the walls of some nodes away. The test ends when they stand again: what the next one tries is to fail
// by them.
func (s *stack) dropWalls(nodes ...string) {
	s.t.Helper()

	for _, node := range nodes {
		s.on(node, noWalls)
		s.t.Cleanup(func() { s.untilWalled(node) })
	}
}

func (s *stack) untilWalled(node string) {
	s.t.Helper()

	walled := func() bool {
		_, err := s.tryOn(node, "nft list table inet hornero_walls")
		return err == nil
	}
	require.Eventually(s.t, walled, 30*time.Second, time.Second, "the node loads its walls again")
}

// asRoot runs a shell line on the broken node.
func (s *stack) asRoot(line string) (string, error) { return s.tryOn(broken, line) }

// reachedBy are the ports of the target that are reached from the broken node.
func (s *stack) reachedBy(run func(string) (string, error), ports ...string) []string {
	s.t.Helper()

	address := s.nodes()[target].Addresses.Private
	said, err := run(fmt.Sprintf(tryPorts, address, strings.Join(ports, " ")))
	require.NoError(s.t, err, said)

	return strings.Fields(said)
}

// reachesPastWalls tells whether all ports of the target are reached where it has no walls: one by one, where a busy
// machine gives no time for all of them before the walls are back.
func (s *stack) reachesPastWalls(run func(string) (string, error), ports ...string) bool {
	s.t.Helper()

	reached := map[string]bool{}

	for range wallTries {
		s.dropWalls(target)

		for _, port := range s.reachedBy(run, ports...) {
			reached[port] = true
		}

		if len(reached) == len(ports) {
			return true
		}
	}

	return false
}

// hold is a program of PHP's that keeps 700 connections to the proxies open, and says nothing in them.
const hold = `ulimit -n 4096; exec php -r '
$hosts = array_slice($argv, 2);
$end = microtime(true) + $argv[1];
$held = [];
while (microtime(true) < $end) {
	for ($i = 0; $i < 700; $i++) {
		if (isset($held[$i])) {
			@fread($held[$i], 8192); // the greeting: behind it would be the end
			if (!feof($held[$i])) {
				continue;
			}
		}
		$host = $hosts[$i %% count($hosts)];
		$held[$i] = @stream_socket_client("tcp://$host:3306", $no, $why, 0.2, 4 | 2) ?: null;
		if ($held[$i]) {
			stream_set_blocking($held[$i], false);
		}
	}
	usleep(50000);
}
' %d %s`

// holdFor is how long they are held, and heldOff how long it takes to hold them.
const (
	holdFor = 25 * time.Second
	heldOff = 3 * time.Second
)

// starves holds the connections as PHP's user of the broken node, and tells whether a page of the other web node fails
// meanwhile. Those of the broken node may.
func (s *stack) starves() (failed bool) {
	s.t.Helper()

	var proxies []string

	for _, n := range s.nodes() {
		if n.Role == called("proxy") {
			proxies = append(proxies, n.Addresses.Private)
		}
	}

	ended := make(chan error, 1)
	go func() {
		_, err := s.tryAsPHP(fmt.Sprintf(hold, int(holdFor.Seconds()), strings.Join(proxies, " ")))
		ended <- err
	}()

	host := strings.Trim(strings.TrimPrefix(s.address, "http://"), "/")
	page := "curl -so /dev/null -m 20 -w '%{http_code}' -H 'Host: " + host + "' http://127.0.0.1/"
	began := time.Now()

	for time.Since(began) < holdFor {
		said, _ := s.tryOn("web-2", page)

		// The first pages come before the connections are there.
		if code := strings.TrimSpace(said); code != "200" && time.Since(began) > heldOff {
			s.t.Logf("web-2 answers %s after %.0f s", code, time.Since(began).Seconds())

			failed = true
		}
	}

	require.NoError(s.t, <-ended)

	return failed
}
