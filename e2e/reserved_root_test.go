//go:build root

package e2e_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
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

type reservedIP struct {
	Address, Holder, Problem string
	AssignedTo               string `json:"assigned_to"`
}

// reservedIP is what status says of the reserved IP.
func (s *site) reservedIP() reservedIP {
	s.t.Helper()
	var status struct {
		ReservedIP reservedIP `json:"reserved_ip"`
	}
	command := exec.Command(filepath.Join(s.root, "bin/hornero"), "-f", s.file, "status", "--json")
	command.Env = s.env
	out, err := command.Output()
	if len(out) == 0 {
		require.NoError(s.t, err)
	}

	require.NoError(s.t, json.Unmarshal(out, &status))

	return status.ReservedIP
}

// heldBy waits until a node other than one holds the reserved IP and has it.
func (s *site) heldBy(notBy string) string {
	s.t.Helper()
	var said reservedIP
	require.Eventually(s.t, func() bool {
		said = s.reservedIP()
		return said.Holder != "" && said.Holder != notBy && said.AssignedTo == said.Holder && said.Problem == ""
	}, 60*time.Second, 500*time.Millisecond, "the reserved IP is held, and not by %q: %+v", notBy, &said)

	return said.Holder
}

func other(proxy string) string {
	return map[string]string{"proxy-1": "proxy-2", "proxy-2": "proxy-1"}[proxy]
}

// theReservedIPMoves loses the machine of its holder, and then replaces the holder: each time the other proxy
// has it soon, and whoever comes back takes nothing away.
func theReservedIPMoves(t *testing.T, s *site) {
	require.NotEmpty(t, s.floats, "the stack asks for a reserved IP")
	s.untilHealthy()

	first := s.heldBy("")

	client := &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		},
	}

	answers := func() {
		for _, scheme := range []string{"http", "https"} {
			response, err := client.Get(scheme + "://" + s.floats + "/")
			require.NoError(t, err)

			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, response.StatusCode)
			require.Contains(t, string(body), "<title>Hornero</title>")
		}
	}
	answers()

	said := s.must("status")
	require.Contains(t,
		said,
		fmt.Sprintf("reserved IP %s, held by %s, assigned to %s\n", s.floats, first, first),
	)

	require.NotContains(t, said, "the token", "it is as narrow as it is to be")
	s.onlyProxiesHaveTheToken()
	s.theAPIIsThereForDroplets()

	droplet := s.nodes()[first].DropletID
	page := pageAt("http://" + s.floats + "/")

	require.Equal(t,
		201,
		s.api(
			"POST",
			fmt.Sprintf("/v2/droplets/%d/actions", droplet),
			map[string]any{"type": "power_off"},
			nil,
		),
	)

	second := s.heldBy(first)
	answers()

	gap := page()
	t.Logf("machine of %s lost: the reserved IP without an answer for %.1f s", first, gap.Seconds())
	require.Equal(t, other(first), second)
	require.Less(t, gap, longestMove)

	require.Equal(t,
		201,
		s.api(
			"POST",
			fmt.Sprintf("/v2/droplets/%d/actions", droplet),
			map[string]any{"type": "power_on"},
			nil,
		),
	)

	s.untilHealthy()
	require.Equal(t, second, s.heldBy(""), "who comes back takes nothing away")

	page = pageAt("http://" + s.floats + "/")
	s.must("replace", second)

	gap = page()
	t.Logf("%s replaced: the reserved IP without an answer for %.1f s", second, gap.Seconds())
	require.Less(t, gap, longestHandOver)
	s.untilHealthy()
	require.Equal(t, first, s.heldBy(""), "its successor takes nothing away")
	answers()

	events := s.must("events")
	require.Regexp(t,
		second+" holds proxy.reserved-ip at epoch [0-9]+, after "+first+": "+first+" did not renew it in time",
		events,
	)

	require.Regexp(t, "reserved-ip +"+second+" +"+s.floats+" reaches "+second, events)

	require.Contains(t,
		s.on(
			first,
			"curl -s $(hornero-bootstrap status --json | sed -n "+
				"'s/.*\"address\":\"\\([0-9.]*\\)\",\"phase\".*/\\1/p'):9200/metrics",
		),
		fmt.Sprintf(`hornero_reserved_ip_active{address=%q} 1`, s.floats),
	)
}

// mover is the token that moves the reserved IP.
func (s *site) mover() string {
	s.t.Helper()
	return strings.TrimSpace(s.must("secrets", "show", "digitalocean.reserved_ip_token"))
}

// onlyProxiesHaveTheToken looks for it wherever a node keeps what it was given.
func (s *site) onlyProxiesHaveTheToken() {
	s.t.Helper()

	for name, node := range s.nodes() {
		look := exec.Command(
			filepath.Join(s.root, "bin/hornero"),
			"-f",
			s.file,
			"exec",
			name,
			"--",
			"sh",
			"-c",
			"cat >/dev/shm/token; grep -rlF -f /dev/shm/token /etc /run /var/lib/hornero /var/lib/cloud "+
				"/var/log 2>/dev/null; rm /dev/shm/token",
		)

		look.Env, look.Stdin = s.env, strings.NewReader(s.mover())
		out, err := look.CombinedOutput()
		require.NoError(s.t, err, string(out))

		require.Equal(
			s.t,
			node.Role == "proxy",
			strings.Contains(string(out), "/"),
			"where %s has the token: %s",
			name,
			out,
		)
	}
}

// theAPIIsThereForDroplets asks the API from a node that has no token: it answers, and what only the lab has is
// not there.
func (s *site) theAPIIsThereForDroplets() {
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
	require.Equal(s.t, "403", status("/v2/account", s.mover()))

	require.Equal(
		s.t,
		"200",
		status("/v2/reserved_ips/"+s.floats, s.mover()),
	)

	require.Equal(s.t, "404", status("/lab/v1/status", s.token()))
}
