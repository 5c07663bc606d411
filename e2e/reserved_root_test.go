//go:build root

package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The reserved IP may be without an answer for this long, at most, when the machine of its holder is lost, and
// when its holder gives it up.
const (
	longestMove     = 20 * time.Second
	longestHandOver = 5 * time.Second
)

// heldBy waits until a node other than one holds the reserved IP and has it.
func (s *stack) heldBy(notBy string) string {
	s.t.Helper()
	var said reservedIP

	moved := func() bool {
		said = s.status().ReservedIP
		held := said.Holder != "" && said.Holder != notBy

		return held && said.AssignedTo == said.Holder && said.Problem == ""
	}

	require.Eventually(s.t,
		moved,
		60*time.Second,
		500*time.Millisecond,
		"the reserved IP is held, and not by %q: %+v", notBy, &said,
	)

	return said.Holder
}

func otherProxy(name string) string {
	return map[string]string{
		"proxy-1": "proxy-2",
		"proxy-2": "proxy-1",
	}[name]
}

// theReservedIPMoves loses the machine of its holder, and then replaces the holder: each time the other proxy
// has it soon, and whoever comes back takes nothing away.
func theReservedIPMoves(t *testing.T, s *stack) {
	require.NotEmpty(t, s.reserved, "the stack asks for a reserved IP")
	s.untilHealthy()

	first := s.heldBy("")
	s.answers(s.reserved)

	said := s.must("status")
	line := fmt.Sprintf("reserved IP %s, held by %s, assigned to %s\n", s.reserved, first, first)
	require.Contains(t, said, line)
	require.NotContains(t, said, "the token", "it is as narrow as it is to be")

	s.onlyProxiesHaveTheToken()
	s.theAPIIsThereForDroplets()

	second := s.loseHolder(first)
	require.Equal(t, second, s.heldBy(""), "who comes back takes nothing away")

	s.replaceHolder(second)
	require.Equal(t, first, s.heldBy(""), "its successor takes nothing away")
	s.answers(s.reserved)

	s.moveIsTold(first, second)
}

// loseHolder turns the holder's machine off, and on again when another holds the reserved IP.
func (s *stack) loseHolder(first string) (second string) {
	s.t.Helper()
	id := s.nodes()[first].DropletID
	page := s.pageAt("http://" + s.reserved + "/")
	require.Equal(s.t, http.StatusCreated, s.power(id, "power_off"))

	second = s.heldBy(first)
	s.answers(s.reserved)

	gap := page()
	s.t.Logf("machine of %s lost: the reserved IP without an answer for %.1f s", first, gap.Seconds())
	require.Equal(s.t, otherProxy(first), second)
	require.Less(s.t, gap, longestMove)

	require.Equal(s.t, http.StatusCreated, s.power(id, "power_on"))
	s.untilHealthy()

	return second
}

// replaceHolder replaces the holder, which hands the reserved IP over.
func (s *stack) replaceHolder(holder string) {
	s.t.Helper()
	page := s.pageAt("http://" + s.reserved + "/")
	s.must("replace", holder)

	gap := page()
	s.t.Logf("%s replaced: the reserved IP without an answer for %.1f s", holder, gap.Seconds())
	require.Less(s.t, gap, longestHandOver)
	s.untilHealthy()
}

// moveIsTold looks for the move in the stack's events and in the metrics of who holds it now.
func (s *stack) moveIsTold(first, second string) {
	s.t.Helper()
	events := s.must("events")
	taken := " holds " + called("proxy") + ".reserved-ip at epoch [0-9]+, after "
	require.Regexp(s.t, second+taken+first+": "+first+" did not renew it in time", events)
	require.Regexp(s.t, "reserved-ip +"+second+" +"+s.reserved+" reaches "+second, events)

	const metrics = "curl -s 127.0.0.1:9200/metrics"
	active := fmt.Sprintf(`hornero_reserved_ip_active{address=%q} 1`, s.reserved)
	require.Contains(s.t, s.on(first, metrics), active)
}

// theAPIIsThereForDroplets asks the API from a node that has no token: it answers, and what only the lab has is
// not there.
func (s *stack) theAPIIsThereForDroplets() {
	s.t.Helper()
	document := s.must("userdata", "proxy-1")
	_, rest, found := strings.Cut(document, "reserved_ip.api: ")
	require.True(s.t, found)

	api, _, _ := strings.Cut(rest, "\n")
	status := func(path, token string) string {
		return s.on("web-1", fmt.Sprintf(
			"curl -s -m 5 -o /dev/null -w '%%{http_code}' -H 'Authorization: Bearer %s' %s%s",
			token,
			strings.Trim(strings.TrimSpace(api), `"'`),
			path,
		))
	}

	require.Equal(s.t, "401", status("/v2/account", "none"))

	// The token of a proxy may move the address and do nothing else.
	mover := s.mover()
	require.Equal(s.t, "403", status("/v2/account", mover))
	require.Equal(s.t, "200", status("/v2/reserved_ips/"+s.reserved, mover))

	require.Equal(s.t, "404", status("/lab/v1/status", s.token()))
}
