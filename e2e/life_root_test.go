//go:build root

package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// change is a command that changes the stack.
type change struct {
	command []string
	nodes   int  // how many there are afterwards
	byWeb   bool // rows are written from a web node, as the database's nodes change; else from a database node
}

// The first new node of a role is watched for a shorter time than on a stack that somebody pays for.
const soak = "--soak=5s"

// theStackChanges scales and rolls the stack while one client reads the page and another writes.
func theStackChanges(t *testing.T, s *stack) {
	for _, c := range []change{
		{command: []string{"scale", "web=4"}, nodes: 9},
		{command: []string{"scale", "web=2"}, nodes: 7},
		{command: []string{"roll", "web", "--all", soak}, nodes: 7},
		{command: []string{"roll", "web", "--all", "--strategy=canary", soak}, nodes: 8},
		{command: []string{"roll", "web", "--abort"}, nodes: 7},
		{command: []string{"roll", "proxy", "--all", soak}, nodes: 7, byWeb: true},
		{command: []string{"roll", "db", "--all", soak}, nodes: 7, byWeb: true},
		{command: []string{"scale", "db=5"}, nodes: 9, byWeb: true},
		{command: []string{"scale", "db=3", "--confirm=hornero"}, nodes: 7, byWeb: true},
	} {
		s.changes(c)
	}
}

// changes runs a command under load, and looks at what it leaves.
func (s *stack) changes(c change) {
	s.t.Helper()

	what := strings.Join(c.command, " ")
	write := s.inserts
	from := "db-1"

	if c.byWeb {
		write = s.insertsByPHP
		from = "web-1"
	}

	rows := write(from)
	visited := visit(s.t, s.address)
	started := time.Now()
	s.must(c.command...)

	took := time.Since(started)
	asked, failed := visited()
	acknowledged, gap := rows()

	s.t.Logf("%s: %.1f s; %d pages, %d failed; %d rows acknowledged, none for %.1f s at most",
		what, took.Seconds(), asked, len(failed), len(acknowledged), gap.Seconds())

	require.Empty(s.t, failed, what)
	s.holds(acknowledged)
	require.Len(s.t, s.status().Nodes, c.nodes, what)

	// A canary that stands is the one difference.
	if !strings.Contains(what, "canary") {
		require.Contains(s.t, s.must("plan"), "Nothing to do", what)
	}
}

// phpInserts writes rows as WordPress reaches the database, and prints each that was acknowledged with the time in
// milliseconds, until it is told to stop. A write that fails is tried again.
const phpInserts = `require '/etc/wordpress/config-default.php';
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$first = hrtime(true);
for ($i = 0, $end = time() + 600; !file_exists('/run/stop-inserts') && time() < $end; clearstatcache()) {
	try {
		$db = mysqli_init();
		$db->ssl_set(null, null, '/etc/hornero-database/ca.pem', null, null);
		$db->options(MYSQLI_OPT_CONNECT_TIMEOUT, 2);
		$db->real_connect(DB_HOST, DB_USER, DB_PASSWORD, DB_NAME, null, null, MYSQL_CLIENT_FLAGS);
		$db->query("insert into probe values ('php-$first-$i')");
		printf("php-%s-%d %d\n", $first, $i, 1000 * microtime(true));
		$db->close();
	} catch (mysqli_sql_exception $e) {
		fprintf(STDERR, "%s %s\n", date('H:i:s'), $e->getMessage());
	}
	$i++;
	usleep(100000);
}`

// insertsByPHP writes rows from a web node until stop is called, as inserts does.
func (s *stack) insertsByPHP(from string) (stop func() ([]string, time.Duration)) {
	s.t.Helper()
	s.on(from, "rm -f /run/stop-inserts")
	s.must("db", "-e", "create table if not exists wordpress.probe (id varchar(60) primary key) engine=InnoDB")
	s.t.Cleanup(func() {
		_, _ = s.try("db", "-e", "drop table if exists wordpress.probe")
	})

	type result struct {
		out string
		err error
	}

	done := make(chan result, 1)
	go func() {
		out, err := s.tryWith("<?php "+phpInserts, "exec", from, "--", "php")
		done <- result{out, err}
	}()

	return func() ([]string, time.Duration) {
		s.t.Helper()
		s.on(from, "touch /run/stop-inserts")

		r := <-done
		require.NoError(s.t, r.err, r.out)

		acknowledged, longest := readRows(r.out)
		require.NotEmpty(s.t, acknowledged, r.out)

		for line := range strings.Lines(r.out) {
			if !strings.HasPrefix(line, "php-") {
				s.t.Logf("%s: %s", from, strings.TrimSpace(line))
			}
		}

		return acknowledged, longest
	}
}
