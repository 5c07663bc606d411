//go:build realdb

package galera_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// root is a root filesystem with the db role's packages: "/" where they are installed, or a chroot.
func root() string {
	if path := os.Getenv("HORNERO_MARIADB_ROOT"); path != "" {
		return path
	}

	return "/"
}

// A password with everything that a shell, SQL or a configuration file could trip over.
const password = `it's $HOME "and" \n; -- 100%`

// world is a stack's database nodes: real servers on addresses of loopback, real drivers, a peer set in memory.
type world struct {
	t      *testing.T
	set    *memory
	dir    string // inside the root
	method string // of state transfers
	ca     *x509.Certificate
	caKey  *ecdsa.PrivateKey
	nodes  map[string]*node
	// stack are the database nodes that it is to have.
	stack []string
}

type node struct {
	w           *world
	name        string
	incarnation int
	number      int
	founder     bool
	issued      time.Time
	dir         string
	unit        *process
	server      *galera.Server
	driver      *galera.Driver
	stop        context.CancelFunc
	done        chan struct{}
}

func newWorld(t *testing.T) *world {
	w := &world{
		t:      t,
		set:    newMemory(),
		method: "rsync",
		nodes:  map[string]*node{},
	}

	host, err := os.MkdirTemp(filepath.Join(root(), "var/tmp"), "galera")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(host, 0o755))
	t.Cleanup(func() { os.RemoveAll(host) })

	w.dir = "/" + strings.TrimPrefix(strings.TrimPrefix(host, root()), "/")
	w.stack = []string{"db-1", "db-2", "db-3"}
	w.caKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)

	w.ca = &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject: pkix.Name{
			Organization: []string{"demo"},
			CommonName:   "demo",
		},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(
			-time.Hour,
		),
		NotAfter: time.Now().Add(time.Hour),
	}

	return w
}

func (w *world) host(path string) string {
	return filepath.Join(root(), path)
}

func (w *world) pki(name string) map[string]string {
	return w.issue(name, "db")
}

func (w *world) issue(name, role string) map[string]string {
	caDER, err := x509.CreateCertificate(rand.Reader, w.ca, w.ca, w.caKey.Public(), w.caKey)
	require.NoError(w.t, err)

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(w.t, err)

	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject: pkix.Name{
			Organization:       []string{"demo"},
			OrganizationalUnit: []string{role},
			CommonName:         name,
		},
		DNSNames: []string{name, "db.hornero", "localhost"},
		NotBefore: time.Now().Add(
			-time.Hour,
		),
		NotAfter:    time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}

	der, err := x509.CreateCertificate(rand.Reader, template, w.ca, key.Public(), w.caKey)
	require.NoError(w.t, err)

	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(w.t, err)

	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}

	return map[string]string{
		"ca":          text("CERTIFICATE", caDER),
		"certificate": text("CERTIFICATE", der),
		"key":         text("PRIVATE KEY", keyDER),
	}
}

// baked makes the image's data directory, once, by the bake's own commands.
func (w *world) baked() string {
	const target = "/var/lib/mysql"
	dir := filepath.Join(w.dir, "baked")

	if _, err := os.Stat(w.host(dir)); err == nil {
		return dir
	}

	manifest, err := roles.Load(roles.Embedded(), "db")
	require.NoError(w.t, err)
	require.NoError(w.t, os.Mkdir(w.host(dir), 0o755))

	_, err = command.Run(
		w.t.Context(),
		command.Command{Args: []string{
			"chroot",
			root(),
			"chown",
			"mysql:mysql",
			dir,
		}},
	)
	require.NoError(w.t, err)

	for _, line := range manifest.Bake.Commands {
		if strings.Contains(line, target) {
			script, err := manifest.RenderText("bake", line, roles.Facts{Release: "debian-13"})
			require.NoError(w.t, err)

			_, err = command.Run(
				w.t.Context(),
				command.Command{Args: []string{
					"chroot",
					root(),
					"/bin/sh",
					"-ec",
					strings.ReplaceAll(string(script), target, dir),
				}},
			)
			require.NoError(w.t, err)
		}
	}

	return dir
}

