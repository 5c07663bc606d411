//go:build realdb

package galera_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

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

// mainConfig is a server's own file in place of Debian's; DIR is its node's folder.
const mainConfig = `[mariadbd]
datadir=DIR/data
socket=DIR/run/s.sock
pid-file=DIR/run/pid
log-error=DIR/server.log
!include DIR/hornero/90-hornero.cnf
!include DIR/cluster.cnf
`

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
		Settings:    map[string]string{"sst_method": n.w.method, "mariadb_extra": ""},
		Leases:      map[string]map[string]string{"db": {"writer": "writer"}},
		Databases: []roles.Database{{
			Name:   "wordpress",
			User:   "wordpress",
			Secret: "wordpress.db_password",
			Grants: roles.AllPrivileges,
		}},
	}

	own, galera := n.w.identities(n.name)
	facts.PKI = own

	if galera != nil {
		facts.Authorities = map[string]map[string]string{"galera": galera}
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

	main := strings.ReplaceAll(mainConfig, "DIR", n.dir)
	require.NoError(n.w.t, os.WriteFile(n.w.host(n.dir+"/my.cnf"), []byte(main), 0o644))

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
		Role:        "db",
		Arbitrators: []string{"arbitrator"},
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

// exec runs a statement on a node.
func (n *node) exec(statement string, args ...any) error {
	db := n.sql()
	defer db.Close()

	_, err := db.ExecContext(n.w.t.Context(), statement, args...)

	return err
}
