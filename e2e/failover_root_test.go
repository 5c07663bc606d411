//go:build root && bench

package e2e_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// way is how the writer's work ends in the middle of a client's.
type way struct {
	name string
	do   func(s *stack, writer node)
	heal func(s *stack, writer node)
}

var ways = []way{
	{
		name: "machine off",
		do:   (*stack).pull,
		heal: (*stack).press,
	},
	{
		name: "mariadbd kill -9",
		do:   func(s *stack, writer node) { s.end(writer, "mariadbd") },
		heal: func(*stack, node) {},
	},
	{
		name: plannedMove,
		do: func(s *stack, writer node) {
			s.on(writer.Name, "hornero-bootstrap drain")
		},
		heal: func(s *stack, writer node) {
			s.on(writer.Name, "systemctl restart hornero-bootstrap")
		},
	},
}

const plannedMove = "planned move"

// TestFailover measures the longest time that a client of the proxies waits for an acknowledged row when the
// writer is lost or moved: FAILOVER_ROUNDS times (20) in each way, or in those that FAILOVER_WAYS names
// ("machine off,planned move").
func TestFailover(t *testing.T) {
	rounds := int(number(t, "FAILOVER_ROUNDS", 20))
	s := launch(t)
	s.untilHealthy()

	c := newClients(s)

	for _, w := range chosen(t, "FAILOVER_WAYS") {
		var gaps []time.Duration
		failed := 0

		for range rounds {
			gap, twice := s.lose(c, w)
			gaps = append(gaps, gap)
			failed += twice
		}

		slices.Sort(gaps)
		median := gaps[len(gaps)/2]
		p95 := gaps[len(gaps)*95/100]
		worst := gaps[len(gaps)-1]
		fmt.Printf("%-18s n=%d  gap median %.2f s, p95 %.2f s, max %.2f s; transactions that failed twice: %d\n",
			w.name, len(gaps), median.Seconds(), p95.Seconds(), worst.Seconds(), failed)

		if w.name == plannedMove {
			require.Zero(t, failed, "a client that retries once loses nothing to a planned move")
		}
	}

	s.keepsRows(c)
}

func chosen(t *testing.T, variable string) []way {
	t.Helper()
	names := os.Getenv(variable)
	if names == "" {
		return ways
	}

	var some []way

	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(ways, func(w way) bool { return w.name == name })
		require.GreaterOrEqual(t, i, 0, "%s: no way is called %q", variable, name)
		some = append(some, ways[i])
	}

	return some
}

// lose ends the writer's work once and waits until the stack is whole again.
func (s *stack) lose(c *clients, w way) (gap time.Duration, twice int) {
	s.t.Helper()
	require.Eventually(s.t, s.whole, healsWithin, 300*time.Millisecond, "whole before %s", w.name)

	stop := c.start()
	time.Sleep(time.Second + rand.N(time.Second)) // in no step with anybody's clock

	writer := s.nodes()[s.writer()]
	struck := time.Now()
	w.do(s, writer)

	s.untilAnotherWrites(writer.Name)
	time.Sleep(time.Second)
	w.heal(s, writer)
	require.Eventually(s.t, s.whole, healsWithin, 300*time.Millisecond, "whole again by itself")

	r := stop()
	fmt.Printf("%s  %s of %s: gap %.2f s, %d rows, %d attempts failed, %d transactions failed twice%s\n",
		struck.Format("15:04:05.000"), w.name, writer.Name, r.gap.Seconds(), r.rows, r.failed, r.twice, r.story)

	return r.gap, r.twice
}

// clients write through the proxies, one through each, as long as they are started. Each retries a transaction
// that failed once at once, through the same proxy; after a second failure it goes to the other.
type clients struct {
	proxies []*sql.DB
	mutex   sync.Mutex
	rows    []string // of all
	number  int
	failed  int
	twice   int
	story   []string
}

