//go:build root && browser

package website_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	spaceclient "github.com/hornero/hornero/internal/space"
	"github.com/hornero/hornero/lab/loadbalancer"
)

// An author works in a real browser, behind a load balancer, while one web node dies and another is replaced. From the
// moment when the editor shows a picture, whoever asks any node for it gets it; when it is deleted, nothing is left.
func TestAnAuthorsPictureIsOnEveryNodeWhileNodesComeAndGo(t *testing.T) {
	write(t, startSite(t, map[string]string{"media": "replicated"}))
}

func TestAnAuthorsPictureIsInTheSpaceWhileNodesComeAndGo(t *testing.T) {
	s := startSite(t, map[string]string{
		"media":          "spaces",
		"media_bucket":   mediaBucket,
		"media_region":   "fra1",
		"media_endpoint": "http://" + self + ":7480",
	})

	write(t, s)
	require.Equal(t, []string{"wp-content/uploads/.hornero-media"}, inSpace(t))
}

// write is the author's day. It begins with three nodes and ends with two of them and a new one.
func write(t *testing.T, s *site) {
	t.Helper()

	drawn := picture(t, 7)
	a := newAuthor(s)
	a.browser.node.write("/tmp/photo.png", "0644", "root:root", string(drawn))
	a.signIn()

	post := a.begin("A letter from the sea")
	first := a.addPicture("/tmp/photo.png")
	require.Equal(t, string(drawn), s.web[0].visit(first).body)

	seen := s.view(first)
	seen.enough()

	// Its programs and its network are gone at once, and the peer set finds out later.
	killed := s.web[2]
	killed.kill()
	seen.enough()

	address := a.publish()
	s.declareDead(killed)
	s.shows(address, first)

	attachment := a.attachmentOf(post)
	a.turn(attachment)

	// The successor of a node serves before its predecessor goes, in the middle of the author's work.
	s.addNode()
	turned := a.save(attachment, first)
	seenTurned := s.view(turned)
	seenTurned.enough()

	s.drain(s.web[0])
	seenTurned.enough()

	seen.end()
	seenTurned.end()

	paths := a.files(attachment)
	require.GreaterOrEqual(t, len(paths), 4, "both pictures and their sizes")
	a.remove(attachment)

	for _, n := range s.living() {
		for _, path := range paths {
			require.Equal(t, http.StatusNotFound, n.visit(path).status, "%s: %s", n.name, path)
		}

		require.Zero(t, n.mediaStatus().Files, n.name)
		require.Empty(t, n.run("find", "/var/lib/wordpress/uploads", "-type", "f"), n.name)
	}
}

// startSite starts three web nodes behind a load balancer that ends TLS, and which will have a fourth.
func startSite(t *testing.T, settings map[string]string) *site {
	t.Helper()

	settings["url"] = "https://" + siteName

	s := prepareSite(t, settings)
	s.secrets["media.key"] = "KEY"
	s.secrets["media.secret"] = "secret"

	if settings["media"] == "spaces" {
		newSpace(s.t)
	}

	s.addNode()

	if settings["media"] == "spaces" {
		s.web[0].run("/usr/lib/hornero/hornero-media", "bucket")
	}

	s.addNode()
	s.addNode()
	s.install()

	s.balance(loadbalancer.Balancer{
		Rules: []loadbalancer.Rule{
			rule("https", 443, "http", 80),
		},
		Health: loadbalancer.Health{
			Interval:  3 * time.Second,
			Healthy:   2,
			Unhealthy: 2,
		},
		Targets: []loadbalancer.Target{
			{ID: 4, Address: addressOf(4)},
		},
	})

	return s
}

// visit asks the node for a page of the site, as the load balancer does.
func (n *webNode) visit(path string) answer {
	n.t.Helper()
	return n.get(path, "Host", siteName, "X-Forwarded-Proto", "https")
}

// shows wants every node's page of a post to have the picture, within the second that a publication may take.
func (s *site) shows(address, picture string) {
	s.t.Helper()

	for _, n := range s.living() {
		require.Eventually(s.t, func() bool {
			return strings.Contains(n.visit(address).body, picture)
		}, patience, tick, "%s: %s", n.name, address)
	}
}

// inSpace are the keys in the Space.
func inSpace(t *testing.T) []string {
	t.Helper()

	client := &spaceclient.Client{
		Endpoint: "http://" + self + ":7480",
		Region:   "fra1",
		Bucket:   mediaBucket,
		Key:      "KEY",
		Secret:   "secret",
		HTTP:     spaceclient.NewHTTP(),
	}

	var keys []string

	err := client.List(t.Context(), "", func(object spaceclient.Object) {
		keys = append(keys, object.Key)
	})
	require.NoError(t, err)

	return keys
}
