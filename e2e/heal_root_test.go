//go:build root

package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A silent node is dead sooner than on a stack that somebody pays for.
const silence = "--silence=5s"

// deadNodesAreMadeAnew deletes Droplets behind the stack's back, one, two, and more than a healer takes on.
func deadNodesAreMadeAnew(t *testing.T, s *stack) {
	for _, nodes := range [][]string{{"web-1"}, {"proxy-1"}, {"db-2"}, {"proxy-2", "db-3"}} {
		s.deletes(nodes...)

		out := s.must("heal", silence)
		for _, name := range nodes {
			require.Contains(t, out, name)
		}

		s.untilHealthy()
	}

	// A machine that dies is off, or silent: it is turned on, or made anew.
	s.killAll(s.nodes()["db-2"].DropletID)
	s.must("heal", silence)
	s.untilHealthy()
	require.Contains(t, s.must("heal", silence), "every node is there and answers")

	s.deletes("web-1", "web-2", "proxy-1", "db-2")

	out, err := s.try("heal", silence)
	require.Equal(t, 4, exitCode(err), out)
	require.Contains(t, out, "too much is down")

	s.must("up", soak)
	require.Contains(t, s.must("plan"), "Nothing to do")
}

// deletes deletes nodes' Droplets as somebody at DigitalOcean may, and waits until they are gone.
func (s *stack) deletes(nodes ...string) {
	s.t.Helper()

	for _, name := range nodes {
		path := fmt.Sprintf("/v2/droplets/%d", s.nodes()[name].DropletID)
		require.Equal(s.t, http.StatusNoContent, s.api(http.MethodDelete, path, nil, nil))
	}

	require.Eventually(s.t, func() bool {
		all := s.nodes()
		for _, name := range nodes {
			if all[name].DropletID != 0 {
				return false
			}
		}

		return true
	}, 30*time.Second, time.Second, "%v are gone", nodes)
}
