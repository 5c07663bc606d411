package haproxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/haproxy"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// These tests run the real HAProxy on loopback, with the role's own configuration, and databases that only greet.

const patience = 10 * time.Second

// peers is a peer set that a test writes.
type peers struct {
	mu       sync.Mutex
	snapshot peerset.Snapshot
	changed  chan struct{}
}

func (p *peers) Snapshot() peerset.Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.snapshot.Clone()
}

func (p *peers) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

func (p *peers) put(snapshot peerset.Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.snapshot = snapshot
	close(p.changed)

	p.changed = make(chan struct{})
}

// greeter is a database node: it greets with its name, echoes lines, and answers health checks.
type greeter struct {
	name, address string
	healthy       atomic.Bool
	refuses       atomic.Int32 // so many checks from now on get no answer, as from an agent that starts again
	answers       atomic.Int32 // checks that got one
	health        *http.Server
	listener      net.Listener
}

func newGreeter(t *testing.T, name, address string) *greeter {
	g := &greeter{name: name, address: address}
	g.healthy.Store(true)

	listener, err := net.Listen("tcp", address+":3306")
	require.NoError(t, err)

	g.listener = listener
	t.Cleanup(func() { listener.Close() })

	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}

			go g.talk(connection)
		}
	}()

	g.startHealth(t)
	t.Cleanup(func() { g.health.Close() })

	return g
}

func (g *greeter) talk(connection net.Conn) {
	defer connection.Close()

	fmt.Fprintln(connection, g.name)
	io.Copy(connection, connection)
}

// swallow makes the node answer nobody who connects, as one that is gone: its queue of connections is full from
// now on.
func (g *greeter) swallow(t *testing.T) {
	g.listener.Close()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	require.NoError(t, syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))

	at := &syscall.SockaddrInet4{
		Port: 3306,
		Addr: [4]byte(net.ParseIP(g.address).To4()),
	}
	require.NoError(t, syscall.Bind(fd, at))
	require.NoError(t, syscall.Listen(fd, 0))

	require.Eventually(t, func() bool {
		connection, err := net.DialTimeout("tcp", g.address+":3306", 100*time.Millisecond)
		if err == nil {
			t.Cleanup(func() { connection.Close() })
		}

		return err != nil
	}, patience, time.Millisecond)
}

func (g *greeter) startHealth(t *testing.T) {
	listener, err := net.Listen("tcp", g.address+":9200")
	require.NoError(t, err)

	g.health = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if g.refuses.Load() > 0 {
			g.refuses.Add(-1)
			panic(http.ErrAbortHandler)
		}

		g.answers.Add(1)

		if !g.healthy.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})}

	go g.health.Serve(listener)
}

// proxy is one proxy node: HAProxy, the agent's part that renders its file, and the driver.
type proxy struct {
	t       *testing.T
	dir     string
	network string // 127.a.b
	facts   roles.Facts
	peers   *peers
	master  *exec.Cmd
	reloads atomic.Int32
	kills   atomic.Int32
	times   haproxy.Times
	log     *safeBuffer

	mu     sync.Mutex
	status haproxy.Status
}

type safeBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

var networks atomic.Int32

// newNetwork gives each test addresses of its own on loopback, since the ports are the role's.
func newNetwork() string {
	return fmt.Sprintf("127.%d.%d", 20+os.Getpid()%200, networks.Add(1))
}

func newProxy(t *testing.T, network string, expected []string, start peerset.Snapshot) *proxy {
	return newProxyWith(t, network, expected, start, func(*proxy) {})
}

func newProxyWith(
	t *testing.T,
	network string,
	expected []string,
	start peerset.Snapshot,
	with func(*proxy),
) *proxy {
	p := &proxy{
		t:       t,
		dir:     t.TempDir(),
		network: network,
		peers:   &peers{changed: make(chan struct{})},
		log:     &safeBuffer{},
		times:   haproxy.Times{Notice: 50 * time.Millisecond},
	}

	p.facts = roles.Facts{
		Stack:    "test",
		Node:     "proxy-1",
		Role:     "proxy",
		Release:  "debian-13",
		Address:  network + ".21",
		Secrets:  map[string]report.Secret{"proxy.stats_password": "secret"},
		Expected: map[string][]string{"db": expected},
	}

	with(p)
	p.put(start)
	p.startHAProxy()

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})

	driver := haproxy.New(haproxy.Config{
		File:   p.path("haproxy.cfg"),
		Loaded: p.path("loaded"),
		Peers:  p.peers,
		Unit:   unit{p},
		Runtime: haproxy.Socket{
			Path:   p.path("admin.sock"),
			Master: p.path("master.sock"),
		},
		Report: p.report,
		Log:    slog.New(slog.NewTextHandler(p.log, nil)),
		Times:  p.times,
	})

	go func() {
		defer close(done)

		driver.Run(ctx)
	}()

	t.Cleanup(func() {
		cancel()
		<-done
		if t.Failed() {
			t.Log(p.log.String())
		}
	})

	return p
}

