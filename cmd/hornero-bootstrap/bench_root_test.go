//go:build root && bench

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/roles"
)

const (
	program  = "../../bin/hornero-bootstrap"
	maxBytes = 16_000_000
	maxRSS   = 25 << 20
	idleFor  = 20 * time.Second
	changes  = 60 // of a peer, for each number of clients
)

// TestFigures measures the real program: three members of a peer set and a client, each in a root of its own, and simulated
// clients beside them. It fails where something does not work or a promise is broken. The network namespace is the
// caller's to make (`make bench-bootstrap`): the ports are the real ones.
func TestFigures(t *testing.T) {
	s := newBenchSet(t)
	size, err := os.Stat(program)
	require.NoError(t, err)
	figure(t, "size of the binary", "16 MB", "%.2f MB", float64(size.Size())/1e6)
	require.LessOrEqual(t, size.Size(), int64(maxBytes))

	var members []*process
	for n := 1; n <= 3; n++ {
		members = append(members, s.run("db", n))
	}
	client := s.run("web", 1)
	all := append(slices.Clone(members), client)
	s.idle("idle, four nodes registered", all)
	for _, member := range members {
		require.LessOrEqual(t, member.rss(), maxRSS, "resident memory of a member")
	}

	clients := 0
	for _, registered := range []int{10, 50, 200} {
		for ; clients < registered; clients++ {
			s.simulate(clients)
		}
		s.latency(registered)
		s.idle(fmt.Sprintf("idle, %d clients registered", registered), all)
	}
}

func figure(t *testing.T, what, promise, format string, values ...any) {
	if promise != "" {
		what += " (at most " + promise + ")"
	}
	t.Logf("figure: %-58s "+format, append([]any{what}, values...)...)
}

// benchSet is one peer set of real programs, and its simulated clients.
type benchSet struct {
	*testing.T
	ca       pki.Pair
	members  []string // addresses
	mu       sync.Mutex
	watchers []*watcher
	seen     chan sighted
}

type sighted struct {
	watcher int
	mark    string
	at      time.Time
}

func newBenchSet(t *testing.T) *benchSet {
	ca, err := pki.NewCA("bench")
	require.NoError(t, err)
	return &benchSet{T: t, ca: ca, seen: make(chan sighted, 4096)}
}

func (s *benchSet) issue(role, node string) pki.Pair {
	kind := peerset.KindMember
	if role == "web" {
		kind = peerset.KindClient
	}
	pair, err := s.ca.Issue(pki.Name{Stack: "bench", Role: role, Node: node, Incarnation: 1, Kind: kind})
	require.NoError(s, err)
	return pair
}

// process is the real program in a root of its own.
type process struct {
	*testing.T
	pid int
	url string
}

func (s *benchSet) run(role string, number int) *process {
	node := fmt.Sprintf("%s-%d", role, number)
	address := fmt.Sprintf("127.1.%d.%d", len(role), number)
	root := filepath.Join(s.TempDir(), node)
	write := func(path string, data []byte, mode os.FileMode) {
		require.NoError(s, os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755))
		require.NoError(s, os.WriteFile(filepath.Join(root, path), data, mode))
	}
	data, err := os.ReadFile(program)
	require.NoError(s, err)
	write(record.BootstrapPath, data, 0o755)
	write(record.Path, []byte(`{"release": "debian-13"}`), 0o644)
	kind := map[string]string{"db": "member", "web": "client"}[role]
	write(filepath.Join(record.RolesPath, role, "role.yaml"), fmt.Appendf(nil, "version: 1\nname: %s\nsummary: a node of the bench\npeers: %s\npackages: {all: []}\n", role, kind), 0o644)
	write("/var/lib/hornero/origin.json", s.origin(role, node, address, number), 0o600)

	log, err := os.Create(filepath.Join(s.TempDir(), node+".log"))
	require.NoError(s, err)
	command := exec.Command(record.BootstrapPath, "run")
	command.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Pdeathsig: syscall.SIGKILL}
	command.Dir, command.Stdout, command.Stderr = "/", log, log
	command.Env = []string{"PATH=/usr/bin"}
	require.NoError(s, command.Start())
	s.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
		if s.Failed() {
			said, _ := os.ReadFile(log.Name())
			s.Logf("%s:\n%s", node, said)
		}
	})
	p := &process{T: s.T, pid: command.Process.Pid, url: "http://" + address + ":" + strconv.Itoa(roles.HealthPort)}
	began := time.Now()
	require.Eventually(s, func() bool { return p.ready() }, 30*time.Second, 20*time.Millisecond, "%s serves", node)
	figure(s.T, node+", from exec to ready", "", "%.2f s", time.Since(began).Seconds())
	if role == "db" {
		s.members = append(s.members, address)
	}
	return p
}

// origin is what a node keeps of its first boot: there is no metadata service here.
func (s *benchSet) origin(role, node, address string, number int) []byte {
	pair := s.issue(role, node)
	document := cloudinit.Node{Version: 1, Stack: "bench", Role: role, Node: node, Incarnation: 1, Found: role == "db" && number == 1, Join: s.members,
		TLS: cloudinit.TLS{CA: s.ca.Certificate, Certificate: pair.Certificate, Key: pair.Key}}
	data, err := cloudinit.Encode(document)
	require.NoError(s, err)
	var droplet cloudinit.Droplet
	droplet.ID = number
	droplet.Networks.Private = make([]cloudinit.Interface, 1)
	droplet.Networks.Private[0].IPv4.Address, droplet.Networks.Private[0].IPv4.Netmask = address, "255.255.0.0"
	kept, err := json.Marshal(map[string]any{"Droplet": droplet, "Found": cloudinit.Found{Source: "bench", Data: data}})
	require.NoError(s, err)
	return kept
}