func newClients(s *stack) *clients {
	c := &clients{proxies: s.through("writer", nil)}
	_, err := c.proxies[0].Exec("create table if not exists failover (id varchar(60) primary key) engine=InnoDB")
	require.NoError(s.t, err)

	return c
}

// told is what the clients saw in a round.
type told struct {
	gap                 time.Duration // of the client that waited longest
	rows, failed, twice int
	story               string
}

func (c *clients) start() (stop func() told) {
	ctx, cancel := context.WithCancel(context.Background())
	c.failed = 0
	c.twice = 0
	c.story = nil
	first := len(c.rows)
	gaps := make([]time.Duration, len(c.proxies))
	var group sync.WaitGroup

	for i := range c.proxies {
		group.Go(func() {
			gaps[i] = c.write(ctx, i)
		})
	}

	return func() told {
		cancel()
		group.Wait()

		return told{
			gap:    slices.Max(gaps),
			rows:   len(c.rows) - first,
			failed: c.failed,
			twice:  c.twice,
			story:  strings.Join(c.story, ""),
		}
	}
}

// write adds rows until ctx ends and returns the longest time between two that were acknowledged.
func (c *clients) write(ctx context.Context, proxy int) (longest time.Duration) {
	var conn *sql.Conn
	defer func() { drop(conn) }()

	last := time.Now()

	for ctx.Err() == nil {
		id := c.next()
		for attempt := 1; attempt <= 2; attempt++ {
			asked := time.Now()
			err := c.add(&conn, c.proxies[proxy], id)
			if err == nil || duplicate(err) {
				longest = max(longest, time.Since(last))
				last = time.Now()
				c.acknowledge(id)

				break
			}

			c.fail(proxy, attempt, asked, err)
			drop(conn)
			conn = nil

			if attempt == 2 {
				proxy = (proxy + 1) % len(c.proxies)
				time.Sleep(pause)
			}
		}

		time.Sleep(pause / 4)
	}

	return max(longest, time.Since(last))
}

// add is one transaction of three statements.
func (c *clients) add(conn **sql.Conn, db *sql.DB, id string) (err error) {
	ctx := context.Background()
	if *conn == nil {
		if *conn, err = db.Conn(ctx); err != nil {
			return err
		}
	}

	tx, err := (*conn).BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()

	_, err = tx.Exec("insert into failover values (?)", id)
	if err != nil {
		return err
	}

	return tx.Commit()
}

// duplicate tells the answer to a retry of what had been committed although the answer was lost.
func duplicate(err error) bool {
	return strings.Contains(err.Error(), "Error 1062")
}

// drop ends a connection, so that the pool cannot give it to anybody.
func drop(conn *sql.Conn) {
	if conn != nil {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		_ = conn.Close()
	}
}

func (c *clients) next() string {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	c.number++

	return fmt.Sprintf("%d-%d", time.Now().UnixNano(), c.number)
}

func (c *clients) acknowledge(id string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	c.rows = append(c.rows, id)
}

// fail counts a failed attempt, and keeps the first few for the round's story.
func (c *clients) fail(proxy, attempt int, asked time.Time, err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()

	c.failed++

	if attempt == 2 {
		c.twice++
	}

	if len(c.story) >= 12 {
		return
	}

	c.story = append(c.story, fmt.Sprintf("\n    %s proxy-%d attempt %d, after %.2f s: %.90s",
		time.Now().Format("05.000"), proxy+1, attempt, time.Since(asked).Seconds(), err))
}

// keepsRows looks on every database node for every acknowledged row.
func (s *stack) keepsRows(c *clients) {
	s.t.Helper()
	require.Eventually(s.t, s.whole, healsWithin, 300*time.Millisecond)

	for _, db := range databases {
		there := s.on(db, "mariadb -N wordpress -e 'set session wsrep_sync_wait=1; select id from failover'")
		s.hasAll(db, there, c.rows)
	}

	fmt.Printf("%d acknowledged rows are on every database node\n", len(c.rows))
}
