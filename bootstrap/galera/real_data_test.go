//go:build realdb

package galera_test

import (
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/internal/command"
)

// leave ends the agent, and the server cleanly; the disk stays.
func (n *node) leave() {
	require.NoError(n.w.t, n.driver.Drain(n.w.t.Context(), 0))
	n.crash()
}

// login tries a password on another node than the one that took it.
func (n *node) login(secret string) error {
	return n.asUser(secret, "SELECT 1 FROM DUAL")
}

// asUser runs a statement as the database's user, by TCP.
func (n *node) asUser(secret, statement string) error {
	args := []string{
		"chroot",
		root(),
		"mariadb",
		"--no-defaults",
		"--user=wordpress",
		"--host=" + n.address(),
		"--ssl",
		"--skip-ssl-verify-server-cert",
		"-e",
		statement,
		"wordpress",
	}

	_, err := command.Run(n.w.t.Context(), command.Command{
		Args: args,
		Env:  []string{"MYSQL_PWD=" + secret},
	})

	return err
}

func TestWhatARealServerSaysOfItsData(t *testing.T) {
	w := newWorld(t)
	w.launch("db-1", 21, 1, true)

	// A node that comes up beside it might take the writer lease first.
	w.synced(60*time.Second, "db-1")
	w.launch("db-2", 22, 1, false)
	w.launch("db-3", 23, 1, false)
	w.synced(90*time.Second, "db-1", "db-2", "db-3")

	w.rotatePasswords()

	n := w.nodes["db-3"]
	n.findsItsFilesHeld()

	t.Log("InnoDB's own pages are garbage: the data is given up")
	n.leave()
	garbage(t, n.data("ibdata1"))
	n.boot()
	w.says(60*time.Second, "db-3", string(galera.CauseData)+": ")
	w.synced(180*time.Second, "db-1", "db-2", "db-3")
}

// data is where this machine finds a file of the node's data directory.
func (n *node) data(name string) string {
	return n.w.host(filepath.Join(n.dir, "data", name))
}

func (w *world) rotatePasswords() {
	w.t.Log("passwords are rotated: the writer comes back with a newer document")
	writer, other := w.nodes["db-1"], w.nodes["db-3"]
	writer.stop()
	<-writer.done
	require.NoError(w.t, other.login(password))

	writer.rewriteGrants("200%")
	writer.issued = time.Now()
	writer.boot()

	rotated := strings.ReplaceAll(password, "100%", "200%")
	w.eventually(20*time.Second, "the new password", func() error { return other.login(rotated) })
	require.ErrorContains(w.t, other.login(password), "Access denied")
}

// rewriteGrants puts another secret into the node's users and grants.
func (n *node) rewriteGrants(secret string) {
	path := n.w.host(n.dir + "/hornero/grants.sql")
	text, err := os.ReadFile(path)
	require.NoError(n.w.t, err)

	rotated := strings.ReplaceAll(password, "100%", secret)
	text = []byte(strings.ReplaceAll(string(text), keptOf(password), keptOf(rotated)))
	require.NoError(n.w.t, os.WriteFile(path, text, 0o600))
}

// keptOf is what a server keeps of a password: its double SHA-1.
func keptOf(password string) string {
	once := sha1.Sum([]byte(password))

	return fmt.Sprintf("*%X", sha1.Sum(once[:]))
}

// findsItsFilesHeld is a start beside another process that has the data directory's files.
func (n *node) findsItsFilesHeld() {
	n.w.t.Log("another process holds the files: the data stays")
	n.leave()
	n.crashedAt(n.data("grastate.dat"))

	args := append(n.unit.args,
		"--wsrep-on=OFF",
		"--skip-networking",
		"--socket="+n.dir+"/run/other.sock",
		"--log-error="+n.dir+"/other.log",
	)
	holder := &process{args: args, log: n.w.host(n.dir + "/other.log")}
	require.NoError(n.w.t, holder.start())

	n.w.eventually(20*time.Second, "the holder is up", func() error {
		_, err := os.Stat(n.w.host(n.dir + "/run/other.sock"))
		return err
	})

	n.boot()
	n.w.says(90*time.Second, n.name, "a lock: ")

	holder.kill()
	n.w.synced(120*time.Second, "db-1", "db-2", "db-3")
}

