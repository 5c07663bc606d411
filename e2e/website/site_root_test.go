//go:build root

package website_test

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// The site's network: the test itself is its .1.
const (
	bridge   = "site"
	network  = "10.108.7.0/24"
	self     = "10.108.7.1"
	database = "10.108.7.10"
	release  = "debian-13"
	stack    = "shop"
)

// site is a database and web nodes in a network of their own.
type site struct {
	t        *testing.T
	manifest *roles.Manifest
	image    *imageLayer
	ca       pki.Pair
	db       *node
	web      []*webNode
	settings map[string]string // of the role web
	secrets  map[string]report.Secret
	serving  atomic.Pointer[[]*webNode] // those that viewers ask

	group  string // of the web nodes
	before int    // numbers of addresses that other sites have
}

// webNode is a node with the daemons of the role.
type webNode struct {
	*node
	site       *site
	nginx, fpm *daemon
	media      *daemon
	killed     bool
	dead       bool // as the peer set has it
}

// newSite starts a database and web nodes with WordPress installed. Settings are the role's, by name.
func newSite(t *testing.T, nodes int, settings map[string]string) *site {
	t.Helper()

	s := prepareSite(t, settings)
	for range nodes {
		s.addNode()
	}

	s.install()

	return s
}

// prepareSite starts the database alone.
func prepareSite(t *testing.T, settings map[string]string) *site {
	t.Helper()

	return prepareSiteOf(t, roles.Embedded(), settings)
}

// prepareSiteOf is prepareSite for a stack with a folder of roles.
func prepareSiteOf(t *testing.T, folders fs.FS, settings map[string]string) *site {
	t.Helper()

	manifest, err := roles.Load(folders, "web")
	require.NoError(t, err)

	ca, err := pki.NewCA(stack)
	require.NoError(t, err)

	s := &site{
		t:        t,
		manifest: manifest.On(release),
		ca:       ca,
		settings: map[string]string{},
		secrets:  map[string]report.Secret{},
		group:    "web",
	}

	for name, setting := range manifest.Settings {
		s.settings[name] = setting.Fallback()
	}

	s.settings["title"] = "Shop"
	s.settings["admin_user"] = "admin"
	s.settings["admin_email"] = "admin@example.org"
	maps.Copy(s.settings, settings)

	for name := range manifest.Secrets {
		s.secrets[name] = report.Secret("it's the secret " + name)
	}

	host(t, "ip link add "+bridge+" type bridge")
	host(t, "ip address add "+self+"/24 dev "+bridge)
	host(t, "ip link set "+bridge+" up")

	s.startDatabase()
	s.image = s.bake()

	return s
}

// root is the Debian root that all nodes are laid over.
func root(t *testing.T) string {
	t.Helper()

	root := os.Getenv("HORNERO_WEBSITE_ROOT")
	require.NotEmpty(t, root, "scripts/website.sh names the root and runs these tests")

	return root
}

// startDatabase starts MariaDB with TLS, and makes the role's databases and users.
func (s *site) startDatabase() {
	s.t.Helper()

	s.db = newNode(s.t, "db-1", database, root(s.t))

	own := s.certificate("db", "db-1")
	s.db.write("/etc/mysql/hornero/ca.pem", "0644", "mysql:mysql", s.ca.Certificate)
	s.db.write("/etc/mysql/hornero/node.pem", "0644", "mysql:mysql", own.Certificate)
	s.db.write("/etc/mysql/hornero/node.key", "0600", "mysql:mysql", own.Key.Reveal())
	s.db.write("/etc/mysql/mariadb.conf.d/90-test.cnf", "0644", "root:root", serverOptions)

	s.db.run("sh", "-c", installDatabase)
	s.db.start("mariadbd", "--user=mysql")
	s.db.hears("3306")

	for _, d := range s.manifest.Databases {
		password := strings.ReplaceAll(s.secrets[d.Secret].Reveal(), "'", "''")
		names := strings.NewReplacer(
			"NAME", d.Name,
			"ACCOUNT", d.User,
			"PASSWORD", password,
		)
		s.db.sql(names.Replace(makeDatabase))
	}
}

const (
	serverOptions = `[mysqld]
bind-address = ` + database + `
skip-name-resolve = ON
require_secure_transport = ON
ssl-ca = /etc/mysql/hornero/ca.pem
ssl-cert = /etc/mysql/hornero/node.pem
ssl-key = /etc/mysql/hornero/node.key
innodb_flush_log_at_trx_commit = 0
innodb_buffer_pool_size = 64M
`

	installDatabase = `mkdir -p /run/mysqld
chown mysql /run/mysqld /var/lib/mysql
mariadb-install-db --auth-root-authentication-method=socket --skip-test-db --cross-bootstrap \
	--user=mysql >/dev/null`

	makeDatabase = `CREATE DATABASE NAME;
CREATE USER 'ACCOUNT'@'%' IDENTIFIED BY 'PASSWORD';
GRANT ALL ON NAME.* TO 'ACCOUNT'@'%';`
)

// certificate is a node's of the stack's authority.
func (s *site) certificate(role, name string) pki.Pair {
	s.t.Helper()

	own, err := s.ca.Issue(pki.Name{
		Stack:       stack,
		Role:        role,
		Node:        name,
		Incarnation: 1,
	})
	require.NoError(s.t, err)

	return own
}

