//go:build root

package e2e_test

import (
	"errors"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// saidWithin is how soon a command that changes nothing says that the API is down.
const saidWithin = 20 * time.Second

// theAPIIsDown has the API answer 503, then not at all: nodes are reached all the same.
func theAPIIsDown(t *testing.T, s *stack) {
	s.must("status")

	for name, body := range map[string]map[string]any{
		"503":   {"status": http.StatusServiceUnavailable},
		"hangs": {"hang": true},
	} {
		body["kind"] = "api"
		body["match"] = "* /v2/**"
		lift := s.inflict(body)

		out, err := s.tryFor(saidWithin, "plan")
		require.Equal(t, 1, exitCode(err), out)
		require.Contains(t, out, "/v2/", "%s: the call is named", name)
		require.Contains(t, out, "The API is down", name)

		out, err = s.tryFor(saidWithin, "status")
		require.Equal(t, 1, exitCode(err), out)
		require.Contains(t, out, "the API does not answer", name)
		require.Contains(t, out, "from what was seen at ", name)
		require.Contains(t, out, "quorum true", "%s: the nodes were asked", name)

		out, err = s.tryFor(saidWithin, "exec", "web-1", "--", "hostname")
		require.NoError(t, err, out)

		out, err = s.tryFor(saidWithin, "db", "-e", "select 'it answers'")
		require.NoError(t, err, out)
		require.Contains(t, out, "it answers")

		lift()
	}

	require.NotContains(t, s.must("status"), "the API does not answer")
}

// exitCode is a command's; 0 when it worked, -1 when it was ended from outside.
func exitCode(err error) int {
	var exited *exec.ExitError
	if errors.As(err, &exited) {
		return exited.ExitCode()
	}

	return 0
}
