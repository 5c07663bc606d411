//go:build realdb

package galera_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/command"
)

func TestTheLifeOfACluster(t *testing.T) {
	w := threeNodes(t)

	uuid := w.nodes["db-1"].driver.Status().Facts[galera.FactUUID]
	w.clients(t)

	require.NoError(t, w.nodes["db-1"].exec("CREATE TABLE wordpress.t (i INT PRIMARY KEY AUTO_INCREMENT)"))
	w.insert("db-1")

	w.loseTheWriter()
	w.replaceANode()
	w.loseAll()

	for name, n := range w.nodes {
		require.Equal(t, 3, w.count(name), name)
		require.Equal(t, uuid, n.driver.Status().Facts[galera.FactUUID])
	}

	t.Log("one node is drained: another takes the writes first")

	writer := w.writer()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	require.NoError(t, w.nodes[writer].driver.Drain(ctx, 0))
	require.NotEqual(t, writer, w.writer())
}

// threeNodes are synced, and db-1 takes the writes.
func threeNodes(t *testing.T) *world {
	w := newWorld(t)
	w.launch("db-1", 1, 1, true)

	// A node that comes up beside it might take the writer lease first.
	w.synced(60*time.Second, "db-1")

	w.launch("db-2", 2, 1, false)
	w.launch("db-3", 3, 1, false)
	w.synced(60*time.Second, "db-1", "db-2", "db-3")
	require.Equal(t, "db-1", w.writer())

	return w
}

func (w *world) writer() string {
	return w.set.Snapshot().Holder(peerset.LeaseWriter)
}

func (w *world) insert(name string) {
	require.NoError(w.t, w.nodes[name].exec("INSERT INTO wordpress.t VALUES ()"))
}

// writes waits until a node takes the writes.
func (w *world) writes(name string) {
	w.t.Helper()
	w.eventually(10*time.Second, name+" takes the writes", func() error {
		if writer := w.writer(); writer != name {
			return fmt.Errorf("%q holds the lease", writer)
		}

		return nil
	})
}

// says waits until a node gives a reason.
func (w *world) says(within time.Duration, name, reason string) {
	w.t.Helper()
	w.eventually(within, name+" says: "+reason, func() error {
		said := w.nodes[name].driver.Status().Reason
		if !strings.Contains(said, reason) {
			return errors.New(said)
		}

		return nil
	})
}

func (w *world) loseTheWriter() {
	w.t.Log("the writer's machine is lost")
	w.nodes["db-1"].crash()
	w.writes("db-2")
	w.insert("db-2")

	w.t.Log("it comes back with its disk")
	w.nodes["db-1"].boot()
	w.synced(60*time.Second, "db-1", "db-2", "db-3")
	require.Equal(w.t, "db-2", w.writer(), "the lease is sticky")
	require.Equal(w.t, 2, w.count("db-1"))

	log := w.nodes["db-1"].log()
	require.NotContains(w.t, log, "rsync SST completed on joiner", "what it missed is enough")
}

func (w *world) replaceANode() {
	w.t.Log("a node is replaced: a new incarnation at a new address, with an empty disk")
	w.nodes["db-3"].crash()
	w.launch("db-3", 4, 2, false)
	w.synced(60*time.Second, "db-1", "db-2", "db-3")
	require.Equal(w.t, 2, w.count("db-3"))
}

func (w *world) loseAll() {
	w.t.Log("all machines are lost, one after the other")
	w.nodes["db-1"].crash()
	w.syncedIn(10*time.Second, 2, "db-2")
	w.insert("db-2")
	w.nodes["db-2"].crash()
	w.nodes["db-3"].crash()

	w.t.Log("two come back: neither bootstraps without the third's evidence")
	w.nodes["db-1"].boot()
	w.nodes["db-3"].boot()
	w.says(30*time.Second, "db-1", "waits for the evidence of db-2")

	w.nodes["db-2"].boot()
	w.synced(90*time.Second, "db-1", "db-2", "db-3")
}

// clients: the password works over TLS whatever is in it, and nothing works without TLS.
func (w *world) clients(t *testing.T) {
	address := net.JoinHostPort(w.nodes["db-2"].address(), "3306")
	for _, tls := range []string{"skip-verify", "false"} {
		args := []string{
			"chroot",
			root(),
			"mariadb",
			"--no-defaults",
			"--user=wordpress",
			"--host=" + w.nodes["db-2"].address(),
			"--batch",
			"-e",
			"SELECT 1 FROM DUAL",
			"wordpress",
		}
		if tls == "false" {
			args = append(args, "--skip-ssl")
		} else {
			args = append(args, "--ssl", "--skip-ssl-verify-server-cert")
		}

		_, err := command.Run(t.Context(), command.Command{
			Args: args,
			Env:  []string{"MYSQL_PWD=" + password},
		})
		if tls == "false" {
			require.ErrorContains(t, err, "secure transport", address)
		} else {
			require.NoError(t, err, address)
		}
	}
}

func TestTwoOfThreeAreLostAtOnce(t *testing.T) {
	w := newWorld(t)
	w.launch("db-1", 11, 1, true)
	w.launch("db-2", 12, 1, false)
	w.launch("db-3", 13, 1, false)
	w.synced(90*time.Second, "db-1", "db-2", "db-3")

	w.nodes["db-1"].unit.kill()
	w.nodes["db-2"].crash()
	w.nodes["db-1"].crash()

	w.eventually(15*time.Second, "the last one is outside and unhealthy", func() error {
		status := w.nodes["db-3"].driver.Status()
		if status.State != galera.StateNonPrimary || status.Healthy {
			return fmt.Errorf("%s: %s", status.State, status.Reason)
		}

		return nil
	})

	require.NotEqual(t, "db-3", w.writer())

	t.Log("the peer set loses its quorum, too, and one comes back: nobody may decide")
	w.set.edit(func(s *peerset.Snapshot) { s.Quorum = false })
	w.nodes["db-1"].boot()

	w.says(30*time.Second, "db-3", "no quorum")

	t.Log("all are back")
	w.set.edit(func(s *peerset.Snapshot) { s.Quorum = true })
	w.nodes["db-2"].boot()
	w.synced(120*time.Second, "db-1", "db-2", "db-3")
}
