//go:build realdb

package galera_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/roles"
)

// arbitrator is a real garbd with its driver.
type arbitrator struct {
	w      *world
	number int
	dir    string
	unit   *process
	driver *galera.Arbiter
	stop   context.CancelFunc
	done   chan struct{}
	said   chan galera.Status
}

func (a *arbitrator) who() peerset.Identity {
	return peerset.Identity{
		Name:        "arbitrator-1",
		Role:        "arbitrator",
		Incarnation: 1,
	}
}
func (a *arbitrator) address() string {
	return fmt.Sprintf("127.0.77.%d", a.number)
}

// arbitrate launches the stack's arbitrator, beside database nodes at addresses.
func (w *world) arbitrate(number int, nodes ...string) *arbitrator {
	a := &arbitrator{
		w:      w,
		number: number,
		dir:    filepath.Join(w.dir, "arbitrator"),
		said:   make(chan galera.Status, 1000),
	}
	require.NoError(w.t, os.MkdirAll(w.host(a.dir), 0o755))

	manifest, err := roles.Load(roles.Embedded(), "arbitrator")
	require.NoError(w.t, err)

	facts := roles.Facts{
		Stack:       "demo",
		Node:        "arbitrator-1",
		Role:        "arbitrator",
		Release:     "debian-13",
		Incarnation: 1,
		Address:     a.address(),
		Memory:      512 << 20,
		CPUs:        1,
		Peers:       map[string][]roles.PeerFact{},
		Leases:      map[string]map[string]string{"db": {"writer": "writer"}},
		PKI:         w.issue("arbitrator-1", "arbitrator"),
	}

	for _, name := range nodes {
		facts.Peers["db"] = append(facts.Peers["db"], roles.PeerFact{
			Name:    name,
			Address: w.nodes[name].address(),
		})
	}

	for _, t := range manifest.Templates {
		text, err := manifest.Render(t, facts)
		require.NoError(w.t, err)

		text = bytes.ReplaceAll(
			text,
			[]byte("/etc/hornero-garbd"),
			[]byte(a.dir),
		)

		require.NoError(w.t, os.WriteFile(
			w.host(filepath.Join(a.dir, filepath.Base(t.Path))),
			text,
			0o600,
		))
	}

	w.run("chown", "-R", "nobody", a.dir)

	start := "cd " + a.dir + " && exec garbd --cfg garbd.cnf 2>>garbd.log"
	a.unit = &process{
		args: []string{
			"chroot",
			"--userspec=nobody",
			root(),
			"/bin/sh",
			"-c",
			start,
		},
		log: w.host(a.dir + "/garbd.log"),
	}

	_, err = w.set.Admit(w.t.Context(), peerset.Join{
		Identity: a.who(),
		Address:  a.address(),
	})
	require.NoError(w.t, err)
	a.boot()

	w.t.Cleanup(func() {
		a.crash()
		if w.t.Failed() || testing.Verbose() {
			w.t.Logf("log of the arbitrator:\n%s", a.log())
		}
	})

	return a
}

func (a *arbitrator) boot() {
	ctx, cancel := context.WithCancel(context.Background())
	set := peerset.Bind(a.w.set, a.who())
	a.driver = galera.NewArbiter(galera.ArbiterConfig{
		Role: "db",
		Set:  set,
		Unit: a.unit,
		Log:  slog.New(slog.NewTextHandler(a.w.t.Output(), nil)).With("node", "arbitrator-1"),
		Report: func(s galera.Status) {
			set.Report(ctx, peerset.Report{
				State:   string(s.State),
				Healthy: s.Healthy,
			})
		},
	})

	a.stop = cancel
	a.done = make(chan struct{})
	go func() {
		defer close(a.done)

		a.driver.Run(ctx)
	}()
}

func (a *arbitrator) crash() {
	a.stop()
	a.unit.kill()
	<-a.done
	a.w.set.silence("arbitrator-1")
}

func (a *arbitrator) log() string {
	text, err := os.ReadFile(a.unit.log)
	require.NoError(a.w.t, err)
	return string(text)
}

func (a *arbitrator) eventually(within time.Duration, state galera.State) {
	a.w.t.Helper()

	a.w.eventually(within, "the arbitrator is "+string(state), func() error {
		peer, _ := a.w.set.Snapshot().Peer("arbitrator-1")
		if peer.State != string(state) {
			return errors.New(peer.State)
		}

		return nil
	})
}

