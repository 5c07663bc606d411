//go:build root

package e2e_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// browser is a client that makes a connection for each request, and takes the stack's own certificate.
func browser() *http.Client {
	return &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		},
	}
}

// answers asks for the front page over HTTP and HTTPS. The address has no scheme.
func (s *stack) answers(address string) {
	s.t.Helper()

	for _, scheme := range []string{"http", "https"} {
		response, err := browser().Get(scheme + "://" + address)
		require.NoError(s.t, err)

		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		require.NoError(s.t, err)
		require.Equal(s.t, http.StatusOK, response.StatusCode, scheme)
		require.Contains(s.t, string(body), "<title>Hornero</title>", scheme)
	}
}

func itServes(t *testing.T, s *stack) {
	s.answers(strings.TrimPrefix(s.address, "http://"))
	s.untilHealthy()
	require.Len(t, s.nodes(), nodeCount)

	require.Contains(t, s.must("db", "-e", "select user_login from wordpress.wp_users"), "admin")
	require.Contains(t, s.must("db", "-e", "show status like 'wsrep_cluster_size'"), "3")

	password := strings.TrimSpace(s.must("secrets", "show", "wordpress.admin_password"))
	require.GreaterOrEqual(t, len(password), 20)

	require.Contains(t, s.on("web-1", "cat /etc/debian_version"), "13")
}

func upAgainChangesNothing(t *testing.T, s *stack) {
	before := s.nodes()

	// Editors change what the site shows: nothing there says whether the stack serves.
	rename := func(title string) {
		s.must("db", "-e", "update wordpress.wp_options set option_value = '"+title+"' where option_name = 'blogname'")
	}
	t.Cleanup(func() { rename("Hornero") })
	rename("An editor was here")

	began := time.Now()
	s.must("up")
	require.Less(t, time.Since(began), 20*time.Second, "of a stack that is as it should be")
	s.must("plan", "--detailed-exitcode")

	for name, n := range s.nodes() {
		require.Equal(t, before[name].DropletID, n.DropletID, name)
	}
}

func nodesAreThemselves(t *testing.T, s *stack) {
	own := []string{
		"cat /etc/machine-id",
		"cat /etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2",
		"hostname",
	}

	for _, pair := range [][2]string{
		{"web-1", "web-2"},
		{"proxy-1", "proxy-2"},
		{"db-1", "db-2"},
	} {
		for _, what := range own {
			one := s.on(pair[0], what)
			two := s.on(pair[1], what)
			require.NotEmpty(t, one)
			require.NotEqualf(t, one, two, "%s of %v", what, pair)
		}
	}
}

// imagesTellWhatTheyAre reads the record of an image where it was baked, and of the same one inside a node that
// runs it.
func imagesTellWhatTheyAre(t *testing.T, s *stack) {
	list := s.must("images", "list")
	for _, droplet := range []string{"-db-1,", "-proxy-1,", "-web-1,"} {
		require.Contains(t, list, droplet)
	}

	kept := s.must("images", "show", called("web"))
	require.Contains(t, kept, "nginx-light")

	inside := s.must("images", "show", called("web"), "--records", t.TempDir())
	require.Equal(t, kept, inside)
}

func destroy(t *testing.T, s *stack) {
	s.must("destroy", "--yes")
	require.Empty(t, s.droplets())
}
