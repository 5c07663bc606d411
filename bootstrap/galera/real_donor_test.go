//go:build realdb

package galera_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
)

var selected = regexp.MustCompile(`\((db-\d)\) requested state transfer from '[^']*'\. Selected \S+ \((db-\d)\)`)

// donors reads from a node's log who gave whom its state, in order: "db-3<-db-2".
func (n *node) donors() []string {
	var list []string
	for _, match := range selected.FindAllStringSubmatch(n.log(), -1) {
		list = append(list, match[1]+"<-"+match[2])
	}

	return list
}

// TestTheWriterIsNoDonor while another node could be.
func TestTheWriterIsNoDonor(t *testing.T) {
	w := newWorld(t)
	w.launch("db-1", 1, 1, true)
	w.synced(60*time.Second, "db-1") // who comes with it may be the first that takes the lease
	w.launch("db-2", 2, 1, false)
	w.launch("db-3", 3, 1, false)
	w.synced(60*time.Second, "db-1", "db-2", "db-3")

	writer, other := w.nodes["db-1"], w.nodes["db-2"]
	require.Equal(t, "db-1", w.set.Snapshot().Holder(peerset.LeaseWriter))
	require.NoError(t, writer.exec("CREATE TABLE wordpress.t (i INT PRIMARY KEY AUTO_INCREMENT)"))

	had := len(writer.donors())
	gave := func() []string {
		return writer.donors()[had:]
	}

	t.Log("a blank node")
	w.nodes["db-3"].crash()
	w.launch("db-3", 4, 2, false)
	w.synced(60*time.Second, "db-1", "db-2", "db-3")
	require.Equal(t, []string{"db-3<-db-2"}, gave())

	t.Log("one that was away, and needs what it missed only")

	w.eventually(5*time.Second, "its data counts", func() error {
		if _, err := os.Stat(w.host(w.nodes["db-3"].dir + "/data/hornero-transfer")); err == nil {
			return errors.New("marked as half a transfer")
		}

		return nil
	})

	w.nodes["db-3"].crash()
	require.NoError(t, writer.exec("INSERT INTO wordpress.t VALUES ()"))
	w.nodes["db-3"].boot()
	w.synced(60*time.Second, "db-1", "db-2", "db-3")
	require.Equal(t, []string{"db-3<-db-2", "db-3<-db-2"}, gave())

	require.NotContains(t,
		w.nodes["db-3"].log()[strings.LastIndex(w.nodes["db-3"].log(), "Starting MariaDB"):],
		"rsync SST completed on joiner",
	)

	t.Log("the other is busy, and the peers know: it is waited for")
	require.NoError(t, other.exec("SET GLOBAL wsrep_desync=ON"))
	w.eventually(5*time.Second, "told", func() error { return saysDonor(w, "db-2") })
	w.nodes["db-3"].crash()
	require.NoError(t, writer.exec("INSERT INTO wordpress.t VALUES ()"))
	w.nodes["db-3"].boot()

	w.eventually(20*time.Second, "explained", func() error {
		if reason := w.nodes["db-3"].driver.Status().Reason; !strings.Contains(reason, "waits for db-2 to have given its state") {
			return errors.New(reason)
		}

		return nil
	})

	require.NoError(t, other.exec("SET GLOBAL wsrep_desync=OFF"))
	w.synced(60*time.Second, "db-1", "db-2", "db-3")

	t.Log("it is busy, and the peers have not heard: Galera itself waits")
	other.stop()
	<-other.done
	require.NoError(t, other.exec("SET GLOBAL wsrep_desync=ON"))
	w.nodes["db-3"].crash()

	joiner := w.launch("db-3", 5, 3, false)
	w.eventually(30*time.Second, "asked in vain", func() error {
		if !strings.Contains(joiner.log(), "impossible to select State Transfer donor") {
			return errors.New(joiner.driver.Status().Reason)
		}

		return nil
	})

	require.NoError(t, other.exec("SET GLOBAL wsrep_desync=OFF"))
	other.boot()
	w.synced(60*time.Second, "db-1", "db-2", "db-3")

	t.Log("the writer moves to the one that was to give, while the server starts: it is told another")
	joiner.crash()

	joiner = w.launch("db-3", 6, 4, false)
	w.eventually(20*time.Second, "starting", func() error {
		if process, err := joiner.unit.State(t.Context()); err != nil || process != galera.ProcessStarting {
			return fmt.Errorf("%s: %w", process, err)
		}

		return nil
	})

	_, err := peerset.Bind(w.set, other.who()).Seize(
		t.Context(),
		w.set.Snapshot().Leases[peerset.LeaseWriter],
		"a test",
	)
	require.NoError(t, err)
	w.synced(60*time.Second, "db-1", "db-2", "db-3")
	require.Equal(t, "db-2", w.set.Snapshot().Holder(peerset.LeaseWriter))

	require.Equal(t,
		[]string{"db-3<-db-2", "db-3<-db-2", "db-3<-db-2", "db-3<-db-2", "db-3<-db-1"},
		gave(),
	)

	require.Equal(t, 2, w.count("db-3"))

	t.Log("there is nobody else: the writer gives")
	writer.leave()
	joiner.leave()
	w.synced(20*time.Second, "db-2")
	w.launch("db-3", 7, 5, false)
	w.synced(60*time.Second, "db-2", "db-3")

	all := other.donors()
	require.Equal(t, "db-3<-db-2", all[len(all)-1])
}

func saysDonor(w *world, name string) error {
	peer, _ := w.set.Snapshot().Peer(name)
	if peer.State != string(galera.StateDonor) {
		return errors.New(peer.State)
	}

	return nil
}