func (p *proxy) path(name string) string {
	return filepath.Join(p.dir, name)
}

func (p *proxy) report(status haproxy.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.status = status
}

func (p *proxy) state() haproxy.Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// put gives the node a snapshot, and renders the file as the agent does.
func (p *proxy) put(snapshot peerset.Snapshot) {
	p.facts.Writer = snapshot.Holder(peerset.LeaseWriter)
	p.facts.Peers = map[string][]roles.PeerFact{}
	for _, peer := range snapshot.Peers {
		p.facts.Peers[peer.Role] = append(p.facts.Peers[peer.Role], roles.PeerFact{
			Name:    peer.Name,
			Address: peer.Address,
			Healthy: peer.Healthy,
		})
	}

	p.render()
	p.peers.put(snapshot)
}

// render writes the role's configuration, made fit for a process that is neither root nor in /run.
func (p *proxy) render() {
	manifest, err := roles.Load(roles.Embedded(), "proxy")
	require.NoError(p.t, err)

	at := slices.IndexFunc(manifest.Templates, func(t roles.Template) bool {
		return t.Path == "/etc/haproxy/haproxy.cfg"
	})
	text, err := manifest.Render(manifest.Templates[at], p.facts)
	require.NoError(p.t, err)

	fit := regexp.MustCompile(`(?m)^\s+(chroot|user|group|log) .*$`).ReplaceAllString(
		string(text),
		"",
	)

	fit = strings.NewReplacer("/run/haproxy/admin.sock", p.path("admin.sock"), "127.0.0.1:8404", p.network+".21:8404", "/etc/haproxy/site.pem", p.path("site.pem"),
		":80 check", ":8080 check", p.facts.Anchor+
			":80 transparent", p.facts.Anchor+":8080", p.facts.Anchor+
			":443 transparent", p.facts.Anchor+":8443").Replace(fit)

	require.NoError(p.t, os.WriteFile(
		p.path("new"),
		[]byte(fit),
		0o600,
	))

	require.NoError(p.t, os.Rename(
		p.path("new"),
		p.path("haproxy.cfg"),
	))
}

func (p *proxy) startHAProxy() {
	p.master = exec.Command(
		"haproxy",
		"-W",
		"-f",
		p.path("haproxy.cfg"),
		"-S",
		p.path("master.sock"),
	)

	p.master.Stdout = p.log
	p.master.Stderr = p.log
	require.NoError(p.t, p.master.Start())

	p.t.Cleanup(func() {
		p.master.Process.Signal(syscall.SIGTERM) // ends the workers, too
		p.master.Wait()
	})
}

// unit is HAProxy's unit, without systemd.
type unit struct{ p *proxy }

func (u unit) Reload(context.Context) error {
	u.p.reloads.Add(1)
	return u.p.master.Process.Signal(syscall.SIGUSR2)
}

func (u unit) Start(context.Context) error { return nil }

// Kill ends master and worker, and starts them anew as Restart=always does.
func (u unit) Kill(context.Context) error {
	u.p.kills.Add(1)
	workers, err := u.p.workers()
	for _, pid := range append(workers, u.p.master.Process.Pid) {
		err = errors.Join(err, syscall.Kill(pid, syscall.SIGKILL))
	}

	u.p.master.Wait()
	u.p.startHAProxy()

	return err
}

// workers are the processes that the master started.
func (p *proxy) workers() (pids []int, err error) {
	master := strconv.Itoa(p.master.Process.Pid)
	text, err := os.ReadFile("/proc/" + master + "/task/" + master + "/children")
	for _, child := range strings.Fields(string(text)) {
		pid, notNumber := strconv.Atoi(child)
		pids, err = append(pids, pid), errors.Join(err, notNumber)
	}

	return pids, err
}

func (p *proxy) until(what string, ok func() bool) {
	p.t.Helper()

	require.Eventually(
		p.t,
		ok,
		patience,
		5*time.Millisecond,
		"%s; last status: %+v",
		what,
		p.state(),
	)
}

