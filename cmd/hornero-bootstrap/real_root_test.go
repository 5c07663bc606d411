//go:build root

package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/roles"
)

const program = "../../bin/hornero-bootstrap"

// realSet is one peer set of real programs, each in a root and at a loopback address of its own.
type realSet struct {
	*testing.T
	ca      pki.Pair
	members []string // addresses
	// droplets are the nodes' numbers at DigitalOcean, by their own, where that matters; with changes their
	// documents.
	droplets map[int]int
	with     func(*cloudinit.Node)
	// manifests are what the roles' manifests have besides.
	manifests map[string]string
	// leases are what a program's documents give web nodes besides, by program.
	leases map[string]map[string]string
}

func newRealSet(t *testing.T) *realSet {
	ca, err := pki.NewCA("bench")
	require.NoError(t, err)

	return &realSet{T: t, ca: ca}
}

func (s *realSet) issue(role, node string) pki.Pair {
	return s.issueTo(role, node, 1)
}

func (s *realSet) issueTo(role, node string, incarnation int) pki.Pair {
	kind := peerset.KindMember
	if role == "web" {
		kind = peerset.KindClient
	}

	pair, err := s.ca.Issue(pki.Name{
		Stack:       "bench",
		Role:        role,
		Node:        node,
		Incarnation: incarnation,
		Kind:        kind,
	})
	require.NoError(s, err)

	return pair
}

// process is the real program in a root of its own.
type process struct {
	*testing.T
	node, address, root, url string
	pid                      int
	running                  *exec.Cmd
}

func (s *realSet) run(role string, number int) *process {
	return s.runAs(role, number, 1, program)
}

// runAs runs an incarnation of a node, whose image has this program, until it serves.
func (s *realSet) runAs(role string, number, incarnation int, program string) *process {
	p := s.launch(role, number, incarnation, program)
	began := time.Now()
	require.Eventually(
		s,
		p.ready,
		30*time.Second,
		20*time.Millisecond,
		"%s serves",
		p.node,
	)
	s.Logf("figure: %-58s %.2f s", p.node+", from exec to ready", time.Since(began).Seconds())

	if role == "db" {
		s.members = append(s.members, p.address)
	}

	return p
}

// launch starts a node, and waits for nothing.
func (s *realSet) launch(role string, number, incarnation int, program string) *process {
	node := fmt.Sprintf("%s-%d", role, number)
	address := fmt.Sprintf("127.1.%d.%d", len(role), number+10*(incarnation-1))
	root := filepath.Join(s.TempDir(), node)

	write := func(path string, data []byte, mode os.FileMode) {
		require.NoError(s, os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755))
		require.NoError(s, os.WriteFile(filepath.Join(root, path), data, mode))
	}

	data, err := os.ReadFile(program)
	require.NoError(s, err)
	write(record.BootstrapPath, data, 0o755)
	fromDisk(s, filepath.Join(root, record.BootstrapPath))
	write(record.Path, []byte(`{"release": "debian-13"}`), 0o644)

	kind := map[string]string{"db": "member", "web": "client"}[role]
	manifest := fmt.Appendf(nil,
		"version: 1\nname: %s\nsummary: a node of the bench\npeers: %s\npackages: {all: []}\n%s",
		role,
		kind,
		s.manifests[role],
	)
	write(filepath.Join(record.RolesPath, role, "role.yaml"), manifest, 0o644)
	write("/var/lib/hornero/origin.json", s.origin(role, node, address, number, incarnation, program), 0o600)

	p := &process{
		T:       s.T,
		node:    node,
		address: address,
		root:    root,
		url:     "http://" + address + ":" + strconv.Itoa(roles.HealthPort),
	}

	s.Cleanup(func() {
		p.end(syscall.SIGTERM)
		if s.Failed() {
			said, _ := os.ReadFile(p.log())
			s.Logf("%s:\n%s", node, said)
		}
	})

	p.start()

	return p
}

