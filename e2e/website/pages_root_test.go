//go:build root

package website_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// slowly is a plugin of the test's: a page takes its time after its posts are there, when a request says so, and leaves
// a mark when it does.
const slowly = `<?php
if (isset($_SERVER['HTTP_X_TEST_HELD'])) {
	// After the page cache's own last step, which has found nothing then: until a change was told, and a little longer.
	add_action('shutdown', function () {
		touch('/tmp/begun');
		$until = microtime(true) + 30;
		while (!file_exists('/tmp/changed') && microtime(true) < $until) {
			usleep(1000);
		}
		usleep(300000);
	}, PHP_INT_MAX);
}
add_action('wp_footer', function () {
	if (isset($_SERVER['HTTP_X_TEST_SLOW'])) {
		touch('/tmp/begun');
		usleep(1500000);
	}
});
add_action('template_redirect', function () {
	if (isset($_GET['page_id']) || strpos($_SERVER['REQUEST_URI'], '/own/') === 0) {
		define('DONOTCACHEPAGE', true);
	}
});
`

// front asks a node for a page as a stranger.
func (n *webNode) front(path string, more ...string) answer {
	n.t.Helper()
	return n.get(path, visit("203.0.113.1", more...)...)
}

// warm fills each node's cache with a page. The first views of a site may make what all pages have, as a menu.
func (s *site) warm(path string) {
	s.t.Helper()

	require.Eventually(s.t, func() bool {
		hits := 0

		for _, n := range s.web {
			if n.front(path).header.Get("X-Cache") == "HIT" {
				hits++
			}
		}

		return hits == len(s.web)
	}, time.Minute, 10*time.Millisecond)
}

// publish publishes a post from a node.
func (n *webNode) publish(title string) string {
	n.t.Helper()

	const insert = `echo wp_insert_post([
		"post_title" => %q,
		"post_content" => "x",
		"post_status" => "publish",
	]);`

	return n.wordpress(fmt.Sprintf(insert, title))
}

// A publication is seen on all nodes at once, and what visitors do not see empties no cache.
func TestAPublicationIsSeenOnAllNodes(t *testing.T) {
	s := newSite(t, 3, map[string]string{"url": siteURL})
	s.warm("/")

	began := time.Now()
	post := s.web[1].publish("Good news")
	took := time.Since(began)

	for _, n := range s.web {
		require.Contains(t, n.front("/").body, "Good news", n.name)
	}

	t.Logf("figure: PHP and WordPress started, published and told three nodes in %s", took.Round(time.Millisecond))

	for _, code := range []string{
		`update_option("blogname", "Harbour");`,
		`wp_update_post(["ID" => ` + post + `, "post_title" => "Better news"]);`,
		`wp_delete_post(` + post + `, true);`,
		`wp_insert_comment([
			"comment_post_ID" => 1,
			"comment_content" => "Hear, hear",
			"comment_author" => "Ann",
			"comment_approved" => 1,
		]);`,
	} {
		s.warm("/")
		s.web[0].wordpress(code)

		for _, n := range s.web {
			require.Equal(t, "MISS", n.front("/").header.Get("X-Cache"), "%s: %s", code, n.name)
		}
	}

	s.warm("/")
	s.web[0].wordpress(`wp_insert_post(["post_title" => "Draft", "post_status" => "draft"]);
		update_option("a_plugins_own", time()); set_transient("a", time(), 60);`)

	for _, n := range s.web {
		require.Equal(t, "HIT", n.front("/").header.Get("X-Cache"), n.name)
	}
}

// A visitor's comment goes through PHP-FPM: the answer that he gets comes after all nodes were told.
func TestAVisitorsCommentIsSeenOnAllNodes(t *testing.T) {
	s := newSite(t, 2, map[string]string{"url": siteURL})
	s.web[0].wordpress(`update_option("comment_previously_approved", 0); update_option("comment_moderation", 0);`)

	const post = "/?p=1"

	where := s.web[0].front(post).header.Get("Location")
	path := strings.TrimPrefix(where, siteURL)
	require.NotEmpty(t, path, where)

	s.warm(path)

	form := "comment_post_ID=1&author=Ann&email=ann%40example.org&comment=Splendid+harbour"
	sent := s.web[0].ask(
		http.MethodPost,
		"/wp-comments-post.php",
		form,
		visit("203.0.113.5", "Content-Type", formType)...,
	)
	require.Equal(t, http.StatusFound, sent.status, sent.body)

	for _, n := range s.web {
		require.Contains(t, n.front(path).body, "Splendid harbour", n.name)
	}
}

