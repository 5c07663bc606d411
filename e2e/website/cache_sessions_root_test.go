//go:build root

package website_test

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// inCache are the settings of a site whose sessions are in the cache.
var inCache = map[string]string{"sessions": "cache"}

// newCachedShop is a site with a cart that is in a cache.
func newCachedShop(t *testing.T, nodes int, settings map[string]string) (*site, *cacheNode) {
	t.Helper()

	s := newShop(t, nodes, settings)
	cache := s.addCache("cache-1", "10.108.7.41")
	s.reaches(cache)

	return s, cache
}

// cached is what the cache says to words, which are asked where sessions are, as text.
func (n *webNode) cached(words string) string {
	n.t.Helper()

	const ask = "define('ABSPATH', '/'); require '/usr/share/hornero/web/database.php';" +
		"require '/usr/share/hornero/web/cache-sessions.php';" +
		"$server = new Hornero_Cache_Server('test', 'nothing', Hornero_Cache_Sessions::DATABASE);" +
		"echo '=', implode(\"\\n\", (array) $server->ask(explode(' ', $argv[1])));"

	out := n.run("/usr/lib/hornero/web-php", "-r", ask, "--", words)
	_, text, _ := strings.Cut(out, "=")

	return text
}

func TestASessionInTheCacheIsOneOnAllNodes(t *testing.T) {
	s, cache := newCachedShop(t, 3, inCache)

	s.counts(func(n *webNode) {
		n.hasPHP()
		n.reaches(cache)
	})
}

func TestParallelRequestsOfASessionInTheCacheLoseNoWrite(t *testing.T) {
	s, _ := newCachedShop(t, 2, inCache)
	visitor := &shopper{}

	// Its session is of nothing, and is not kept: yet they are all of one visitor.
	visitor.gets(s.web[0], "look")
	require.Empty(t, s.web[0].cached("KEYS *"))

	s.countsAtOnce(visitor)
}

func TestSessionsBeginAnewWithTheirCache(t *testing.T) {
	s := newShop(t, 2, inCache)
	first := s.addCache("cache-1", "10.108.7.41")
	second := s.prepareCache("cache-2", "10.108.7.42")
	s.reaches(first, second)

	one, two := s.web[0], s.web[1]
	visitor, other := &shopper{}, &shopper{}

	require.Equal(t, "count 1", visitor.gets(one, "add"))
	require.Equal(t, "count 1", other.gets(one, "add"))
	require.Equal(t, "count 2", other.gets(two, "add"))

	ended := visitor.waits(one)
	cookie := other.cookie
	first.server.end(syscall.SIGKILL)

	// While nobody has the cache, pages are answered, and nothing is kept.
	for range 3 {
		page := two.get("/?cart=add", "Cookie", cookie)
		require.Equal(t, 200, page.status, page.body)
		require.Equal(t, "count 1", page.body)
	}

	second.holds()
	one.hasCache(true)
	two.hasCache(true)

	require.Equal(t, "count 1", other.gets(one, "add"))
	require.Equal(t, "count 2", other.gets(two, "add"))
	require.Equal(t, cookie, other.cookie)

	// A request that began with the first cache brings its session along.
	one.run("rm", "/tmp/waits")
	require.NoError(t, <-ended)
	require.Equal(t, "count 2", visitor.gets(two, "look"))
}

func TestASessionOutlivesItsConnectionToTheCache(t *testing.T) {
	s, _ := newCachedShop(t, 1, inCache)
	visitor := &shopper{}
	node := s.web[0]

	require.Equal(t, "count 1", visitor.gets(node, "add"))
	ended := visitor.waits(node)

	node.cached("CLIENT KILL TYPE normal")
	node.run("rm", "/tmp/waits")
	require.NoError(t, <-ended)

	require.Equal(t, "count 2", visitor.gets(node, "look"))
}

func TestALockInTheCacheEndsWithItsHolder(t *testing.T) {
	s, _ := newCachedShop(t, 3, inCache)
	visitor := &shopper{}
	visitor.gets(s.web[1], "look")

	// Who waits too long is answered, and what he did is not kept.
	visitor.waits(s.web[0])
	require.Equal(t, "count 1", visitor.gets(s.web[1], "add"))

	// PHP dies, and so does its connection: nobody waits for a lock's end.
	s.web[0].fpm.end(syscall.SIGKILL)

	began := time.Now()
	require.Equal(t, "count 1", visitor.gets(s.web[1], "add"))
	require.Less(t, time.Since(began), 5*time.Second)
}

func TestSessionsInTheCacheComeAndGo(t *testing.T) {
	s, _ := newCachedShop(t, 1, map[string]string{"sessions": "cache", "object_cache": "true"})
	node := s.web[0]

	// The cache does not tell the cookie.
	stranger := node.refusesAnId()
	_, id, _ := strings.Cut(stranger.cookie, "=")
	key := node.cached("KEYS *")
	require.NotContains(t, key, id)
	require.NotContains(t, key, "\n")
	require.NotContains(t, key, "lock")

	node.drawsIds(stranger)
	stranger.gets(node, "leave")
	require.Empty(t, node.cached("KEYS *"))

	// Emptying the object cache ends no session.
	visitor := &shopper{}
	visitor.gets(node, "add")
	require.Equal(t, "1", node.wordpress("echo (int) wp_cache_flush();"))
	require.Equal(t, "count 2", visitor.gets(node, "add"))

	// One that was only looked at lives on, and one that is over is not read.
	key = node.cached("KEYS *")
	node.cached("EXPIRE " + key + " 100")
	require.Equal(t, "count 2", visitor.gets(node, "look"))

	left, err := strconv.Atoi(node.cached("TTL " + key))
	require.NoError(t, err)
	require.Greater(t, left, 1400)
	require.LessOrEqual(t, left, 1440)

	node.cached("EXPIRE " + key + " 0")
	require.Equal(t, "count 0", visitor.gets(node, "look"))
}
