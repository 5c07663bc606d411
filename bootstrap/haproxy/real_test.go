package haproxy_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/haproxy"
)

// These tests run the real HAProxy on loopback, with the role's own configuration, and databases that only greet.

func TestWriterMoves(t *testing.T) {
	n := newNetwork()
	one, two := database("db-1", n+".1", 1), database("db-2", n+".2", 1)
	newGreeter(t, "db-1", n+".1")
	newGreeter(t, "db-2", n+".2")

	p := newProxy(t, n, []string{"db-1", "db-2", "db-3"}, snapshot("db-1", 1, one, two))
	p.serving("db-1")

	old := p.mustConnect(3306)
	require.Equal(t, "db-1", old.server)

	start := time.Now()
	p.put(snapshot("db-2", 1, one, two))
	require.NoError(t, old.ended())
	p.serving("db-2")
	t.Logf("the writer moved in %s", time.Since(start))
	require.Equal(t, "db-2", p.mustConnect(3306).server)
	require.Zero(t, p.reloads.Load(), "a new writer is no reason to reload")
}

func TestNoWriterNoService(t *testing.T) {
	n := newNetwork()
	one := database("db-1", n+".1", 1)
	newGreeter(t, "db-1", n+".1")

	p := newProxy(t, n, []string{"db-1"}, snapshot("", 0, one))
	p.until("say that nobody writes", func() bool {
		return p.state().State == haproxy.StateNoWriter
	})

	_, err := p.connect(3306)
	require.Error(t, err, "a session without a writer")
	require.Equal(t, "db-1", p.mustConnect(3307).server)
	p.put(snapshot("db-1", 1, one))
	p.serving("db-1")

	session := p.mustConnect(3306)
	p.put(snapshot("", 0, one))
	p.until("wait for a successor", func() bool {
		return strings.Contains(p.state().Reason, "until another takes them")
	})

	require.NoError(t,
		session.echoes(),
		"a writer that gave its lease up serves until there is another",
	)

	// The last writer keeps its sessions only while it is well.
	p.put(snapshot("", 0, sick(one)))
	require.NoError(t, session.ended())

	_, err = p.connect(3306)
	require.Error(t, err, "a session without a writer")
}

// A client that comes while nobody takes the writes waits for who does.
func TestClientBetweenTwoWriters(t *testing.T) {
	n := newNetwork()
	one, two := database("db-1", n+".1", 1), database("db-2", n+".2", 1)
	newGreeter(t, "db-1", n+".1")
	newGreeter(t, "db-2", n+".2")

	p := newProxy(t, n, []string{"db-1", "db-2"}, snapshot("db-1", 1, one, two))
	p.serving("db-1")

	before := p.mustConnect(3306)
	p.put(snapshot("", 0, sick(one), two))
	require.NoError(t, before.ended())
	p.until("say that nobody writes", func() bool {
		return p.state().State == haproxy.StateNoWriter
	})

	greeted := make(chan string, 1)
	go func() {
		s, err := p.connect(3306)
		greeted <- fmt.Sprint(s.server, err)
	}()

	// The client must be in HAProxy's queue before the new writer comes.
	p.until("have it wait", func() bool {
		sessions, err := haproxy.Socket{Path: p.path("admin.sock")}.Current(t.Context())
		return err == nil &&
			slices.ContainsFunc(sessions, func(s haproxy.Session) bool {
				return s.Server == "writer/nobody" && !s.Connected
			})
	})

	start := time.Now()
	p.put(snapshot("db-2", 1, sick(one), two))
	require.Equal(t, "db-2<nil>", <-greeted)
	t.Logf("the client that waited got the writer after %s", time.Since(start))
	require.Zero(t, p.reloads.Load())
}

// A client that was being connected to a writer that vanished gets the new one: HAProxy 3.0 would forget it if
// its session were ended then.
func TestClientOnItsWayToAVanishedWriter(t *testing.T) {
	n := newNetwork()
	one, two := database("db-1", n+".1", 1), database("db-2", n+".2", 1)
	vanished := newGreeter(t, "db-1", n+".1")
	newGreeter(t, "db-2", n+".2")

	p := newProxy(t, n, []string{"db-1", "db-2"}, snapshot("db-1", 1, one, two))
	p.serving("db-1")

	before := p.mustConnect(3306)
	vanished.swallow(t)

	greeted := make(chan string, 1)
	go func() {
		s, err := p.connect(3306)
		greeted <- fmt.Sprint(s.server, err)
	}()

	p.until("be on its way", func() bool {
		sessions, err := haproxy.Socket{Path: p.path("admin.sock")}.Current(t.Context())
		return err == nil &&
			slices.ContainsFunc(sessions, func(s haproxy.Session) bool {
				return s.Server == "writer/db-1" && !s.Connected
			})
	})

	p.put(snapshot("db-2", 1, one, two))
	require.NoError(t, before.ended())
	require.Equal(t, "db-2<nil>", <-greeted)
}

