//go:build root

package website_test

import (
	"net"
	"net/http"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// syslog takes what the node's programs tell its journal, a message at a time.
func (n *node) syslog() func() string {
	n.t.Helper()

	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{
		Net:  "unixgram",
		Name: n.root + "/dev/log",
	})
	require.NoError(n.t, err)
	n.t.Cleanup(func() { socket.Close() })
	n.run("chmod", "0666", "/dev/log")

	return func() string {
		require.NoError(n.t, socket.SetReadDeadline(time.Now().Add(time.Minute)))
		message := make([]byte, 1<<16)

		size, err := socket.Read(message)
		require.NoError(n.t, err)

		return string(message[:size])
	}
}

// A roll compares nodes by these lines (role.yaml: counters).
func TestNginxTellsWhatItAnswered(t *testing.T) {
	s := prepareSite(t, nil)
	n := s.addNode()
	next := n.syslog()

	serve, _ := s.manifest.Balanced("")
	require.Equal(t, "nginx", serve.Counters)

	require.Equal(t, http.StatusForbidden, n.get("/.git").status)
	require.Regexp(t, ` nginx: 10\.108\.7\.1 .* status=403 seconds=\d+\.\d+$`, next())

	// The site's own failure counts, whatever a visitor says of himself.
	n.fpm.end(syscall.SIGTERM)
	require.Equal(t, http.StatusBadGateway, n.get("/?status=200%20seconds=0").status)

	line := next()
	for !regexp.MustCompile(`status=502 seconds=\d+\.\d+$`).MatchString(line) {
		require.Contains(t, line, "[", "an error's line comes before")
		line = next()
	}
}