// TestAnArbitratorsVote: two database nodes and the arbitrator are three, whichever of them is lost.
func TestAnArbitratorsVote(t *testing.T) {
	w := newWorld(t)
	w.stack = []string{"db-1", "db-2"}
	w.launch("db-1", 1, 1, true)
	w.launch("db-2", 2, 1, false)

	arbiter := w.arbitrate(3, "db-1", "db-2")
	w.syncedIn(60*time.Second, 3, "db-1", "db-2")
	arbiter.eventually(20*time.Second, galera.StateVoting)
	require.NoError(t, w.nodes["db-1"].exec("CREATE TABLE wordpress.t (i INT PRIMARY KEY AUTO_INCREMENT)"))
	w.arbitratorsCertificate(arbiter)

	w.loseTheWriterBesideAnArbitrator()
	w.loseTheArbitrator(arbiter)
	w.loseAllWithTheArbitrator(arbiter)

	t.Log("the arbitrator is stopped for good: it says good-bye")
	arbiter.stop()
	require.NoError(t, arbiter.driver.Drain(t.Context(), 0))
	w.syncedIn(20*time.Second, 2, "db-1", "db-2")

	first, second := w.nodes["db-1"].log(), w.nodes["db-2"].log()
	for _, log := range []string{arbiter.log(), first, second} {
		require.NotContains(t, log, "(arbitrator-1)(SYNCED) as donor")
	}

	require.Contains(t, first, "(db-2)(SYNCED) as donor", "that is how a donor is told")
}

func (w *world) loseTheWriterBesideAnArbitrator() {
	w.t.Log("the writer's machine is lost: the other stays in the primary component, by the arbitrator's vote")
	survivor := w.nodes["db-2"]
	before := len(survivor.log())
	w.nodes["db-1"].crash()
	w.syncedIn(20*time.Second, 2, "db-2")
	w.insert("db-2")
	require.Equal(w.t, "db-2", w.writer())
	require.NotContains(w.t, survivor.log()[before:], "primary = no", "it never was outside")

	w.t.Log("a new one in its place gets its data from the database node: there is nobody else")
	w.launch("db-1", 4, 2, false)
	w.syncedIn(60*time.Second, 3, "db-1", "db-2")
	require.Equal(w.t, 1, w.count("db-1"))
}

func (w *world) loseTheArbitrator(arbiter *arbitrator) {
	w.t.Log("the arbitrator dies and comes back: no database node minds")
	survivor := w.nodes["db-2"]
	before := len(survivor.log())
	arbiter.crash()
	w.syncedIn(20*time.Second, 2, "db-1", "db-2")
	w.insert("db-2")

	arbiter.boot()
	w.syncedIn(20*time.Second, 3, "db-1", "db-2")
	arbiter.eventually(20*time.Second, galera.StateVoting)
	require.NotContains(w.t, survivor.log()[before:], "primary = no")
}

func (w *world) loseAllWithTheArbitrator(arbiter *arbitrator) {
	w.t.Log("all are lost; the arbitrator comes back first, then the node that knows less: neither begins anything")
	w.nodes["db-1"].crash()
	w.syncedIn(20*time.Second, 2, "db-2")
	w.insert("db-2")

	record := w.set.Snapshot().Settings[galera.SettingDecision]
	w.nodes["db-2"].crash()
	arbiter.crash()
	arbiter.boot()
	arbiter.eventually(20*time.Second, galera.StateWaiting)
	w.nodes["db-1"].boot()
	w.says(20*time.Second, "db-1", "waits for the evidence of db-2")
	arbiter.eventually(time.Second, galera.StateWaiting)

	process, err := arbiter.unit.State(w.t.Context())
	require.NoError(w.t, err)
	require.Contains(w.t, []galera.Process{galera.ProcessStopped, galera.ProcessFailed}, process)
	require.Equal(w.t, record, w.set.Snapshot().Settings[galera.SettingDecision])

	w.t.Log("the other database node is there, too")
	w.nodes["db-2"].boot()
	w.syncedIn(60*time.Second, 3, "db-1", "db-2")
	arbiter.eventually(20*time.Second, galera.StateVoting)
	require.Equal(w.t, 3, w.count("db-1"))
	require.Equal(w.t, 3, w.count("db-2"))
	require.Contains(w.t, w.set.Snapshot().Settings[galera.SettingDecision], `"node":"db-2"`)
}

// arbitratorsCertificate: what the others see of garbd is TLS, and the stack's own certificate.
func (w *world) arbitratorsCertificate(a *arbitrator) {
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM([]byte(w.pki("anybody")["ca"]))

	connection, err := tls.Dial(
		"tcp",
		net.JoinHostPort(a.address(), "4567"),
		&tls.Config{RootCAs: authorities, ServerName: "arbitrator-1"},
	)
	require.NoError(w.t, err)
	require.NoError(w.t, connection.Close())
}
