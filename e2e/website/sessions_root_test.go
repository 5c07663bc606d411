//go:build root

package website_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// cartPlugin counts in $_SESSION, as the cart of a shop does.
const cartPlugin = `<?php
if (!isset($_GET['cart'])) {
	return;
}
session_start();
if ($_GET['cart'] === 'look') {
	exit('count ' . ($_SESSION['count'] ?? 0));
}
if ($_GET['cart'] === 'empty') {
	unset($_SESSION['count']);
	exit('count 0');
}
if ($_GET['cart'] === 'leave') {
	session_destroy();
	exit('gone');
}
if ($_GET['cart'] === 'draw') {
	exit((string) session_create_id());
}
if ($_GET['cart'] === 'move') {
	session_regenerate_id(true);
	exit('count ' . ($_SESSION['count'] ?? 0));
}
$count = ($_SESSION['count'] ?? 0) + 1;
if ($_GET['cart'] === 'wait') {
	touch('/tmp/waits');
	while (file_exists('/tmp/waits')) {
		usleep(10000);
		clearstatcache();
	}
}
if ($_GET['cart'] === 'slow') {
	usleep(20000);
}
$_SESSION['count'] = $count;
$_SESSION['bytes'] = "\x00\xff'\"\\" . random_bytes(64);
exit("count $count");
`

const cartFile = "/usr/share/wordpress/wp-content/mu-plugins/001-cart.php"

// shopper is a visitor with a cookie of PHP's.
type shopper struct {
	mu     sync.Mutex
	cookie string
}

// ask puts something into the cart at one of the nodes, and gives what the page says.
func (v *shopper) ask(ctx context.Context, n *webNode, what string) (string, error) {
	address := "http://" + n.address + "/?cart=" + what

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}

	v.mu.Lock()
	request.Header.Set("Cookie", v.cookie)
	v.mu.Unlock()

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()

	v.keep(response)
	body, err := io.ReadAll(response.Body)

	return string(body), err
}

// keep keeps the cookie that an answer sets, as a browser does.
func (v *shopper) keep(response *http.Response) {
	v.mu.Lock()
	defer v.mu.Unlock()

	for _, cookie := range response.Cookies() {
		v.cookie = cookie.Name + "=" + cookie.Value
	}
}

// waits begins a request that holds its session until the node's /tmp/waits is gone, and gives how it ends.
func (v *shopper) waits(n *webNode) <-chan error {
	n.t.Helper()

	ended := make(chan error, 1)

	go func() {
		_, err := v.ask(n.t.Context(), n, "wait")
		ended <- err
	}()

	require.Eventually(n.t, func() bool {
		_, err := n.try("", "test", "-e", "/tmp/waits")
		return err == nil
	}, patience, tick)

	return ended
}

// gets asks one of the nodes for something, and wants an answer.
func (v *shopper) gets(n *webNode, what string) string {
	n.t.Helper()

	body, err := v.ask(n.t.Context(), n, what)
	require.NoError(n.t, err)

	return body
}

// newShop is a site with a cart, which keeps it as its settings say.
func newShop(t *testing.T, nodes int, settings map[string]string) *site {
	t.Helper()

	s := prepareSite(t, settings)
	s.adds(cartFile, cartPlugin)

	for range nodes {
		s.addNode().hasPHP()
	}

	s.install()

	return s
}

// sessions are the rows of the sessions' table.
func (s *site) sessions() string {
	return s.db.sql("SELECT COUNT(*) FROM wordpress.wp_hornero_sessions")
}

func TestASessionIsOneOnAllNodes(t *testing.T) {
	s := newShop(t, 3, nil)
	s.counts(func(n *webNode) { n.hasPHP() })

	require.Equal(t, "1", s.sessions())
}

// counts has a visitor count over nodes that come and go; added is called with a node that came.
func (s *site) counts(added func(n *webNode)) {
	s.t.Helper()

	const requests = 1000
	const replaced = requests / 4

	visitor := &shopper{}
	serving := s.web

	for i := 1; i <= requests; i++ {
		// A node is replaced: the new one serves, and the old one is gone.
		if i%replaced == 0 {
			added(s.addNode())
			serving[0].fpm.end(syscall.SIGKILL)
			serving[0].nginx.end(syscall.SIGKILL)
			serving = s.web[len(s.web)-3:]
		}

		require.Equal(s.t, fmt.Sprint("count ", i), visitor.gets(serving[i%3], "add"))
	}
}