func (p *proxy) serving(writer string) {
	p.t.Helper()
	p.until("serve with "+writer, func() bool {
		return p.state().Healthy && p.state().Writer == writer
	})
}

// session is a client's connection.
type session struct {
	net.Conn
	reader *bufio.Reader
	server string // who greeted
}

func (p *proxy) connect(port int) (*session, error) {
	connection, err := net.DialTimeout("tcp", fmt.Sprintf("%s.21:%d", p.network, port), time.Second)
	if err != nil {
		return nil, err
	}

	p.t.Cleanup(func() { connection.Close() })

	s := &session{
		Conn:   connection,
		reader: bufio.NewReader(connection),
	}

	connection.SetDeadline(time.Now().Add(patience))

	line, err := s.reader.ReadString('\n')
	s.server = strings.TrimSpace(line)

	return s, err
}

func (p *proxy) mustConnect(port int) *session {
	p.t.Helper()
	s, err := p.connect(port)
	require.NoError(p.t, err)

	return s
}

func (s *session) echoes() error {
	s.SetDeadline(time.Now().Add(patience))

	if _, err := fmt.Fprintln(s, "ping"); err != nil {
		return err
	}

	_, err := s.reader.ReadString('\n')

	return err
}

// ended waits until the connection is closed by the other side.
func (s *session) ended() error {
	s.SetDeadline(time.Now().Add(patience))
	_, err := s.reader.ReadString('\n')

	if network, ok := err.(net.Error); ok && network.Timeout() {
		return fmt.Errorf("still open after %s", patience)
	}

	return nil
}

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
	p := newProxy(t, n, []string{"db-1"}, snapshot("db-1", 1, database("db-1", n+".1", 1)))
	p.serving("db-1")

	session := p.mustConnect(3306)

	for range 3 {
		db.refuses.Store(2)

		for db.refuses.Load() > 0 {
			require.NoError(t, session.echoes())
			another := p.mustConnect(3306)
			require.Equal(t, "db-1", another.server)
			another.Close() // HAProxy takes some thousands at once
		}

		for up := db.answers.Load() + 3; db.answers.Load() < up; {
			require.NoError(t, session.echoes())
		}

		require.True(t, p.state().Healthy)
	}
}

func TestDeadWriterEndsSessions(t *testing.T) {
	n := newNetwork()
	db := newGreeter(t, "db-1", n+".1")
	p := newProxy(t, n, []string{"db-1"}, snapshot("db-1", 1, database("db-1", n+".1", 1)))
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

	p := newProxy(t, n, []string{"db-1"}, snapshot("db-1", 1, database("db-1", n+".1", 1)))
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
	one, two, three := database(
		"db-1",
		n+".1",
		1,
	), database("db-2", n+".2", 1), database("db-3", n+".3", 1)

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

	p := newProxy(t, n, []string{"db-1"}, snapshot("db-1", 1, database("db-1", n+".1", 1)))
	p.serving("db-1")

	ctx, cancel := context.WithCancel(context.Background())
	again := make(chan haproxy.Status, 100)
	driver := haproxy.New(haproxy.Config{
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

	p := newProxyWith(t, n, []string{"db-1"}, snapshot(
		"db-1",
		1,
		database("db-1", n+".1", 1),
	), func(p *proxy) {
		p.times.Answer = 500 * time.Millisecond
		p.times.Patience = 500 * time.Millisecond
		p.times.Hang = 3 * time.Second
	})
	p.serving("db-1")

	workers, err := p.workers()
	require.NoError(t, err)
	require.Len(t, workers, 1)

	// its master waits for it
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

	p := newProxy(t, n, []string{"db-1"}, snapshot("db-1", 1, database("db-1", n+".1", 1)))
	p.serving("db-1")

	session := p.mustConnect(3306)

	driver := haproxy.New(haproxy.Config{
		Peers:   p.peers,
		Runtime: haproxy.Socket{Path: p.path("admin.sock")},
		Report:  p.report,
		Times:   haproxy.Times{Notice: time.Millisecond},
	})

	drained := make(chan error, 1)
	go func() {
		drained <- driver.Drain(t.Context())
	}()
	p.until("say that it drains", func() bool {
		return p.state().State == haproxy.StateDraining
	})
	require.NoError(t, session.echoes())
	require.Empty(t, drained, "drained while a session is open")
	session.Close()
	require.NoError(t, <-drained)
}