func (p *process) ready() bool {
	out, err := exec.Command("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", p.url+"/readyz").Output()
	return err == nil && string(out) == "200"
}

func (p *process) rss() int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	require.NoError(p, err)
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			kibi, err := strconv.Atoi(fields[1])
			require.NoError(p, err)
			return kibi << 10
		}
	}
	p.Fatal("no VmRSS")
	return 0
}

// cpu is the time that the process used, in clock ticks of 10 ms (proc_pid_stat(5), fields 14 and 15).
func (p *process) cpu() int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	require.NoError(p, err)
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+2:])
	user, err := strconv.Atoi(string(fields[11]))
	require.NoError(p, err)
	system, err := strconv.Atoi(string(fields[12]))
	require.NoError(p, err)
	return user + system
}

func (s *benchSet) idle(when string, all []*process) {
	before := make([]int, len(all))
	for n, p := range all {
		before[n] = p.cpu()
	}
	time.Sleep(idleFor) // what is measured is that nothing happens
	var cpus, memories []string
	for n, p := range all {
		cpus = append(cpus, fmt.Sprintf("%.2f", float64(p.cpu()-before[n])*10/float64(idleFor.Milliseconds())*100))
		memories = append(memories, fmt.Sprintf("%.1f", float64(p.rss())/(1<<20)))
	}
	last := len(all) - 1
	figure(s.T, "CPU, "+when+": members | client", "", "%s | %s %%", strings.Join(cpus[:last], " "), cpus[last])
	figure(s.T, "memory, "+when+": members | client", "", "%s | %s MiB", strings.Join(memories[:last], " "), memories[last])
}

// watcher is a simulated client: registered, with heartbeats, following the peer set.
type watcher struct {
	*api.Watcher
	number int
}

func (s *benchSet) simulate(number int) {
	node := fmt.Sprintf("web-%d", 100+number)
	pair := s.issue("web", node)
	config, err := pki.PeerTLS(s.ca.Certificate, pair, "bench")
	require.NoError(s, err)
	address := fmt.Sprintf("127.2.%d.%d", number/200, 1+number%200)
	// Clients prefer the member that answers first: each begins at another.
	from := number % len(s.members)
	client := api.NewClient(config, address, roles.AgentPort, append(slices.Clone(s.members[from:]), s.members[:from]...))
	join := peerset.Join{Identity: peerset.Identity{Name: node, Role: "web", Incarnation: 1}, Address: address, Kind: peerset.KindClient}
	ctx, stop := context.WithCancel(context.Background())
	s.Cleanup(stop)
	var welcome peerset.Welcome
	require.Eventually(s, func() bool { welcome, err = client.Join(ctx, join); return err == nil }, 20*time.Second, 10*time.Millisecond, "%v", &err)
	w := &watcher{Watcher: api.Watch(ctx, client, welcome.Snapshot, slog.New(slog.DiscardHandler)), number: number}
	s.watchers = append(s.watchers, w)
	go s.look(ctx, w)
	go func() {
		for ctx.Err() == nil {
			_ = w.Report(ctx, peerset.Report{State: "serving", Healthy: true, Facts: map[string]string{"mark": s.markOf(number)}})
			time.Sleep(time.Second)
		}
	}()
}

// marker is the client whose reports change.
const marker = 0

var mark struct {
	sync.Mutex
	text string
}

func (s *benchSet) markOf(number int) string {
	if number != marker {
		return ""
	}
	mark.Lock()
	defer mark.Unlock()
	return mark.text
}

// look tells when a watcher sees a new mark.
func (s *benchSet) look(ctx context.Context, w *watcher) {
	last := ""
	for {
		changed := w.Changed()
		peer, _ := w.Snapshot().Peer(fmt.Sprintf("web-%d", 100+marker))
		if now := peer.Facts["mark"]; now != last {
			last = now
			s.seen <- sighted{w.number, now, time.Now()}
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// latency changes a peer again and again, and takes the time until each watcher has seen it.
func (s *benchSet) latency(registered int) {
	var took []time.Duration
	for n := range changes {
		text := fmt.Sprintf("%d-%d", registered, n)
		mark.Lock()
		mark.text = text
		mark.Unlock()
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		require.NoError(s, s.watchers[marker].Report(ctx, peerset.Report{State: "serving", Healthy: true, Facts: map[string]string{"mark": text}}))
		for left := registered; left > 0; {
			select {
			case sight := <-s.seen:
				if sight.mark == text {
					took = append(took, sight.at.Sub(began))
					left--
				}
			case <-ctx.Done():
				s.Fatalf("%d of %d watchers did not see %s", left, registered, text)
			}
		}
		cancel()
		time.Sleep(time.Duration(37+n*13%400) * time.Millisecond) // not in step with anybody's own rhythm
	}
	slices.Sort(took)
	figure(s.T, fmt.Sprintf("a peer's change to every watcher, %d clients: p50, p99", registered), "", "%.0f ms, %.0f ms",
		ms(took[len(took)/2]), ms(took[len(took)*99/100]))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