// A member that joins must not be taken for one that serves, not even until the first check.
func TestUnhealthyNodeIsNeverUsed(t *testing.T) {
	n := newNetwork()
	one, two := database("db-1", n+".1", 1), database("db-2", n+".2", 1)
	two.Healthy = false
	newGreeter(t, "db-1", n+".1")

	joining := newGreeter(t, "db-2", n+".2")
	joining.healthy.Store(false)

	p := newProxy(t, n, []string{"db-1", "db-2"}, snapshot("db-1", 1, one, two))
	p.until("accept readers", func() bool {
		_, err := p.connect(3307)
		return err == nil
	})

	// One session in two would go to the node that joins, if it were used.
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		require.Equal(t, "db-1", p.mustConnect(3307).server)
	}

	joining.healthy.Store(true)
	p.until("use the node that joined", func() bool {
		return p.mustConnect(3307).server == "db-2"
	})
}

// Three checks that fail in a row take a server down. An agent that starts again is back before the third,
// however slow the machine is that this runs on: it is the checks that are counted, not the time.
func TestAgentRestartIsNoFailure(t *testing.T) {
	n := newNetwork()
	db := newGreeter(t, "db-1", n+".1")
	p := newProxy(t,
		n,
		[]string{"db-1"},
		snapshot("db-1", 1, database("db-1", n+".1", 1)),
	)
	p.serving("db-1")

	session := p.mustConnect(3306)

	for range 3 {
		// Two failed checks in a row are one fewer than what takes a server down.
		db.refuses.Store(2)

		for db.refuses.Load() > 0 {
			require.NoError(t, session.echoes())
			another := p.mustConnect(3306)
			require.Equal(t, "db-1", another.server)
			another.Close() // HAProxy takes some thousands at once
		}

		// The checks must pass again before the next two may fail.
		for up := db.answers.Load() + 3; db.answers.Load() < up; {
			require.NoError(t, session.echoes())
		}

		require.True(t, p.state().Healthy)
	}
}

func TestDeadWriterEndsSessions(t *testing.T) {
	n := newNetwork()
	db := newGreeter(t, "db-1", n+".1")
	p := newProxy(t,
		n,
		[]string{"db-1"},
		snapshot("db-1", 1, database("db-1", n+".1", 1)),
	)
	p.serving("db-1")

	session := p.mustConnect(3306)
	db.healthy.Store(false)

	start := time.Now()
	require.NoError(t, session.ended())
	t.Logf("sessions ended %s after the check began to fail", time.Since(start))
	p.until("say that the writer is down", func() bool {
		return p.state().State == haproxy.StateWriterDown
	})
	db.healthy.Store(true)
	p.serving("db-1")
}

// A recreated node has its old name and another address.
func TestNewAddressOfAName(t *testing.T) {
	n := newNetwork()
	newGreeter(t, "db-1 first", n+".1")
	newGreeter(t, "db-1 second", n+".11")

	p := newProxy(t,
		n,
		[]string{"db-1"},
		snapshot("db-1", 1, database("db-1", n+".1", 1)),
	)
	p.serving("db-1")

	session := p.mustConnect(3306)
	require.Equal(t, "db-1 first", session.server)
	p.put(snapshot("db-1", 2, database("db-1", n+".11", 2)))
	require.NoError(t, session.ended())

	p.until("reach the new address", func() bool {
		s, err := p.connect(3306)
		return err == nil && s.server == "db-1 second"
	})

	p.serving("db-1")
	require.Zero(t, p.reloads.Load(), "a new address is no reason to reload")
}