// Many publications at once: the last is seen, too, though the nodes are told at most once in a while. A node that is
// cut off keeps nobody.
func TestManyPublicationsAtOnce(t *testing.T) {
	s := newSite(t, 2, map[string]string{"url": siteURL})
	s.web[0].wordpress(`update_option("posts_per_page", 50);`)
	s.warm("/")

	var group sync.WaitGroup

	for i := range 6 {
		group.Go(func() { s.web[i%2].publish(fmt.Sprintf("News %d.", i)) })
	}

	group.Wait()

	for _, n := range s.web {
		require.Eventuallyf(t, func() bool {
			page := n.front("/").body
			return strings.Count(page, "News ") >= 6 && strings.Contains(page, "News 5.")
		}, 10*time.Second, 20*time.Millisecond, n.name)
	}

	s.web[1].cut(true)
	s.web[0].publish("Alone")
	require.Contains(t, s.web[0].front("/").body, "Alone")
}

// beginPage is a site's only node on its way to a page that takes its time, as a header asks.
func beginPage(t *testing.T, header string) (*webNode, <-chan answer) {
	t.Helper()

	s := prepareSite(t, map[string]string{"url": siteURL})
	s.adds("/usr/share/wordpress/wp-content/mu-plugins/slowly.php", slowly)
	s.addNode()
	s.install()

	node := s.web[0]
	ended := make(chan answer)

	go func() { ended <- node.front("/", header, "1") }()

	require.Eventually(t, func() bool {
		_, err := os.Stat(node.root + "/tmp/begun")
		return err == nil
	}, time.Minute, 10*time.Millisecond)

	return node, ended
}

// A page that was begun before a publication and ends after it is not stored.
func TestAPageThatWasBegunBeforeAPublication(t *testing.T) {
	node, ended := beginPage(t, "X-Test-Slow")

	node.publish("Too late")
	require.NotContains(t, (<-ended).body, "Too late", "it was made before")
	require.Eventually(t, func() bool {
		return strings.Contains(node.front("/").body, "Too late")
	}, 5*time.Second, 20*time.Millisecond)

	// What a plugin calls its own is not stored, either.
	for range 3 {
		require.NotEqual(t, "HIT", node.front("/own/").header.Get("X-Cache"))
	}
}

// A page that is at its end when a publication is told, and that nginx stores after it, does not stay.
func TestAPageThatIsStoredAfterAPublication(t *testing.T) {
	node, ended := beginPage(t, "X-Test-Held")

	// The publication's own process goes on after it has emptied the cache: its mark is what is waited for.
	mark := node.root + "/run/php/hornero-pages.emptied"
	before, _ := os.ReadFile(mark)
	published := make(chan string)

	go func() { published <- node.publish("Too late") }()

	require.Eventually(t, func() bool {
		now, _ := os.ReadFile(mark)
		return string(now) != string(before)
	}, time.Minute, time.Millisecond)
	require.NoError(t, os.WriteFile(node.root+"/tmp/changed", nil, 0o644))

	page := <-ended
	require.NotContains(t, page.body, "Too late", "it was made before")
	require.Equal(t, "MISS", page.header.Get("X-Cache"), "nginx stores it")
	require.Empty(t, page.header.Get("X-Hornero-Begun"), "a visitor needs not know")

	<-published
	require.Contains(t, node.front("/").body, "Too late")
}

// The door through which nodes tell each other opens to nobody else.
func TestNobodyElseEmptiesThePageCache(t *testing.T) {
	s := newSite(t, 2, map[string]string{"url": siteURL})
	node := s.web[0]

	sign := func(key, when string) string {
		const say = `require "/usr/share/hornero/web/pages.php"; echo hornero_pages_signature(%s, %s);`
		return s.web[1].php(fmt.Sprintf(say, key, when))
	}

	ask := func(signature string) int {
		address := "http://" + node.address + ":8082/empty"
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, nil)
		require.NoError(t, err)
		request.Header.Set("X-Hornero-Signature", signature)

		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())

		return response.StatusCode
	}

	const key = "hornero_pages_known()['key']"

	s.warm("/")
	require.Equal(t, http.StatusForbidden, ask(""))
	require.Equal(t, http.StatusForbidden, ask(sign(`""`, "time()")))
	require.Equal(t, http.StatusForbidden, ask(sign(`"another"`, "time()")))
	require.Equal(t, http.StatusForbidden, ask(sign(key, "time() - 3600")), "an old word, said again")
	require.Equal(t, "HIT", node.front("/").header.Get("X-Cache"))

	require.Equal(t, http.StatusNoContent, ask(sign(key, "time()")))
	require.Equal(t, "MISS", node.front("/").header.Get("X-Cache"))

	// An owner's own word.
	s.warm("/")
	_, err := node.verb("site purge")
	require.NoError(t, err)
	require.Equal(t, "MISS", node.front("/").header.Get("X-Cache"))
}

// Without an address of the site, any name that is asked for would be a page of its own: there is no cache then.
func TestNoCacheWithoutAnAddress(t *testing.T) {
	s := newSite(t, 1, nil)

	for range 2 {
		require.Empty(t, s.web[0].get("/").header.Get("X-Cache"))
	}
}