func TestParallelRequestsOfASessionLoseNoWrite(t *testing.T) {
	s := newShop(t, 2, nil)
	visitor := &shopper{}

	// Its session is of nothing, and has no row: yet they are all of one visitor.
	visitor.gets(s.web[0], "look")
	require.Equal(t, "0", s.sessions())

	s.countsAtOnce(visitor)
}

// countsAtOnce has a visitor count on two nodes in requests that run beside each other.
func (s *site) countsAtOnce(visitor *shopper) {
	s.t.Helper()

	const workers = 4
	const each = 10

	var work sync.WaitGroup
	errs := make(chan error, workers*each)

	for k := range workers {
		work.Go(func() {
			for range each {
				_, err := visitor.ask(s.t.Context(), s.web[k%2], "slow")
				errs <- err
			}
		})
	}

	work.Wait()
	close(errs)

	for err := range errs {
		require.NoError(s.t, err)
	}

	require.Equal(s.t, fmt.Sprint("count ", workers*each), visitor.gets(s.web[1], "look"))
}

func TestASessionOutlivesItsDatabaseServersMove(t *testing.T) {
	s := newShop(t, 1, nil)
	visitor := &shopper{}
	node := s.web[0]

	require.Equal(t, "count 1", visitor.gets(node, "add"))
	ended := visitor.waits(node)

	// What a move of the proxies or of the writer does to a connection. The lock that it held is gone.
	for _, id := range strings.Fields(s.db.sql(wordpressConnections)) {
		s.db.sql("KILL CONNECTION " + id)
	}

	node.run("rm", "/tmp/waits")
	require.NoError(t, <-ended)

	require.Equal(t, "count 2", visitor.gets(node, "look"))
}

const wordpressConnections = "SELECT id FROM information_schema.processlist WHERE user = 'wordpress'"

func TestSessionsComeAndGo(t *testing.T) {
	s := newShop(t, 1, nil)
	node := s.web[0]

	// The table does not tell the cookie.
	stranger := node.refusesAnId()
	_, id, _ := strings.Cut(stranger.cookie, "=")
	require.NotContains(t, s.db.sql("SELECT HEX(id), id, data FROM wordpress.wp_hornero_sessions"), id)

	node.drawsIds(stranger)
	stranger.gets(node, "leave")
	require.Equal(t, "0", s.sessions())

	visitor := &shopper{}
	visitor.gets(node, "add")

	// Emptied again: only the random bytes are left, so the row is.
	visitor.gets(node, "empty")
	require.Equal(t, "1", s.sessions())

	// One that is over is not read, and cron takes it away.
	s.db.sql("UPDATE wordpress.wp_hornero_sessions SET expires = 1")
	require.Equal(t, "count 0", visitor.gets(node, "look"))

	node.task("wordpress-cron")
	require.Equal(t, "0", s.sessions())
}

// refusesAnId wants that an id that a stranger made up is not taken: he would know the session of whoever he gave it
// to.
func (n *webNode) refusesAnId() *shopper {
	n.t.Helper()

	stranger := &shopper{cookie: "PHPSESSID=" + strings.Repeat("a", 64)}
	require.Equal(n.t, "count 1", stranger.gets(n, "add"))
	require.NotContains(n.t, stranger.cookie, "aaaaaaaa")

	return stranger
}

// drawsIds wants that a visitor with a count of 1 gets another id, as a plugin gives one to who signs in.
func (n *webNode) drawsIds(visitor *shopper) {
	n.t.Helper()

	require.Len(n.t, visitor.gets(n, "draw"), 64)

	before := &shopper{cookie: visitor.cookie}
	require.Equal(n.t, "count 1", visitor.gets(n, "move"))
	require.NotEqual(n.t, before.cookie, visitor.cookie)

	require.Equal(n.t, "count 1", visitor.gets(n, "look"))
	require.Equal(n.t, "count 0", before.gets(n, "look"))
}
