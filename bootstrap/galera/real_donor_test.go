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

// TestTheWriterIsNoDonor while another node could be. db-3 is the one that joins again and again, db-2 is to give.
func TestTheWriterIsNoDonor(t *testing.T) {
	w := threeNodes(t)
	require.NoError(t, w.nodes["db-1"].exec("CREATE TABLE wordpress.t (i INT PRIMARY KEY AUTO_INCREMENT)"))

	had := len(w.nodes["db-1"].donors())
	gave := func() []string {
		return w.nodes["db-1"].donors()[had:]
	}

	t.Log("a blank node")
	w.nodes["db-3"].crash()
	w.launch("db-3", 4, 2, false)
	w.synced(60*time.Second, "db-1", "db-2", "db-3")
	require.Equal(t, []string{"db-3<-db-2"}, gave())

	w.joinWithWhatIsMissing()
	require.Equal(t, []string{"db-3<-db-2", "db-3<-db-2"}, gave())

	w.joinBesideABusyDonor()
	w.joinBesideADonorThatIsBusyUnheard()
	w.joinWhileTheWriterMoves()

	require.Equal(t,
		[]string{"db-3<-db-2", "db-3<-db-2", "db-3<-db-2", "db-3<-db-2", "db-3<-db-1"},
		gave(),
	)
	require.Equal(t, 2, w.count("db-3"))

	t.Log("there is nobody else: the writer gives")
	w.nodes["db-1"].leave()
	w.nodes["db-3"].leave()
	w.synced(20*time.Second, "db-2")
	w.launch("db-3", 7, 5, false)
	w.synced(60*time.Second, "db-2", "db-3")

	all := w.nodes["db-2"].donors()
	require.Equal(t, "db-3<-db-2", all[len(all)-1])
}

func (w *world) joinWithWhatIsMissing() {
	w.t.Log("a node that was away, and needs what it missed only")
	w.eventually(5*time.Second, "its data counts", func() error {
		_, err := os.Stat(w.host(w.nodes["db-3"].dir + "/data/hornero-transfer"))
		if err == nil {
			return errors.New("marked as half a transfer")
		}

		return nil
	})

	w.nodes["db-3"].crash()
	w.insert("db-1")
	w.nodes["db-3"].boot()
	w.synced(60*time.Second, "db-1", "db-2", "db-3")

	log := w.nodes["db-3"].log()
	lastStart := log[strings.LastIndex(log, "Starting MariaDB"):]
	require.NotContains(w.t, lastStart, "rsync SST completed on joiner")
}

func (w *world) joinBesideABusyDonor() {
	w.t.Log("the donor is busy, and the peers know: it is waited for")
	require.NoError(w.t, w.nodes["db-2"].exec("SET GLOBAL wsrep_desync=ON"))
	w.eventually(5*time.Second, "told", func() error { return saysDonor(w, "db-2") })

	w.nodes["db-3"].crash()
	w.insert("db-1")
	w.nodes["db-3"].boot()
	w.says(20*time.Second, "db-3", "waits for db-2 to have given its state")

	require.NoError(w.t, w.nodes["db-2"].exec("SET GLOBAL wsrep_desync=OFF"))
	w.synced(60*time.Second, "db-1", "db-2", "db-3")
}

func (w *world) joinBesideADonorThatIsBusyUnheard() {
	w.t.Log("the donor is busy, and the peers have not heard, for its agent is stopped: Galera itself waits")
	donor := w.nodes["db-2"]
	donor.stop()
	<-donor.done
	require.NoError(w.t, donor.exec("SET GLOBAL wsrep_desync=ON"))
	w.nodes["db-3"].crash()

	joiner := w.launch("db-3", 5, 3, false)
	w.eventually(30*time.Second, "asked in vain", func() error {
		if !strings.Contains(joiner.log(), "impossible to select State Transfer donor") {
			return errors.New(joiner.driver.Status().Reason)
		}

		return nil
	})

	require.NoError(w.t, donor.exec("SET GLOBAL wsrep_desync=OFF"))
	donor.boot()
	w.synced(60*time.Second, "db-1", "db-2", "db-3")
}

func (w *world) joinWhileTheWriterMoves() {
	w.t.Log("the writer moves to the one that was to give, while the server starts: it is told another")
	w.nodes["db-3"].crash()

	joiner := w.launch("db-3", 6, 4, false)
	w.eventually(20*time.Second, "starting", func() error {
		process, err := joiner.unit.State(w.t.Context())
		if err != nil || process != galera.ProcessStarting {
			return fmt.Errorf("%s: %w", process, err)
		}

		return nil
	})

	writer := w.set.Snapshot().Leases[peerset.LeaseWriter]
	_, err := peerset.Bind(w.set, w.nodes["db-2"].who()).Seize(w.t.Context(), writer, "a test")
	require.NoError(w.t, err)

	w.synced(60*time.Second, "db-1", "db-2", "db-3")
	require.Equal(w.t, "db-2", w.writer())
}

func saysDonor(w *world, name string) error {
	peer, _ := w.set.Snapshot().Peer(name)
	if peer.State != string(galera.StateDonor) {
		return errors.New(peer.State)
	}

	return nil
}
