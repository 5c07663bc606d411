//go:build realdb

package galera_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/internal/command"
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
	stack  []string // the database nodes that it is to have
	// identities are a node's certificates, of the stack's authority and of Galera's; none of Galera's is one of an
	// earlier version.
	identities func(name string) (own, galera map[string]string)
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

	w.identities = func(name string) (own, galera map[string]string) { return w.pki(name), nil }
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
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
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
		DNSNames:    []string{name, "db.hornero", "localhost"},
		NotBefore:   time.Now().Add(-time.Hour),
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

	w.run("chown", "mysql:mysql", dir)

	for _, line := range manifest.Bake.Commands {
		if strings.Contains(line, target) {
			script, err := manifest.RenderText("bake", line, roles.Facts{Release: "debian-13"})
			require.NoError(w.t, err)

			w.run("/bin/sh", "-ec", strings.ReplaceAll(string(script), target, dir))
		}
	}

	return dir
}

func (w *world) run(args ...string) {
	args = append([]string{"chroot", root()}, args...)
	_, err := command.Run(w.t.Context(), command.Command{Args: args})
	require.NoError(w.t, err)
}

// slowest is how many times slower than usual a machine may be. What is waited for here is no claim about time, and the
// scripts of a state transfer start a hundred programs.
const slowest = 4

// eventually waits for what usually takes less than within.
func (w *world) eventually(within time.Duration, what string, check func() error) {
	w.t.Helper()
	var last error
	began := time.Now()

	for deadline := time.After(slowest * within); ; {
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
	w.syncedIn(within, len(names), names...)
}

// syncedIn waits until nodes are synced in a component of a size.
func (w *world) syncedIn(within time.Duration, size int, names ...string) {
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