// crashedAt makes a clean stop look like a crash.
func (n *node) crashedAt(path string) {
	text, err := os.ReadFile(path)
	require.NoError(n.w.t, err)

	position, err := galera.ParseGrastate(string(text))
	require.NoError(n.w.t, err)

	text = []byte(strings.Replace(
		string(text),
		fmt.Sprintf("seqno:   %d", position.Seqno),
		"seqno:   -1",
		1,
	))
	require.NoError(n.w.t, os.WriteFile(path, text, 0o660))
}

// garbage overwrites InnoDB's system pages, but not the first, which names the file.
func garbage(t *testing.T, path string) {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer file.Close()

	_, err = file.WriteAt([]byte(strings.Repeat("garbage.", 16<<10)), 3*16<<10)
	require.NoError(t, err)
}

func TestNodesBeginTogether(t *testing.T) {
	const copied, asked = "SST completed on joiner", "State transfer required"
	w := newWorld(t)
	w.launch("db-2", 2, 1, false)
	w.launch("db-3", 3, 1, false)
	w.launch("db-1", 1, 1, true)
	w.synced(60*time.Second, "db-1", "db-2", "db-3")

	for _, name := range []string{"db-2", "db-3"} {
		require.NotContains(t,
			w.nodes[name].log(),
			asked,
			"%s has the same directory and came before anything was written",
			name,
		)
	}

	db := w.nodes["db-1"].sql()
	defer db.Close()

	for _, statement := range []string{"CREATE TABLE wordpress.t (i INT PRIMARY KEY " +
		"AUTO_INCREMENT)", "INSERT INTO wordpress.t VALUES (), (), ()"} {
		_, err := db.Exec(statement)
		require.NoError(t, err)
	}

	users := func(name string) (count int) {
		db := w.nodes[name].sql()
		defer db.Close()

		require.NoError(t,
			db.QueryRow("SELECT COUNT(*) FROM mysql.global_priv WHERE User = 'wordpress'").Scan(&count),
		)

		return count
	}

	for _, name := range []string{"db-2", "db-3"} {
		w.eventually(5*time.Second, "the rows", func() error {
			if count := w.count(name); count != 3 {
				return fmt.Errorf("%d rows on %s", count, name)
			}

			return nil
		})

		require.Equal(t, 1, users(name))
	}

	t.Log("a node is replaced by one from the same image: by now it needs a copy")
	w.nodes["db-3"].crash()
	w.launch("db-3", 4, 2, false)
	w.synced(60*time.Second, "db-1", "db-2", "db-3")
	require.Contains(t, w.nodes["db-3"].log(), copied)
	require.Equal(t, 3, w.count("db-3"))

	t.Log("all machines lose power: the history goes on with what is on their disks")

	for _, name := range []string{"db-1", "db-2", "db-3"} {
		w.nodes[name].crash()
	}

	for _, name := range []string{"db-1", "db-2", "db-3"} {
		w.nodes[name].boot()
	}

	w.synced(90*time.Second, "db-1", "db-2", "db-3")
	require.Equal(t, 3, w.count("db-2"))
}

func TestAnotherDirectoryIsNotInvited(t *testing.T) {
	w := newWorld(t)
	mark := w.host(w.baked() + "/hornero-pristine")
	w.launch("db-1", 1, 1, true)
	require.NoError(t, os.WriteFile(mark, []byte("another\n"), 0o660))
	w.launch("db-2", 2, 1, false)
	require.NoError(t, os.WriteFile(mark, nil, 0o660))
	w.launch("db-3", 3, 1, false)
	w.synced(60*time.Second, "db-1", "db-2", "db-3")

	for _, name := range []string{"db-2", "db-3"} {
		require.Contains(t, w.nodes[name].log(), "SST completed on joiner", "%s gets a copy", name)
	}
}