// fromDisk has a file read from the disk when it is next used, as after a boot: the kernel maps what was just
// written in larger pieces.
func fromDisk(t require.TestingT, path string) {
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()

	require.NoError(t, file.Sync())
	require.NoError(t, unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED))
}

func (p *process) log() string { return p.root + ".log" }

// command is one of the program's in this node's root.
func (p *process) command(args ...string) *exec.Cmd {
	command := exec.Command(record.BootstrapPath, args...)

	// What it mounts read-only goes with it.
	command.SysProcAttr = &syscall.SysProcAttr{
		Chroot:       p.root,
		Pdeathsig:    syscall.SIGKILL,
		Unshareflags: syscall.CLONE_NEWNS,
	}

	command.Dir = "/"
	command.Env = []string{"PATH=/usr/bin"}

	return command
}

func (p *process) start() {
	log, err := os.OpenFile(p.log(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	require.NoError(p, err)
	defer log.Close()

	p.running = p.command("run", "--debug")
	p.running.Stdout = log
	p.running.Stderr = log
	require.NoError(p, p.running.Start())

	p.pid = p.running.Process.Pid
}

// end ends the program, and returns what it ended with.
func (p *process) end(signal syscall.Signal) error {
	if p.running == nil {
		return nil
	}

	_ = p.running.Process.Signal(signal)
	err := p.running.Wait()
	p.running = nil

	return err
}

// rights are what documents for a program say of the roles; a program of an earlier version refuses to read them.
func (s *realSet) rights(program string) map[string]cloudinit.Rights {
	if older := os.Getenv("HORNERO_OLDER"); older != "" && program == older {
		return nil
	}

	plain := func(names ...string) map[string]string {
		leases := map[string]string{}
		for _, name := range names {
			leases[name] = name
		}

		return leases
	}

	web := plain("wordpress-cron")
	maps.Copy(web, s.leases[program])

	return map[string]cloudinit.Rights{
		"db": {
			Peers:  "member",
			Driver: "galera",
			Leases: plain("writer", "galera-bootstrap", "galera-join"),
		},
		"web": {Peers: "client", Leases: web},
	}
}

// origin is what a node keeps of its first boot: there is no metadata service here.
func (s *realSet) origin(role, node, address string, number, incarnation int, program string) []byte {
	pair := s.issueTo(role, node, incarnation)
	document := cloudinit.Node{
		Version:     1,
		Stack:       "bench",
		Role:        role,
		Node:        node,
		Incarnation: incarnation,
		Found:       role == "db" && number == 1 && incarnation == 1,
		Join:        s.members,
		Roles:       s.rights(program),
		TLS: cloudinit.TLS{
			CA:          s.ca.Certificate,
			Certificate: pair.Certificate,
			Key:         pair.Key,
		},
	}
	if s.with != nil {
		s.with(&document)
	}

	data, err := cloudinit.Encode(document)
	require.NoError(s, err)

	var droplet cloudinit.Droplet
	droplet.ID = cmp.Or(s.droplets[number], number)
	droplet.Networks.Private = make([]cloudinit.Interface, 1)
	droplet.Networks.Private[0].IPv4.Address = address
	droplet.Networks.Private[0].IPv4.Netmask = "255.255.248.0"

	kept, err := json.Marshal(map[string]any{
		"Droplet": droplet,
		"Found":   cloudinit.Found{Source: "bench", Data: data},
	})
	require.NoError(s, err)

	return kept
}

func (p *process) ready() bool {
	return p.code("/readyz") == http.StatusOK
}

// healthClient asks health ports, each time in a connection of its own.
var healthClient = &http.Client{
	Timeout:   2 * time.Second,
	Transport: &http.Transport{DisableKeepAlives: true},
}

// code is what the health port answers; 0 when it does not.
func (p *process) code(path string) int {
	response, err := healthClient.Get(p.url + path)
	if err != nil {
		return 0
	}
	defer response.Body.Close()

	return response.StatusCode
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
