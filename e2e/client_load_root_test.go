//go:build root

package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// page asks for the front page ten times a second until stop is called, which tells the longest time without an
// answer.
func (s *stack) page() (stop func() time.Duration) {
	return s.pageAt(s.address)
}

func (s *stack) pageAt(address string) (stop func() time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	s.t.Cleanup(cancel)

	gap := make(chan time.Duration, 1)
	go func() { gap <- longestGap(ctx, address) }()

	return func() time.Duration {
		cancel()
		return <-gap
	}
}

// longestGap asks until ctx ends and returns the longest time between two answers.
func longestGap(ctx context.Context, address string) (longest time.Duration) {
	client := &http.Client{
		Timeout:   2 * time.Second,
		Transport: &http.Transport{DisableKeepAlives: true},
	}

	last := time.Now()

	for ctx.Err() == nil {
		response, err := client.Get(address)
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}

		if err == nil && response.StatusCode == http.StatusOK {
			longest = max(longest, time.Since(last))
			last = time.Now()
		}

		time.Sleep(100 * time.Millisecond)
	}

	return max(longest, time.Since(last))
}

// visit asks for a page ten times a second, each time over a connection of its own, until stop is called, which tells
// how often it asked and which requests failed.
func visit(t *testing.T, address string) (stop func() (asked int, failed []string)) {
	return repeat(t, func() error {
		return ask(address)
	})
}

// repeat does something ten times a second until stop is called, which tells how often it did and what failed.
func repeat(t *testing.T, try func() error) (stop func() (tried int, failed []string)) {
	type result struct {
		asked  int
		failed []string
	}

	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)

	done := make(chan result, 1)

	go func() {
		var r result

		for ctx.Err() == nil {
			r.asked++
			if err := try(); err != nil {
				r.failed = append(r.failed, time.Now().UTC().Format("15:04:05.000 ")+err.Error())
			}

			// A client that is no flood.
			time.Sleep(100 * time.Millisecond)
		}

		done <- r
	}()

	return func() (int, []string) {
		cancel()
		r := <-done

		return r.asked, r.failed
	}
}

// databasePassword is WordPress' own, from where PHP reads it.
func (s *stack) databasePassword() string {
	s.t.Helper()

	return s.on("web-1", `sed -n "s/.*DB_PASSWORD', '\(.*\)').*/\1/p" /etc/wordpress/config-default.php`)
}

// insertRows writes rows through the proxies for two minutes at most, and prints each that was acknowledged with the
// time in milliseconds. A proxy that fails is followed by the next.
const insertRows = `set -- %s
export MYSQL_PWD=%s
i=0; end=$((SECONDS+120)); first=$(date +%%s%%N)
while [ ! -e /run/stop-inserts ] && [ $SECONDS -lt $end ]; do
	i=$((i+1))
	if timeout 4 mariadb --skip-ssl-verify-server-cert --connect-timeout=1 -h "$1" -u wordpress wordpress \
		-e "insert into probe values ('$first-$i')" 2>/dev/null; then
		echo "$first-$i $(date +%%s%%3N)"
	else
		old=$1; shift; set -- "$@" "$old"; sleep 0.1
	fi
done`

// inserts writes rows through the proxies, from a database node that outlives what is done meanwhile, until stop is
// called, which tells the numbers that were acknowledged and the longest time without one.
func (s *stack) inserts(from string) (stop func() ([]string, time.Duration)) {
	s.t.Helper()

	var proxies []string

	for _, n := range s.nodes() {
		if n.Role == "proxy" {
			proxies = append(proxies, n.Addresses.Private)
		}
	}

	const table = "create table if not exists probe (id varchar(60) primary key) engine=InnoDB"
	program := fmt.Sprintf(insertRows, strings.Join(proxies, " "), s.databasePassword())
	s.on(from, "rm -f /run/stop-inserts; mariadb wordpress -e '"+table+"'")
	s.t.Cleanup(func() {
		_, _ = s.try("db", "-e", "drop table if exists wordpress.probe")
	})

	type result struct {
		out string
		err error
	}

	done := make(chan result, 1)
	go func() {
		out, err := s.try("exec", from, "--", "bash", "-c", program)
		done <- result{out, err}
	}()

	return func() ([]string, time.Duration) {
		s.t.Helper()
		s.on(from, "touch /run/stop-inserts")

		r := <-done
		require.NoError(s.t, r.err, r.out)

		acknowledged, longest := readRows(r.out)
		require.NotEmpty(s.t, acknowledged, r.out)

		return acknowledged, longest
	}
}

// readRows reads what insertRows printed: the rows, and the longest time between two of them.
func readRows(printed string) (acknowledged []string, gap time.Duration) {
	var longest, last int64

	for line := range strings.Lines(printed) {
		var id string
		var at int64

		if n, _ := fmt.Sscan(line, &id, &at); n != 2 {
			continue
		}

		if len(acknowledged) > 0 {
			longest = max(longest, at-last)
		}

		acknowledged = append(acknowledged, id)
		last = at
	}

	return acknowledged, time.Duration(longest) * time.Millisecond
}

// databases are the database nodes of the whole stack.
var databases = []string{"db-1", "db-2", "db-3"}

// holds tells that every database node has every acknowledged row.
func (s *stack) holds(acknowledged []string) {
	s.t.Helper()

	for _, db := range databases {
		there := s.on(db, "mariadb -N wordpress -e 'set session wsrep_sync_wait=1; select id from probe'")
		s.hasAll(db, there, acknowledged)
	}
}

// hasAll compares what a node has with what was acknowledged.
func (s *stack) hasAll(db, there string, acknowledged []string) {
	s.t.Helper()
	rows := map[string]bool{}
	for id := range strings.FieldsSeq(there) {
		rows[id] = true
	}

	var missing []string

	for _, id := range acknowledged {
		if !rows[id] {
			missing = append(missing, id)
		}
	}

	require.Emptyf(s.t, missing, "acknowledged rows that %s has not", db)
}
