//go:build root

package website_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/spaces"
)

// startMedia starts hornero-media, and has those of the other nodes read their peers anew.
func (n *webNode) startMedia() {
	n.t.Helper()

	const program = "/usr/lib/hornero/hornero-media"

	n.run(
		"install",
		"-d",
		"-m",
		"0755",
		"/run/hornero-media",
	)
	n.media = n.start(program, "serve")

	require.Eventually(n.t, func() bool {
		_, err := os.Stat(n.root + "/run/hornero-media/media.sock")
		return err == nil
	}, time.Minute, 10*time.Millisecond)

	for _, other := range n.site.living() {
		if other != n {
			other.reloadMedia()
		}
	}
}

// reloadMedia has the daemon read its peers anew, as the bootstrap does when the peer set changed.
func (n *webNode) reloadMedia() {
	n.t.Helper()
	require.NoError(n.t, n.media.command.Process.Signal(syscall.SIGHUP))
}

// mediaStatus is what the node's daemon tells of itself.
func (n *webNode) mediaStatus() (status struct {
	Files, Here, Only, Pending int
	Trouble                    []string
}) {
	n.t.Helper()

	text := n.run(
		"/usr/lib/hornero/hornero-media",
		"status",
		"--json",
	)
	require.NoError(
		n.t,
		json.Unmarshal([]byte(text), &status),
		text,
	)

	return status
}

// seen wants every node to serve a path, and the same bytes.
func (s *site) seen(path string) {
	s.t.Helper()

	first := s.web[0].get(path)
	require.Equal(s.t, http.StatusOK, first.status, path)

	for _, n := range s.web {
		answer := n.get(path)
		require.Equal(
			s.t,
			http.StatusOK,
			answer.status,
			"%s: %s",
			n.name,
			path,
		)
		require.Equal(
			s.t,
			first.body,
			answer.body,
			"%s: %s",
			n.name,
			path,
		)
		require.Equal(
			s.t,
			"image/png",
			answer.header.Get("Content-Type"),
		)
	}
}

// gone wants no node to serve a path.
func (s *site) gone(path string) {
	s.t.Helper()

	for _, n := range s.web {
		require.Equal(
			s.t,
			http.StatusNotFound,
			n.get(path).status,
			"%s: %s",
			n.name,
			path,
		)
	}
}

func TestAnUploadIsSeenOnEveryNode(t *testing.T) {
	s := newSite(t, 3, nil)
	e := s.editor()

	var all []uploaded

	for i := range 6 {
		one := e.upload(s.web[i%3], picture(t, i))
		require.GreaterOrEqual(
			t,
			len(one.paths()),
			3,
			"the picture and its sizes",
		)

		for _, path := range one.paths() {
			s.seen(path)
		}

		all = append(all, one)
	}

	// Turned on another node than the one that got it: another file, and the first stays.
	turned := e.quarterTurn(s.web[1], all[0])

	for _, path := range append(turned.paths(), all[0].paths()...) {
		s.seen(path)
	}

	// A node that comes later has all of it from the first request on.
	s.addNode()

	for _, one := range all {
		s.seen(one.paths()[0])
	}

	// Deleted on any node, nothing of it is left.
	for i, one := range append(all, turned) {
		e.remove(s.web[(i+1)%4], one)
	}

	for _, n := range s.web {
		require.Zero(t, n.mediaStatus().Files, n.name)
	}
}

// Many who upload a file of one name at the same moment have a file each.
func TestUploadsOfOneNameAreDifferentPictures(t *testing.T) {
	s := newSite(t, 3, nil)
	e := s.editor()

	const clients, each = 8, 3

	pictures := make([][]byte, clients*each)
	for i := range pictures {
		pictures[i] = picture(t, i)
	}

	var (
		wait sync.WaitGroup
		mu   sync.Mutex
	)

	sources := map[string]int{}

	for client := range clients {
		wait.Go(func() {
			for i := client * each; i < (client+1)*each; i++ {
				status, said, err := e.ask(
					s.web[i%3],
					http.MethodPost,
					"/wp/v2/media",
					"image/png",
					pictures[i],
				)
				if err != nil || status != http.StatusCreated {
					t.Errorf(
						"%d %s: %v",
						status,
						said.Message,
						err,
					)
					return
				}

				parsed, err := url.Parse(said.Source)
				if err != nil {
					t.Error(err)
					return
				}

				mu.Lock()
				sources[parsed.Path] = i
				mu.Unlock()
			}
		})
	}

	wait.Wait()
	require.Len(t, sources, clients*each)

	for path, i := range sources {
		for _, n := range s.web {
			require.Equal(
				t,
				string(pictures[i]),
				n.get(path).body,
				"%s: %s",
				n.name,
				path,
			)
		}
	}
}

