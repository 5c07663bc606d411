//go:build root && bench

package e2e_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// server is a Droplet's database server, seen from outside: nothing that runs in it is asked but the server.
type server struct {
	t      *testing.T
	id     int
	on     time.Time // when its PID 1 began
	db     *sql.DB   // as root, through the server's socket
	synced time.Time // when its server was first seen Synced in a cluster of three
}

// powered waits for a Droplet's PID 1.
func (s *stack) powered(id int) *server {
	s.t.Helper()
	m := &server{
		t:  s.t,
		id: id,
	}
	pid := 0
	require.Eventually(s.t, func() bool {
		pid = initOf(fmt.Sprintf("hornero-%s-%d", s.lab, id))
		return pid != 0
	}, time.Minute, 20*time.Millisecond, "Droplet %d is on", id)

	m.on = began(s.t, pid)
	config := mysql.NewConfig()
	config.User = "root"
	config.Net = "unix"
	config.Addr = fmt.Sprintf("/proc/%d/root/run/mysqld/mysqld.sock", pid)
	config.Timeout = time.Second
	config.Logger = quiet{}
	connector, err := mysql.NewConnector(config)
	require.NoError(s.t, err)

	m.db = sql.OpenDB(connector)
	s.t.Cleanup(func() { m.db.Close() })

	return m
}

// initOf finds the PID 1 of what runs in a network namespace; 0 while there is none.
func initOf(namespace string) int {
	out, _ := exec.Command("ip", "netns", "pids", namespace).Output()
	for text := range strings.FieldsSeq(string(out)) {
		status, _ := os.ReadFile("/proc/" + text + "/status")
		for line := range strings.Lines(string(status)) {
			if inner, ok := strings.CutPrefix(line, "NSpid:"); ok &&
				slices.Index(strings.Fields(inner), "1") > 0 {
				pid, _ := strconv.Atoi(text)
				return pid
			}
		}
	}

	return 0
}

// ticks is how many there are in a second of proc(5)'s times.
const ticks = 100

// began tells when a process began, to a hundredth of a second (proc(5), stat).
func began(t *testing.T, pid int) time.Time {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)

	_, rest, _ := strings.Cut(string(text), ") ")
	start, err := strconv.ParseInt(strings.Fields(rest)[19], 10, 64)
	require.NoError(t, err)
	var now unix.Timespec
	require.NoError(t, unix.ClockGettime(unix.CLOCK_BOOTTIME, &now))

	return time.Now().Add(time.Duration(start)*time.Second/ticks - time.Duration(now.Nano()))
}

const (
	lookEvery    = 50 * time.Millisecond
	syncedWithin = 3 * time.Minute
)

const ofThree = `select count(*) from information_schema.global_status where (variable_name, variable_value) in
 (('wsrep_local_state_comment', 'Synced'), ('wsrep_cluster_size', '3'), ('wsrep_ready', 'ON'))`

// watch looks every 50 ms until the server says that it is Synced in a cluster of three.
func (m *server) watch() {
	for end := time.Now().Add(syncedWithin); time.Now().Before(end); time.Sleep(lookEvery) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		var yes int
		err := m.db.QueryRowContext(ctx, ofThree).Scan(&yes)
		cancel()

		if err == nil && yes == 3 {
			m.synced = time.Now()
			return
		}
	}
}

// untilSynced returns the time from the first machine's power-on until the last was Synced.
func untilSynced(all []*server) time.Duration {
	var group sync.WaitGroup
	for _, m := range all {
		group.Go(m.watch)
	}

	group.Wait()

	first := all[0].on
	last := all[0].synced

	for _, m := range all {
		require.Falsef(m.t, m.synced.IsZero(), "Droplet %d is not Synced after %s", m.id, syncedWithin)

		if m.on.Before(first) {
			first = m.on
		}
		if m.synced.After(last) {
			last = m.synced
		}
	}

	return last.Sub(first)
}

// ask runs a statement and returns its last value; "" for none.
func (m *server) ask(statement string) (value string) {
	m.t.Helper()
	rows, err := m.db.Query(statement)
	require.NoError(m.t, err)
	defer rows.Close()

	for rows.Next() {
		require.NoError(m.t, rows.Scan(&value))
	}

	require.NoError(m.t, rows.Err())

	return value
}

func (m *server) untilDown() {
	m.t.Helper()

	require.Eventually(m.t, func() bool {
		return m.db.Ping() != nil
	}, time.Minute, lookEvery, "the server of Droplet %d is down", m.id)
}

// count returns how many rows are there, once all that was committed before is.
func (m *server) count() string {
	m.t.Helper()
	ctx := context.Background()
	conn, err := m.db.Conn(ctx)
	require.NoError(m.t, err)
	defer conn.Close()

	_, err = conn.ExecContext(ctx, "set session wsrep_sync_wait = 1")
	require.NoError(m.t, err)
	var count string
	require.NoError(m.t, conn.QueryRowContext(ctx, "select count(*) from joins.added").Scan(&count))

	return count
}

// adds writes rows, 5 ms apart, until stop is called, which tells how many were acknowledged.
func (m *server) adds() (stop func() string) {
	m.t.Helper()
	m.ask("create database joins")
	m.ask("create table joins.added (id bigint auto_increment primary key, " +
		"at timestamp(6) default current_timestamp(6), what char(100) default 'a row')")

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() {
		rows := 0
		for ; ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
			if _, err := m.db.Exec("insert into joins.added () values ()"); err == nil {
				rows++
			}
		}

		done <- rows
	}()

	return func() string {
		cancel()
		return strconv.Itoa(<-done)
	}
}
