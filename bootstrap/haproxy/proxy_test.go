package haproxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
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

// proxy is one proxy node: HAProxy, the agent's part that renders its file, and the driver.
type proxy struct {
	t       *testing.T
	dir     string
	network string // 127.a.b
	role    string
	roles   haproxy.Roles
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
		role:    "proxy",
		roles:   testRoles,
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
		Settings: map[string]string{"haproxy_extra": "", roles.SettingReservedIP: ""},
		Expected: map[string][]string{"db": expected},
	}

	with(p)
	p.put(start)
	p.startHAProxy()

	// The driver must run until the clean-up, when the test's own context has ended.
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})

	driver := haproxy.New(haproxy.Config{
		Roles:  p.roles,
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
	p.facts.Writers = map[string]string{"db": snapshot.Holder(peerset.LeaseWriter)}
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
	manifest, err := roles.Load(roles.Embedded(), p.role)
	require.NoError(p.t, err)

	manifest, err = manifest.Spread(p.facts.Settings)
	require.NoError(p.t, err)

	at := slices.IndexFunc(manifest.Templates, func(t roles.Template) bool {
		return t.Path == "/etc/haproxy/haproxy.cfg"
	})
	text, err := manifest.Render(manifest.Templates[at], p.facts)
	require.NoError(p.t, err)

	needsRoot := regexp.MustCompile(`(?m)^\s+(chroot|user|group|log) .*$`)
	anchor := p.facts.Anchor
	instead := strings.NewReplacer(
		"/run/haproxy/admin.sock", p.path("admin.sock"),
		"127.0.0.1:8404", p.facts.Address+":8404",
		"/etc/haproxy/site.pem", p.path("site.pem"),
		":80 check", ":8080 check",
		anchor+":80 transparent", anchor+":8080",
		anchor+":443 transparent", anchor+":8443",
	)

	fit := needsRoot.ReplaceAllString(string(text), "")
	fit = instead.Replace(fit)

	if p.role == edgeRole {
		fit = p.fitEdge(manifest, fit)
	}

	// A rename: HAProxy never reads half a file.
	require.NoError(p.t, os.WriteFile(p.path("new"), []byte(fit), 0o600))
	require.NoError(p.t, os.Rename(p.path("new"), p.path("haproxy.cfg")))
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

	p.t.Cleanup(p.endHAProxy)
}

// endHAProxy ends master and workers. A master that has just started or reloads loses a signal: it is told again.
func (p *proxy) endHAProxy() {
	master, ended := p.master, make(chan struct{})

	go func() {
		defer close(ended)

		master.Wait()
	}()

	for {
		master.Process.Signal(syscall.SIGTERM)

		select {
		case <-ended:
			return
		case <-time.After(time.Second):
		}
	}
}

// unit is HAProxy's unit, without systemd.
type unit struct{ p *proxy }

// Reload tells a master again that has just started, which loses the signal: no new worker comes then.
func (u unit) Reload(context.Context) error {
	u.p.reloads.Add(1)
	u.p.hasOthers(nil) // the first worker is no sign of a reload

	before, _ := u.p.workers()

	for range 3 {
		if err := u.p.master.Process.Signal(syscall.SIGUSR2); err != nil {
			return err
		}

		if u.p.hasOthers(before) {
			break
		}
	}

	return nil
}

// hasOthers waits a moment for workers besides those of before.
func (p *proxy) hasOthers(before []int) bool {
	for range 50 {
		time.Sleep(10 * time.Millisecond)

		now, _ := p.workers()
		if slices.ContainsFunc(now, func(pid int) bool { return !slices.Contains(before, pid) }) {
			return true
		}
	}

	return false
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

	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			require.Fail(p.t, what, "last status: %+v", p.state())
		}
	}
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
	connection, err := net.DialTimeout(
		"tcp",
		fmt.Sprintf("%s.21:%d", p.network, port),
		time.Second,
	)
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

	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		return fmt.Errorf("still open after %s", patience)
	}

	return nil
}