func TestNewNodeIsOneReload(t *testing.T) {
	n := newNetwork()
	one := database("db-1", n+".1", 1)
	two := database("db-2", n+".2", 1)
	three := database("db-3", n+".3", 1)

	for i, name := range []string{"db-1", "db-2", "db-3"} {
		newGreeter(t, name, fmt.Sprintf("%s.%d", n, i+1))
	}

	p := newProxy(t, n, []string{"db-1"}, snapshot("db-1", 1, one))
	p.serving("db-1")

	before := p.mustConnect(3306)
	p.put(snapshot("db-1", 1, one, two))
	p.put(snapshot("db-1", 1, one, two, three))

	p.until("use the new nodes", func() bool {
		s, err := p.connect(3307)
		return err == nil && s.server == "db-3"
	})

	require.NoError(t, before.echoes(), "a reload cuts no session")
	p.serving("db-1")
	require.LessOrEqual(t, p.reloads.Load(), int32(2))

	// The session lives in the old process now, which checks nothing: it must end with its writer all the same.
	p.put(snapshot("db-3", 1, one, two, three))
	require.NoError(t, before.ended())
	p.serving("db-3")
	require.Equal(t, "db-3", p.mustConnect(3306).server)
}

// The agent may start again at any time; it must find HAProxy as it left it, and not reload it.
func TestDriverStartsAgain(t *testing.T) {
	n := newNetwork()
	newGreeter(t, "db-1", n+".1")

	p := newProxy(t,
		n,
		[]string{"db-1"},
		snapshot("db-1", 1, database("db-1", n+".1", 1)),
	)
	p.serving("db-1")

	ctx, cancel := context.WithCancel(context.Background())
	again := make(chan haproxy.Status, 100)
	driver := haproxy.New(haproxy.Config{
		Roles:  testRoles,
		File:   p.path("haproxy.cfg"),
		Loaded: p.path("loaded"),
		Peers:  p.peers,
		Unit:   unit{p},
		Runtime: haproxy.Socket{
			Path:   p.path("admin.sock"),
			Master: p.path("master.sock"),
		},
		Report: func(s haproxy.Status) {
			again <- s
		},
		Log: slog.New(slog.NewTextHandler(p.log, nil)),
	})

	done := make(chan struct{})
	go func() {
		defer close(done)

		driver.Run(ctx)
	}()

	require.True(t, (<-again).Healthy)
	cancel()
	<-done
	require.Zero(t, p.reloads.Load())
	require.NotContains(t, p.log.String(), "told HAProxy")
}

// One that runs and says nothing is of no use: systemd would leave it as it is.
func TestAHungProcessIsKilled(t *testing.T) {
	n := newNetwork()
	newGreeter(t, "db-1", n+".1")

	start := snapshot("db-1", 1, database("db-1", n+".1", 1))
	p := newProxyWith(t, n, []string{"db-1"}, start, func(p *proxy) {
		p.times.Answer = 500 * time.Millisecond
		p.times.StartAfter = 500 * time.Millisecond
		p.times.KillAfter = 3 * time.Second
	})
	p.serving("db-1")

	workers, err := p.workers()
	require.NoError(t, err)
	require.Len(t, workers, 1)

	// The master waits for its worker: a stopped one would keep it from ending.
	t.Cleanup(func() {
		syscall.Kill(workers[0], syscall.SIGCONT)
	})

	require.NoError(t, syscall.Kill(workers[0], syscall.SIGSTOP))
	p.until("see that it is silent", func() bool { return !p.state().Healthy })
	require.Zero(t, p.kills.Load(), "not at once")
	p.until("kill it", func() bool {
		return p.kills.Load() == 1
	})
	p.serving("db-1")
	require.Equal(t, "db-1", p.mustConnect(3306).server)
	require.EqualValues(t, 1, p.kills.Load())
}

func TestDrain(t *testing.T) {
	n := newNetwork()
	newGreeter(t, "db-1", n+".1")

	p := newProxy(t,
		n,
		[]string{"db-1"},
		snapshot("db-1", 1, database("db-1", n+".1", 1)),
	)
	p.serving("db-1")

	session := p.mustConnect(3306)

	// A second driver, which only drains: the first one runs until the test ends.
	driver := haproxy.New(haproxy.Config{
		Roles:   testRoles,
		Peers:   p.peers,
		Runtime: haproxy.Socket{Path: p.path("admin.sock")},
		Report:  p.report,
		Times:   haproxy.Times{Notice: time.Millisecond},
	})

	drained := make(chan error, 1)
	go func() {
		drained <- driver.Drain(t.Context(), 0)
	}()
	p.until("say that it drains", func() bool {
		return p.state().State == haproxy.StateDraining
	})
	require.NoError(t, session.echoes())
	require.Empty(t, drained, "drained while a session is open")
	session.Close()
	require.NoError(t, <-drained)
}