// launch is a Droplet's start from the image: an own data directory as baked, and a driver.
func (w *world) launch(name string, number, incarnation int, founder bool) *node {
	n := &node{
		w:           w,
		name:        name,
		incarnation: incarnation,
		number:      number,
		founder:     founder,
		dir:         filepath.Join(w.dir, fmt.Sprintf("%s.%d", name, incarnation)),
	}

	for _, sub := range []string{"", "hornero", "data", "run"} {
		require.NoError(w.t, os.MkdirAll(w.host(filepath.Join(n.dir, sub)), 0o755))
	}

	n.render()
	w.run("chown", "-R", "mysql:mysql", n.dir)
	w.run("rmdir", n.dir+"/data")
	w.run("cp", "-a", w.baked(), n.dir+"/data")

	n.unit = &process{
		args: []string{
			"chroot",
			root(),
			"env",
			"BASH_ENV=" + n.dir + "/hornero/transfer-waits.bash",
			"setpriv",
			"--reuid=mysql",
			"--regid=mysql",
			"--clear-groups",
			"--inh-caps=+sys_nice",
			"--ambient-caps=+sys_nice",
			"/usr/sbin/mariadbd",
			"--defaults-file=" + n.dir + "/my.cnf",
		},
		log:   w.host(n.dir + "/server.log"),
		ready: n.ready,
	}

	_, err := w.set.Admit(w.t.Context(), peerset.Join{
		Identity: n.who(),
		Address:  n.address(),
	})
	require.NoError(w.t, err)

	w.nodes[name] = n

	w.t.Cleanup(func() {
		n.crash()
		n.show()
	})

	n.boot()

	return n
}

// log is what the server has said so far: nothing before its first start.
func (n *node) log() string {
	log, err := os.ReadFile(n.unit.log)
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(n.w.t, err)
	}

	return string(log)
}

func (n *node) show() {
	if n.w.t.Failed() || testing.Verbose() {
		log, _ := os.ReadFile(n.unit.log)
		lines := strings.Split(string(log), "\n")
		n.w.t.Logf(
			"server log of %s:\n%s",
			n.name,
			strings.Join(lines[max(0, len(lines)-800):], "\n"),
		)
	}
}

func (n *node) who() peerset.Identity {
	return peerset.Identity{
		Name:        n.name,
		Role:        "db",
		Incarnation: n.incarnation,
	}
}
func (n *node) address() string {
	return fmt.Sprintf("127.0.77.%d", n.number)
}

func (w *world) run(args ...string) {
	_, err := command.Run(
		w.t.Context(),
		command.Command{Args: append([]string{"chroot", root()}, args...)},
	)
	require.NoError(w.t, err)
}

// render writes the role's own templates, with the node's folder in place of the image's paths.
func (n *node) render() {
	manifest, err := roles.Load(roles.Embedded(), "db")
	require.NoError(n.w.t, err)

	facts := roles.Facts{
		Stack:       "demo",
		Node:        n.name,
		Role:        "db",
		Release:     "debian-13",
		Incarnation: n.incarnation,
		Address:     n.address(),
		Memory:      512 << 20,
		CPUs:        2,
		RealTime:    realTime(),
		Secrets:     map[string]report.Secret{"wordpress.db_password": password},
		Settings:    map[string]string{"galera.sst_method": n.w.method},
		PKI:         n.w.pki(n.name),
	}

	for _, t := range manifest.Templates {
		text, err := manifest.Render(t, facts)
		require.NoError(n.w.t, err)

		text = bytes.ReplaceAll(
			text,
			[]byte("/etc/mysql/hornero"),
			[]byte(n.dir+"/hornero"),
		)

		target := filepath.Join(n.dir, "hornero", filepath.Base(t.Path))
		require.NoError(n.w.t, os.WriteFile(n.w.host(target), text, 0o640))
	}

	waits, err := fs.ReadFile(roles.Embedded(), "db/transfer-waits.bash")
	require.NoError(n.w.t, err)

	require.NoError(n.w.t, os.WriteFile(
		n.w.host(n.dir+"/hornero/transfer-waits.bash"),
		waits,
		0o644,
	))

	main := fmt.Sprintf(
		"[mariadbd]\ndatadir=%[1]s/data\nsocket=%[1]s/run/s.sock\npid-file=%[1]s/run/pid\nlog-error=%[1]s/server.log\n!include %[1]s/hornero/90-hornero.cnf\n!include %[1]s/cluster.cnf\n",
		n.dir,
	)

	require.NoError(n.w.t, os.WriteFile(
		n.w.host(n.dir+"/my.cnf"),
		[]byte(main),
		0o644,
	))

	require.NoError(n.w.t, os.WriteFile(n.w.host(n.dir+"/cluster.cnf"), nil, 0o644))
}