// A plugin that writes into the uploads while it makes a page, and asks nobody.
func TestWhatAPluginWritesIsOnEveryNode(t *testing.T) {
	s := prepareSite(t, nil)
	s.adds("/usr/share/wordpress/wp-content/mu-plugins/styles.php", `<?php
		add_action("wp_head", function () {
			$folder = wp_upload_dir()["basedir"] . "/styles";
			wp_mkdir_p($folder);
			file_put_contents("$folder/" . gethostname_of_the_test() . ".css", str_repeat("a{}", 1000));
		});
		function gethostname_of_the_test() { return preg_replace("/[^0-9]/", "", $_GET["style"] ?? "0"); }
	`)
	s.addNode()
	s.addNode()
	s.install()

	for i := range 20 {
		page := s.web[i%2].get(fmt.Sprintf("/?style=%d", i))
		require.Equal(t, http.StatusOK, page.status)

		answer := s.web[(i+1)%2].get(fmt.Sprintf("/wp-content/uploads/styles/%d.css", i))
		require.Equal(t, http.StatusOK, answer.status)
		require.Len(t, answer.body, 3000)
	}

	// What PHP writes there is not run, and what it may not show is not shown.
	for _, path := range []string{"a.php", "woocommerce_uploads/a.csv", ".hidden"} {
		s.web[0].write("/var/lib/wordpress/uploads/"+path, "0644", "www-data:www-data", "<?php echo 1;")
		require.Equal(
			t,
			http.StatusForbidden,
			s.web[0].get("/wp-content/uploads/"+path).status,
			path,
		)
	}
}

// space is a Space of the site's own, which fails when it is told to, and counts.
type space struct {
	down  atomic.Bool
	asked atomic.Int64
}

const mediaBucket = "pictures"

// newSpace serves a Space to the site's nodes.
func newSpace(t *testing.T) *space {
	t.Helper()

	served, err := spaces.Open(spaces.Config{
		Folder: t.TempDir(),
		Keys: func(string) (spaces.Key, bool) {
			full := spaces.Grant{Permission: spaces.FullAccess}
			return spaces.Key{Secret: "secret", Grants: []spaces.Grant{full}}, true
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)

	s := &space{}
	handler := served.Handler("fra1")

	listener, err := net.Listen("tcp", self+":7480")
	require.NoError(t, err)

	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)

		if s.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}

		handler.ServeHTTP(w, r)
	})}

	go func() { _ = server.Serve(listener) }()

	t.Cleanup(func() { _ = server.Close() })

	return s
}

// siteInASpace is a site of two nodes with its uploads in a Space.
func siteInASpace(t *testing.T) (*site, *space) {
	t.Helper()

	s := prepareSite(t, map[string]string{
		"media":          "spaces",
		"media_bucket":   mediaBucket,
		"media_region":   "fra1",
		"media_endpoint": "http://" + self + ":7480",
		"media_url":      "https://cdn.example.org/uploads",
	})
	s.secrets["media.key"] = "KEY"
	s.secrets["media.secret"] = "secret"

	store := newSpace(t)
	s.addNode()
	s.web[0].run("/usr/lib/hornero/hornero-media", "bucket")
	s.addNode()
	s.install()

	return s, store
}

func TestUploadsAreKeptInASpace(t *testing.T) {
	s, store := siteInASpace(t)
	e := s.editor()

	one := e.upload(s.web[0], picture(t, 1))
	for _, path := range one.paths() {
		s.seen(path)
	}

	// Turned where it has never been.
	turned := e.quarterTurn(s.web[1], one)
	for _, path := range turned.paths() {
		s.seen(path)
	}

	// Pages, and pictures that are here, ask the Space for nothing.
	before := store.asked.Load()

	for range 10 {
		for _, n := range s.web {
			require.Equal(
				t,
				http.StatusOK,
				n.get("/").status,
			)
			require.Equal(
				t,
				http.StatusOK,
				n.get(one.paths()[0]).status,
			)
		}
	}

	require.Equal(t, before, store.asked.Load())

	// The Space is down: an upload is refused with a word, and the site goes on.
	store.down.Store(true)

	status, refused, err := e.ask(
		s.web[0],
		http.MethodPost,
		"/wp/v2/media",
		"image/png",
		picture(t, 2),
	)
	require.NoError(t, err)
	require.Equal(
		t,
		http.StatusInternalServerError,
		status,
	)
	require.Contains(
		t,
		refused.Message,
		"could not be kept",
	)
	require.Equal(
		t,
		http.StatusOK,
		s.web[0].get("/").status,
	)
	s.seen(one.paths()[0])

	store.down.Store(false)
	e.remove(s.web[1], one)
	e.remove(s.web[0], turned)

	require.Eventually(t, func() bool {
		return s.web[0].mediaStatus().Pending == 0
	}, time.Minute, 100*time.Millisecond)
}
