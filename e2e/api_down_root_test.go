//go:build root

package e2e_test

import (
	"net/http"
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
		s.worksWithout(name, body)
	}

	require.NotContains(t, s.must("status"), "the API does not answer")
}

// worksWithout has the API fail in a way, and asks what must be answered all the same.
func (s *stack) worksWithout(name string, body map[string]any) {
	s.t.Helper()

	body["kind"] = "api"
	body["match"] = "* /v2/**"
	lift := s.inflict(body)
	defer lift()

	out, err := s.tryFor(saidWithin, "plan")
	require.Equal(s.t, 1, exitCode(err), out)
	require.Contains(s.t, out, "/v2/", "%s: the call is named", name)
	require.Contains(s.t, out, "The API is down", name)

	out, err = s.tryFor(saidWithin, "status")
	require.Equal(s.t, 1, exitCode(err), out)
	require.Contains(s.t, out, "the API does not answer", name)
	require.Contains(s.t, out, "from what was seen at ", name)
	require.Contains(s.t, out, "quorum true", "%s: the nodes were asked", name)

	out, err = s.tryFor(saidWithin, "exec", "web-1", "--", "hostname")
	require.NoError(s.t, err, out)

	out, err = s.tryFor(saidWithin, "db", "-e", "select 'it answers'")
	require.NoError(s.t, err, out)
	require.Contains(s.t, out, "it answers")
}
