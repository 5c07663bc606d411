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

// newShop is a site with a cart.
func newShop(t *testing.T, nodes int) *site {
	t.Helper()

	s := prepareSite(t, nil)
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
	const requests = 1000
	const replaced = requests / 4

	s := newShop(t, 3)
	visitor := &shopper{}
	serving := s.web

	for i := 1; i <= requests; i++ {
		// A node is replaced: the new one serves, and the old one is gone.
		if i%replaced == 0 {
			s.addNode().hasPHP()
			serving[0].fpm.end(syscall.SIGKILL)
			serving[0].nginx.end(syscall.SIGKILL)
			serving = s.web[len(s.web)-3:]
		}

		body, err := visitor.ask(t.Context(), serving[i%3], "add")
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint("count ", i), body)
	}

	require.Equal(t, "1", s.sessions())
}

func TestParallelRequestsOfASessionLoseNoWrite(t *testing.T) {
	const workers = 4
	const each = 10

	s := newShop(t, 2)
	visitor := &shopper{}

	// Its session is of nothing, and has no row: yet they are all of one visitor.
	_, err := visitor.ask(t.Context(), s.web[0], "look")
	require.NoError(t, err)
	require.Equal(t, "0", s.sessions())

	var work sync.WaitGroup
	errs := make(chan error, workers*each)

	for k := range workers {
		work.Go(func() {
			for range each {
				_, err := visitor.ask(t.Context(), s.web[k%2], "slow")
				errs <- err
			}
		})
	}

	work.Wait()
	close(errs)

	for err := range errs {
		require.NoError(t, err)
	}

	body, err := visitor.ask(t.Context(), s.web[1], "look")
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint("count ", workers*each), body)
}

func TestASessionOutlivesItsDatabaseServersMove(t *testing.T) {
	s := newShop(t, 1)
	visitor := &shopper{}
	node := s.web[0]

	body, err := visitor.ask(t.Context(), node, "add")
	require.NoError(t, err)
	require.Equal(t, "count 1", body)

	ended := make(chan error, 1)

	go func() {
		_, err := visitor.ask(t.Context(), node, "wait")
		ended <- err
	}()

	require.Eventually(t, func() bool {
		_, err := node.try("", "test", "-e", "/tmp/waits")
		return err == nil
	}, patience, tick)

	// What a move of the proxies or of the writer does to a connection. The lock that it held is gone.
	for _, id := range strings.Fields(s.db.sql(wordpressConnections)) {
		s.db.sql("KILL CONNECTION " + id)
	}

	node.run("rm", "/tmp/waits")
	require.NoError(t, <-ended)

	body, err = visitor.ask(t.Context(), node, "look")
	require.NoError(t, err)
	require.Equal(t, "count 2", body)
}

const wordpressConnections = "SELECT id FROM information_schema.processlist WHERE user = 'wordpress'"

func TestSessionsComeAndGo(t *testing.T) {
	s := newShop(t, 1)
	node := s.web[0]

	// An id that a stranger made up is not taken: he would know the session of whoever he gave it to.
	stranger := &shopper{cookie: "PHPSESSID=" + strings.Repeat("a", 64)}
	_, err := stranger.ask(t.Context(), node, "add")
	require.NoError(t, err)
	require.NotContains(t, stranger.cookie, "aaaaaaaa")

	// The table does not tell the cookie.
	_, id, _ := strings.Cut(stranger.cookie, "=")
	require.NotContains(t, s.db.sql("SELECT HEX(id), id, data FROM wordpress.wp_hornero_sessions"), id)

	_, err = stranger.ask(t.Context(), node, "leave")
	require.NoError(t, err)
	require.Equal(t, "0", s.sessions())

	visitor := &shopper{}
	_, err = visitor.ask(t.Context(), node, "add")
	require.NoError(t, err)

	// Emptied again: only the random bytes are left, so the row is.
	_, err = visitor.ask(t.Context(), node, "empty")
	require.NoError(t, err)
	require.Equal(t, "1", s.sessions())

	// One that is over is not read, and cron takes it away.
	s.db.sql("UPDATE wordpress.wp_hornero_sessions SET expires = 1")

	body, err := visitor.ask(t.Context(), node, "look")
	require.NoError(t, err)
	require.Equal(t, "count 0", body)

	node.task("wordpress-cron")
	require.Equal(t, "0", s.sessions())
}
