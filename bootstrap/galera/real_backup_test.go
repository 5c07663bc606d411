//go:build realdb

package galera_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
)

// programs finds the processes that run a program with a word in its arguments.
func programs(name, word string) []int {
	var found []int
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		line, _ := os.ReadFile(filepath.Join(folder, "cmdline"))
		program, args, _ := strings.Cut(string(line), "\x00")
		pid, err := strconv.Atoi(filepath.Base(folder))

		if err == nil && filepath.Base(program) == name && strings.Contains(args, word) {
			found = append(found, pid)
		}
	}

	return found
}

// writing inserts rows one after another until stop; rows counts them, and giving those that were committed
// while the node gave its state.
func (n *node) writing() (rows, giving *atomic.Int64, stop func()) {
	rows, giving = new(atomic.Int64), new(atomic.Int64)
	db := n.sql()
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer db.Close()

		for !closed(ended) {
			before := n.driver.Status().State

			if _, err := db.Exec("INSERT INTO wordpress.t (text) VALUES ('row')"); err != nil {
				// The node may be outside a primary component for a moment.
				time.Sleep(10 * time.Millisecond)
				continue
			}

			rows.Add(1)

			if before == galera.StateDonor && n.driver.Status().State == galera.StateDonor {
				giving.Add(1)
			}
		}
	}()

	return rows, giving, func() {
		close(ended)
		<-done
	}
}

// TestATransferByMariabackup: over TLS, from a donor that takes writes meanwhile, and again from the start when
// it breaks.
func TestATransferByMariabackup(t *testing.T) {
	w := newWorld(t)
	w.method = "mariabackup"
	w.stack = []string{"db-1", "db-2"}
	donor := w.launch("db-1", 1, 1, true)
	w.syncedIn(60*time.Second, 1, "db-1")
	require.NoError(t,
		donor.exec("CREATE TABLE wordpress.t (i INT PRIMARY KEY AUTO_INCREMENT, text MEDIUMTEXT)"),
	)

	for range 32 {
		require.NoError(t,
			donor.exec("INSERT INTO wordpress.t (text) VALUES (REPEAT('a row', 400000))"),
		)
	}

	rows, giving, stop := donor.writing()

	t.Log("a blank node; the transfer is killed when bytes have begun to arrive")

	joiner := w.launch("db-2", 2, 1, false)
	data := w.host(filepath.Join(joiner.dir, "data"))
	w.eventually(60*time.Second, "bytes arrive", func() error {
		_, err := os.Stat(filepath.Join(data, ".sst", "ibdata1"))
		return err
	})
	donor.killBackups()
	w.says(30*time.Second, "db-2", "start 1 failed, tries again in a while")

	content, _, err := galera.DataDir{Path: data}.Inspect()
	require.NoError(t, err)
	require.Equal(t, galera.ContentTorn, content, "what arrived is evidence of nothing")
	require.Equal(t, galera.StateSynced, donor.driver.Status().State)
	giving.Store(0)

	t.Log("the next one comes to its end")
	w.synced(90*time.Second, "db-1", "db-2")
	require.Greater(t, giving.Load(), int64(10), "the donor takes writes all the time")
	stop()

	w.eventually(10*time.Second, "every row is there", func() error {
		if have, want := w.count("db-2"), int(rows.Load())+32; have < want {
			return fmt.Errorf("%d of %d rows", have, want)
		}

		return nil
	})

	require.Equal(t, w.count("db-1"), w.count("db-2"))
	require.NoFileExists(t, filepath.Join(data, "hornero-transfer"))
	joiner.verifiedTheDonor()
}

// killBackups ends the node's program that gives its state.
func (n *node) killBackups() {
	backups := programs("mariadb-backup", n.dir)
	require.NotEmpty(n.w.t, backups)

	for _, pid := range backups {
		require.NoError(n.w.t, syscall.Kill(pid, syscall.SIGKILL))
	}
}

// verifiedTheDonor reads from a joiner's log that it got its state twice, over TLS, from a donor with a certificate.
func (n *node) verifiedTheDonor() {
	t, log := n.w.t, n.log()

	require.Equal(t, 2, strings.Count(log, "mariabackup SST started on joiner"), "from scratch")
	require.Contains(t, log, "MODE='VERIFY_CA', encrypt='3'")

	const verifies = `socat -u openssl-listen:4444,\S*cafile='[^']+ca.pem'`
	require.Regexp(t, verifies, log, "which is what socat verifies by")
	require.NotContains(t, log, "verify=0")
}