// boot starts the agent's part: the driver, and a heartbeat for it.
func (n *node) boot() {
	server, err := galera.Dial(n.w.host(n.dir + "/run/s.sock"))
	require.NoError(n.w.t, err)

	ctx, cancel := context.WithCancel(context.Background())
	set := peerset.Bind(n.w.set, n.who())
	log := slog.New(slog.NewTextHandler(n.w.t.Output(), nil)).With("node", n.name)
	n.driver = galera.New(galera.Config{
		Node:        n.name,
		Issued:      n.issued,
		Incarnation: n.incarnation,
		Founder:     n.founder,
		Address:     n.address(),
		Expected:    n.w.stack,
		Set:         set,
		Unit:        n.unit,
		Database:    server,
		Data: galera.DataDir{
			Path: n.w.host(n.dir + "/data"),
			Server: []string{
				"chroot",
				root(),
				"/usr/sbin/mariadbd",
				"--defaults-file=" + n.dir + "/my.cnf",
			},
		},
		ClusterFile: n.w.host(n.dir + "/cluster.cnf"),
		GrantsFile:  n.w.host(n.dir + "/hornero/grants.sql"),
		Report: func(s galera.Status) {
			set.Report(ctx, peerset.Report{
				State:   string(s.State),
				Healthy: s.Healthy,
				Facts:   s.Facts,
			})
		},
		Log: log,
	})

	n.stop, n.done, n.server = cancel, make(chan struct{}), server
	go func() {
		defer close(n.done)

		n.driver.Run(ctx)
	}()
}

// crash ends server and agent at once, like a machine that loses power.
func (n *node) crash() {
	n.stop()
	n.unit.kill()
	<-n.done
	n.server.Close()
	n.w.set.silence(n.name)
}

func (n *node) ready(ctx context.Context) bool {
	wsrep, err := n.server.Probe(ctx)
	return err == nil && wsrep.Ready
}

func (n *node) sql() *sql.DB {
	db, err := sql.Open("mysql", "root@unix("+n.w.host(n.dir+"/run/s.sock")+")/")
	require.NoError(n.w.t, err)
	return db
}

