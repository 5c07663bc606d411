package media_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/media"
)

// patience is for a machine that has much else to do.
const patience = time.Minute

// node is a daemon with its files, its doors, and a gate for each other node that comes in.
type node struct {
	t      *testing.T
	name   string
	files  string
	state  string
	daemon *media.Daemon
	disk   func() (size, taken int64, err error) // nil: the machine's
	local  *httptest.Server
	door   net.Listener // of the other nodes
	stop   func()
}

// nodes are daemons that know each other, each by a gate of its own.
type nodes struct {
	t     *testing.T
	ca    pki.Pair
	names []string
	by    map[string]*node
	gates map[[2]string]*gate // from, to
}

// newNodes makes nodes, and starts none.
func newNodes(t *testing.T, names ...string) *nodes {
	t.Helper()

	ca, err := pki.NewCA("shop")
	require.NoError(t, err)

	all := &nodes{t: t, ca: ca, names: names, by: map[string]*node{}, gates: map[[2]string]*gate{}}

	for _, name := range names {
		door, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)

		all.by[name] = &node{
			t:     t,
			name:  name,
			files: t.TempDir(),
			state: t.TempDir(),
			door:  door,
		}
	}

	for _, from := range names {
		for _, to := range names {
			all.gates[[2]string{from, to}] = newGate(t, all.by[to].door.Addr().String())
		}
	}

	return all
}

// cut has no node of one side reach one of the other, or has it again.
func (n *nodes) cut(one, other string, cut bool) {
	n.gates[[2]string{one, other}].set(cut)
	n.gates[[2]string{other, one}].set(cut)
}

// config is a node's, with all nodes that are named alive.
func (n *nodes) config(name string, alive ...string) media.Config {
	n.t.Helper()

	own := n.by[name]
	folder := n.t.TempDir()

	pair, err := n.ca.Issue(pki.Name{Stack: "shop", Role: "web", Node: name, Incarnation: 1})
	require.NoError(n.t, err)

	for file, text := range map[string]string{
		"ca.pem":   n.ca.Certificate,
		"node.pem": pair.Certificate,
		"node.key": pair.Key.Reveal(),
	} {
		require.NoError(n.t, os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600))
	}

	config := media.Config{
		Store:       media.StoreReplicated,
		Stack:       "shop",
		Node:        name,
		Folder:      own.files,
		State:       own.state,
		Prefix:      "/uploads/",
		Expected:    n.names,
		CA:          filepath.Join(folder, "ca.pem"),
		Certificate: filepath.Join(folder, "node.pem"),
		PrivateKey:  filepath.Join(folder, "node.key"),
	}

	for _, peer := range alive {
		config.Peers = append(config.Peers, media.Peer{
			Name:    peer,
			Address: n.gates[[2]string{name, peer}].address(),
			Alive:   true,
		})
	}

	return config
}

// start starts a node's daemon.
func (n *nodes) start(name string, change ...func(*media.Config)) *node {
	n.t.Helper()

	config := n.config(name, n.names...)
	for _, change := range change {
		change(&config)
	}

	own := n.by[name]
	own.run(config)

	return own
}

func (n *node) run(config media.Config) {
	n.t.Helper()
	n.open(config)
	n.begin()
}

// open opens the daemon and its local door. It does not keep anything yet.
func (n *node) open(config media.Config) {
	n.t.Helper()

	n.daemon = &media.Daemon{
		Disk:   n.disk,
		Config: config,
		Log:    slog.New(slog.NewTextHandler(n.t.Output(), nil)),
		First:  2 * time.Second,
		Pause:  20 * time.Millisecond,
		Slow:   time.Second,
	}
	require.NoError(n.t, n.daemon.Open())

	n.local = httptest.NewServer(n.daemon.LocalHandler())
}

func (n *node) begin() {
	ctx, cancel := context.WithCancel(context.Background())

	var running sync.WaitGroup

	running.Go(func() {
		if err := n.daemon.Run(ctx); err != nil {
			n.t.Error(err)
		}
	})

	if n.door != nil {
		running.Go(func() {
			if err := n.daemon.ServeOn(ctx, n.door); err != nil {
				n.t.Error(err)
			}
		})
	}

	n.stop = sync.OnceFunc(func() {
		n.local.Close()
		cancel()
		running.Wait()
	})
	n.t.Cleanup(n.stop)
}

// write writes a file as a program does that knows nothing of the daemon.
func (n *node) write(name, text string) {
	n.t.Helper()

	path := filepath.Join(n.files, name)
	require.NoError(n.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(n.t, os.WriteFile(path, []byte(text), 0o644))
}

// read is a file on the node's disk; empty when there is none.
func (n *node) read(name string) string {
	data, err := os.ReadFile(filepath.Join(n.files, name))
	if err != nil {
		return ""
	}

	return string(data)
}

// ask posts paths to the daemon, and returns the status and what is said.
func (n *node) ask(what string, names ...string) (int, string) {
	n.t.Helper()

	answer, err := http.PostForm(
		n.local.URL+what,
		url.Values{"path[]": names},
	)
	require.NoError(n.t, err)
	defer answer.Body.Close()

	said, err := io.ReadAll(answer.Body)
	require.NoError(n.t, err)

	return answer.StatusCode, string(said)
}

// settled asks whether the paths are kept, and wants them to be.
func (n *node) settled(names ...string) {
	n.t.Helper()

	status, said := n.ask("/settle", names...)
	require.Equal(n.t, http.StatusNoContent, status, said)
}

// get asks as the web server does for what is not on its disk.
func (n *node) get(name string) (int, string) {
	n.t.Helper()

	answer, err := http.Get(n.local.URL + "/uploads/" + name)
	require.NoError(n.t, err)
	defer answer.Body.Close()

	said, err := io.ReadAll(answer.Body)
	require.NoError(n.t, err)

	return answer.StatusCode, string(said)
}

// asides are the texts that were set aside.
func (n *node) asides() []string {
	var found []string

	_ = filepath.WalkDir(filepath.Join(n.state, "aside"), func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") {
			data, _ := os.ReadFile(path)
			found = append(found, string(data))
		}

		return nil
	})

	return found
}

// held is what would be lost with the node.
func (n *node) held() media.Held {
	n.t.Helper()

	held, err := n.daemon.Held(n.t.Context())
	require.NoError(n.t, err)

	return held
}

func (n *node) eventually(what string, is func() bool) {
	n.t.Helper()
	require.Eventually(
		n.t,
		is,
		patience,
		10*time.Millisecond,
		"%s: %s",
		n.name,
		what,
	)
}

// gate lets connections through to an address, until it is cut.
type gate struct {
	listener net.Listener

	mu   sync.Mutex
	cut  bool
	open map[net.Conn]bool
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })

	g := &gate{listener: listener, open: map[net.Conn]bool{}}

	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}

			go g.pass(from, to)
		}
	}()

	return g
}

func (g *gate) address() string { return g.listener.Addr().String() }

func (g *gate) pass(from net.Conn, address string) {
	defer from.Close()

	to, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer to.Close()

	if !g.add(from) {
		return
	}

	done := make(chan struct{}, 2)
	link := func(a, b net.Conn) {
		_, _ = io.Copy(a, b)
		done <- struct{}{}
	}

	go link(to, from)
	go link(from, to)
	<-done
}

func (g *gate) add(c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.open[c] = true

	return !g.cut
}

func (g *gate) set(cut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.cut = cut

	for c := range g.open {
		_ = c.Close()
	}

	clear(g.open)
}