// facts are what the bootstrap would tell the node's templates.
func (s *site) facts(n *node) roles.Facts {
	own := s.certificate("web", n.name)

	facts := roles.Facts{
		Stack:       stack,
		Node:        n.name,
		Role:        "web",
		Release:     release,
		Incarnation: 1,
		Address:     n.address,
		Network:     network,
		Memory:      1 << 30,
		CPUs:        1,
		Settings:    s.settings,
		Secrets:     s.secrets,
		Peers:       map[string][]roles.PeerFact{},
		Expected:    map[string][]string{},
		PKI: map[string]string{
			"ca":          s.ca.Certificate,
			"certificate": own.Certificate,
			"key":         own.Key.Reveal(),
		},
	}

	for _, peer := range s.web {
		facts.Expected["web"] = append(facts.Expected["web"], peer.name)
		facts.Peers["web"] = append(facts.Peers["web"], roles.PeerFact{
			Name:        peer.name,
			Address:     peer.address,
			Incarnation: 1,
			Healthy:     !peer.dead,
			Alive:       !peer.dead,
		})
	}

	return facts
}

// addressOf is the address of a web node, by its number.
func addressOf(number int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 108, 7, byte(20 + number)})
}

// addNode makes a web node, configures it and all others anew, and starts its daemons.
func (s *site) addNode() *webNode {
	s.t.Helper()

	number := len(s.web) + 1
	name := fmt.Sprintf("%s-%d", s.group, number)
	address := addressOf(s.before + number).String()

	n := &webNode{
		node: newNode(
			s.t,
			name,
			address,
			root(s.t),
			s.image.folder,
		),
		site: s,
	}

	n.write("/etc/hosts", "0644", "root:root", "127.0.0.1 localhost\n"+database+" db.hornero\n")
	s.web = append(s.web, n)

	for _, each := range s.web {
		each.configure()
	}

	n.startMedia()
	n.run("sh", "-c", "install -d -m 0755 -o www-data -g www-data /run/php")
	n.fpm = n.start(
		"php-fpm",
		"--nodaemonize",
		"--fpm-config",
		"/etc/hornero-php/php-fpm.conf",
	)
	// nginx is there sooner, and would have nobody to ask.
	require.Eventually(n.t, func() bool {
		_, err := os.Stat(n.root + "/run/php/hornero.sock")
		return err == nil
	}, time.Minute, 10*time.Millisecond)

	n.nginx = n.start(
		"nginx",
		"-g",
		"daemon off; master_process on;",
	)
	n.hears("80")
	s.serve()

	return n
}

// configure writes the node's templates, as the bootstrap does.
func (n *webNode) configure() {
	n.t.Helper()

	facts := n.site.facts(n.node)
	for _, template := range n.site.manifest.Templates {
		text, err := n.site.manifest.Render(template, facts)
		require.NoError(n.t, err)

		n.write(
			template.Path,
			cmp.Or(template.Mode, "0640"),
			cmp.Or(template.Owner, "root:root"),
			string(text),
		)
	}
}

// task runs one of the role's tasks on a node, to its end.
func (n *webNode) task(name string) string {
	n.t.Helper()

	for _, task := range n.site.manifest.Tasks {
		if task.Name != name {
			continue
		}

		words := []string{"env"}
		for key, text := range task.Env {
			value, err := n.site.manifest.RenderText(key, text, n.site.facts(n.node))
			require.NoError(n.t, err)

			words = append(words, key+"="+string(value))
		}

		words = append(words, task.Run...)

		return n.run(words[0], words[1:]...)
	}

	require.Failf(n.t, "no such task", "%s", name)

	return ""
}

// install installs WordPress by the role's own task.
func (s *site) install() {
	s.t.Helper()
	require.Contains(s.t, s.web[0].task("wordpress-install"), "wordpress is installed")
}

// php runs a piece of PHP on the node as PHP's user, as the role's tasks are run.
func (n *webNode) php(code string) string {
	n.t.Helper()

	const as = "setpriv --reuid=www-data --regid=www-data --init-groups --no-new-privs"
	const php = "php -d openssl.cafile=/etc/hornero-database/ca.pem -r"

	words := append(strings.Fields(as+" "+php), code)

	return n.run(words[0], words[1:]...)
}

// answer is what a page answered.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request to the node, as a load balancer does that got it from a visitor, and follows nothing. The
// header's pairs are added; Host among them names the site.
func (n *webNode) ask(method, path, body string, header ...string) answer {
	n.t.Helper()

	address := "http://" + n.address + path

	request, err := http.NewRequestWithContext(
		n.t.Context(),
		method,
		address,
		strings.NewReader(body),
	)
	require.NoError(n.t, err)

	for pair := range slices.Chunk(header, 2) {
		name, value := pair[0], pair[1]
		request.Header.Add(name, value)

		if name == "Host" {
			request.Host = value
		}
	}

	client := http.Client{
		Timeout: 2 * time.Minute, // as long as nginx waits for PHP: the first page is compiled
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}

	response, err := client.Do(request)
	require.NoError(n.t, err)
	defer response.Body.Close()

	text, err := io.ReadAll(response.Body)
	require.NoError(n.t, err)

	return answer{
		status: response.StatusCode,
		header: response.Header,
		body:   string(text),
	}
}

// get asks for a page.
func (n *webNode) get(path string, header ...string) answer {
	n.t.Helper()
	return n.ask(http.MethodGet, path, "", header...)
}