func (w *world) eventually(within time.Duration, what string, check func() error) {
	w.t.Helper()
	var last error
	began := time.Now()

	for deadline := time.After(within); ; {
		if last = check(); last == nil {
			w.t.Logf("%s after %s", what, time.Since(began).Round(10*time.Millisecond))
			return
		}

		select {
		case <-deadline:
			require.NoError(w.t, last, what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (w *world) synced(within time.Duration, names ...string) {
	w.t.Helper()
	w.settled(within, len(names), names...)
}

// settled waits until nodes are synced in a component of a size.
func (w *world) settled(within time.Duration, size int, names ...string) {
	w.t.Helper()

	w.eventually(within, fmt.Sprintf("%v synced", names), func() error {
		for _, name := range names {
			n := w.nodes[name]
			status := n.driver.Status()
			if status.State != galera.StateSynced || status.Facts[galera.FactSize] != fmt.Sprint(size) {
				return fmt.Errorf(
					"%s is %s: %s %v",
					name,
					status.State,
					status.Reason,
					status.Facts,
				)
			}
		}

		return nil
	})
}

func (w *world) count(name string) int {
	db := w.nodes[name].sql()
	defer db.Close()

	var count int
	require.NoError(w.t, db.QueryRow("SELECT COUNT(*) FROM wordpress.t").Scan(&count))

	return count
}

// exec runs a statement on a node.
func (n *node) exec(statement string, args ...any) error {
	db := n.sql()
	defer db.Close()

	_, err := db.ExecContext(n.w.t.Context(), statement, args...)

	return err
}

func TestTheLifeOfACluster(t *testing.T) {
	w := newWorld(t)
	w.launch("db-1", 1, 1, true)
	w.synced(60*time.Second, "db-1")
	w.launch("db-2", 2, 1, false)
	w.launch("db-3", 3, 1, false)
	w.synced(60*time.Second, "db-1", "db-2", "db-3")
	require.Equal(t, "db-1", w.set.Snapshot().Holder(peerset.LeaseWriter))

	uuid := w.nodes["db-1"].driver.Status().Facts[galera.FactUUID]
	w.clients(t)

	db := w.nodes["db-1"].sql()
	_, err := db.Exec("CREATE TABLE wordpress.t (i INT PRIMARY KEY AUTO_INCREMENT)")
	require.NoError(t, err)

	insert := func(name string) {
		db := w.nodes[name].sql()
		defer db.Close()

		_, err := db.Exec("INSERT INTO wordpress.t VALUES ()")
		require.NoError(t, err)
	}
	insert("db-1")

	t.Log("the writer's machine is lost")
	w.nodes["db-1"].crash()

	w.eventually(10*time.Second, "another writer", func() error {
		if holder := w.set.Snapshot().Holder(peerset.LeaseWriter); holder != "db-2" {
			return fmt.Errorf("%s holds the lease", holder)
		}

		return nil
	})

	insert("db-2")
	t.Log("it comes back with its disk")
	w.nodes["db-1"].boot()
	w.synced(60*time.Second, "db-1", "db-2", "db-3")

	require.Equal(t,
		"db-2",
		w.set.Snapshot().Holder(peerset.LeaseWriter),
		"the lease is sticky",
	)

	require.Equal(t, 2, w.count("db-1"))

	require.NotContains(t,
		w.nodes["db-1"].log(),
		"rsync SST completed on joiner",
		"what it missed is enough",
	)

	t.Log("a node is replaced: a new incarnation at a new address, with an empty disk")
	w.nodes["db-3"].crash()
	w.launch("db-3", 4, 2, false)
	w.synced(60*time.Second, "db-1", "db-2", "db-3")
	require.Equal(t, 2, w.count("db-3"))

	t.Log("all machines are lost, one after the other")
	w.nodes["db-1"].crash()

	w.eventually(10*time.Second, "a component of two", func() error {
		status := w.nodes["db-2"].driver.Status()
		if status.State != galera.StateSynced || status.Facts[galera.FactSize] != "2" {
			return fmt.Errorf("%s, size %s", status.State, status.Facts[galera.FactSize])
		}

		return nil
	})

	insert("db-2")
	w.nodes["db-2"].crash()
	w.nodes["db-3"].crash()

	t.Log("two come back: nobody dares without the third's word")
	w.nodes["db-1"].boot()
	w.nodes["db-3"].boot()

	w.eventually(30*time.Second, "explained", func() error {
		if reason := w.nodes["db-1"].driver.Status().Reason; !strings.Contains(reason, "waits for the evidence of db-2") {
			return errors.New(reason)
		}

		return nil
	})

	w.nodes["db-2"].boot()
	w.synced(90*time.Second, "db-1", "db-2", "db-3")

	for name, n := range w.nodes {
		require.Equal(t, 3, w.count(name), name)
		require.Equal(t, uuid, n.driver.Status().Facts[galera.FactUUID])
	}

	t.Log("one node is drained: another takes the writes first")

	holder := w.set.Snapshot().Holder(peerset.LeaseWriter)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	require.NoError(t, w.nodes[holder].driver.Drain(ctx))
	require.NotEqual(t, holder, w.set.Snapshot().Holder(peerset.LeaseWriter))
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

// process is a unit without systemd.
type process struct {
	args  []string
	log   string
	ready func(context.Context) bool

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
	failed bool
	before int // how long the log was at the last start
}

func (p *process) State(context.Context) (galera.Process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	switch {
	case p.exited == nil:
		return galera.ProcessStopped, nil
	case !closed(p.exited):
		return galera.ProcessStarting, nil
	case p.failed:
		return galera.ProcessFailed, nil
	}

	return galera.ProcessStopped, nil
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (p *process) start(more ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()

	cmd := exec.Command(p.args[0], append(p.args[1:], more...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}

	if info, err := os.Stat(p.log); err == nil {
		p.before = int(info.Size())
	}

	if err := cmd.Start(); err != nil {
		return err
	}

	exited := make(chan struct{})
	p.cmd, p.exited, p.failed = cmd, exited, false
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()

		p.failed = err != nil
		close(exited)
	}()

	return nil
}

func (p *process) Start(context.Context) error {
	return p.start()
}

func (p *process) Bootstrap(ctx context.Context) error {
	if err := p.start("--wsrep-new-cluster"); err != nil {
		return err
	}

	for !p.ready(ctx) {
		select {
		case <-p.exited:
			return errors.New("the server went down")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}

	return nil
}

func (p *process) Stop(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Signal(syscall.SIGTERM)
}

func (p *process) Kill(context.Context) error {
	p.kill()
	return nil
}

func (p *process) Trouble(context.Context, time.Time) galera.Trouble {
	p.mu.Lock()
	defer p.mu.Unlock()

	log, err := os.ReadFile(p.log)
	if err != nil {
		return galera.Trouble{}
	}

	return galera.TroubleOf(string(log[min(p.before, len(log)):]))
}

func (p *process) kill() {
	p.mu.Lock()
	cmd, exited := p.cmd, p.exited
	p.mu.Unlock()

	if exited != nil {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-exited
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
		if status := w.nodes["db-3"].driver.Status(); status.State != galera.StateNonPrimary || status.Healthy {
			return fmt.Errorf("%s: %s", status.State, status.Reason)
		}

		return nil
	})

	require.NotEqual(t, "db-3", w.set.Snapshot().Holder(peerset.LeaseWriter))

	t.Log("the peer set loses its quorum, too, and one comes back: nobody may decide")
	w.set.edit(func(s *peerset.Snapshot) { s.Quorum = false })
	w.nodes["db-1"].boot()

	w.eventually(30*time.Second, "blind", func() error {
		if reason := w.nodes["db-3"].driver.Status().Reason; !strings.Contains(reason, "no quorum") {
			return errors.New(reason)
		}

		return nil
	})

	t.Log("all are back")
	w.set.edit(func(s *peerset.Snapshot) { s.Quorum = true })
	w.nodes["db-2"].boot()
	w.synced(120*time.Second, "db-1", "db-2", "db-3")
}
