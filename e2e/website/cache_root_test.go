//go:build root

package website_test

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
)

// cacheNode is a node of the role cache, whose server is one task.
type cacheNode struct {
	*node
	task   []string // the server's
	server *daemon
}

// addCache makes a node of the role cache that has the server.
func (s *site) addCache(name, address string) *cacheNode {
	s.t.Helper()

	n := s.prepareCache(name, address)
	n.holds()

	return n
}

// holds starts the server on the node, as the one that got the lease.
func (n *cacheNode) holds() {
	n.t.Helper()

	n.server = n.start(n.task[0], n.task[1:]...)
	n.hears("6379")
}

// prepareCache makes a node of the role cache that waits for the lease.
func (s *site) prepareCache(name, address string) *cacheNode {
	s.t.Helper()

	manifest, err := roles.Load(roles.Embedded(), "cache")
	require.NoError(s.t, err)

	debian := os.Getenv("HORNERO_WEBSITE_CACHE_ROOT")
	require.NotEmpty(s.t, debian, "scripts/website.sh names the root and runs these tests")

	n := &cacheNode{
		node: newNode(s.t, name, address, debian),
		task: manifest.Tasks[0].Run,
	}
	n.run("useradd", "--system", "--no-create-home", "cache")
	n.run("ln", "-s", "/usr/bin/valkey-server", "/usr/local/sbin/cache-server")

	facts := s.facts(n.node)
	own := s.certificate("cache", name)
	facts.PKI["certificate"] = own.Certificate
	facts.PKI["key"] = own.Key.Reveal()

	for _, template := range manifest.On(release).Templates {
		text, err := manifest.Render(template, facts)
		require.NoError(s.t, err)

		n.write(
			template.Path,
			cmp.Or(template.Mode, "0640"),
			cmp.Or(template.Owner, "root:root"),
			string(text),
		)
	}

	return n
}

// reaches starts HAProxy on the web nodes, which know the cache nodes.
func (s *site) reaches(caches ...*cacheNode) {
	s.t.Helper()

	for _, n := range s.web {
		n.reaches(caches...)
	}
}

func (n *webNode) reaches(caches ...*cacheNode) {
	n.t.Helper()

	facts := n.site.facts(n.node)
	for _, cache := range caches {
		facts.Peers["cache"] = append(facts.Peers["cache"], roles.PeerFact{
			Name:    cache.name,
			Address: cache.address,
		})
	}

	for _, template := range n.site.manifest.Templates {
		if !strings.HasSuffix(template.Path, "haproxy.cfg") {
			continue
		}

		text, err := n.site.manifest.Render(template, facts)
		require.NoError(n.t, err)
		n.write(template.Path, "0640", "root:haproxy", string(text))
	}

	n.run("mkdir", "-p", "/run/haproxy")
	n.start("haproxy", "-W", "-f", "/etc/haproxy/haproxy.cfg")
	n.hasCache(true)
}

// hasCache waits until the node's WordPress finds the cache, or finds none.
func (n *webNode) hasCache(there bool) {
	n.t.Helper()

	const ask = "define('ABSPATH', '/'); require '/usr/share/hornero/web/database.php';" +
		"require '/usr/share/hornero/web/cache-server.php';" +
		"echo (int) (new Hornero_Cache_Server('test', 'nothing'))->isThere();"

	want := "0"
	if there {
		want = "1"
	}

	require.Eventually(n.t, func() bool {
		out, err := n.try("", "/usr/lib/hornero/web-php", "-r", ask)
		return err == nil && strings.HasSuffix(out, want)
	}, patience, tick)
}

func TestTheObjectCacheIsOneForAllNodes(t *testing.T) {
	s := newSite(t, 2, map[string]string{
		"object_cache": "true",
		"url":          "https://www.example.org",
	})
	one, two := s.web[0], s.web[1]

	// No cache is there yet: the site serves.
	page := one.get("/", "Host", "www.example.org", "X-Forwarded-Proto", "https")
	require.Equal(t, 200, page.status, page.body)

	first := s.addCache("cache-1", "10.108.7.41")
	s.reaches(first)

	one.wordpress("wp_cache_set('k', ['a' => 1, 'b' => \"\\x00\"], 'test');")
	require.Equal(t, `{"a":1,"b":"\u0000"}`, two.wordpress("echo json_encode(wp_cache_get('k', 'test'));"))

	two.wordpress("wp_cache_set('n', 4, 'test'); wp_cache_incr('n', 3, 'test'); wp_cache_add('n', 9, 'test');")
	require.Equal(t, "7", one.wordpress("echo wp_cache_get('n', 'test');"))

	// A setting is seen on the other node at once.
	for i := range 3 {
		one.wordpress(fmt.Sprintf("update_option('blogname', 'Name %d'); get_option('blogname');", i))
		require.Equal(t, fmt.Sprint("Name ", i), two.wordpress("echo get_option('blogname');"))
	}

	require.Equal(t, "1", one.wordpress("echo (int) wp_using_ext_object_cache();"))
	require.Contains(t, two.health("/first"), "200 OK wordpress serves")
}

func TestACacheThatWasAwayTellsNothingOld(t *testing.T) {
	s := newSite(t, 2, map[string]string{
		"object_cache": "true",
		"url":          "https://www.example.org",
	})
	one, two := s.web[0], s.web[1]
	cache := s.addCache("cache-1", "10.108.7.41")
	s.reaches(cache)

	one.wordpress("wp_insert_post(['import_id' => 77, 'post_title' => 'Old', 'post_status' => 'publish']);")

	const title = "echo get_post(77)->post_title;"
	require.Equal(t, "Old", two.wordpress(title))

	// One node cannot reach the cache, and changes the post.
	require.NoError(t, syscall.Kill(-cache.server.command.Process.Pid, syscall.SIGSTOP))
	one.hasCache(false)
	one.wordpress("wp_update_post(['ID' => 77, 'post_title' => 'New']);")
	require.NoError(t, syscall.Kill(-cache.server.command.Process.Pid, syscall.SIGCONT))

	two.hasCache(true)
	require.Equal(t, "New", two.wordpress(title))
	require.Equal(t, "New", two.wordpress(title), "read from the cache by now")
	require.Equal(t, "0", s.db.sql(missedWords))
}

const missedWords = "SELECT COUNT(*) FROM wordpress.wp_options WHERE option_name = 'hornero_cache_missed'"
