//go:build root

package e2e_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// logsHoldNoSecret looks for every secret of the stack in the journal and the logs of all nodes.
func logsHoldNoSecret(t *testing.T, s *stack) {
	var patterns []string
	for _, name := range strings.Fields(s.must("secrets", "list")) {
		if !strings.Contains(name, "certificate") {
			patterns = append(patterns, secretLines(s.must("secrets", "show", name))...)
		}
	}

	require.Greater(t, len(patterns), 4)

	nodes := s.nodes()
	require.Len(t, nodes, nodeCount)

	const look = `cat >/run/patterns
journalctl --no-pager | grep -F -f /run/patterns
grep -rlF -f /run/patterns /var/log
rm /run/patterns`

	for name := range nodes {
		found := s.onWith(name, strings.Join(patterns, "\n"), look)
		require.Empty(t, found, "secrets in the logs of %s", name)
	}
}

// secretLines are the lines of a secret that occur nowhere by chance, without what is public of it.
func secretLines(secret string) (lines []string) {
	for line := range strings.Lines(secret) {
		line = strings.TrimSpace(line)
		public := strings.HasPrefix(line, "-----") || strings.HasPrefix(line, "ssh-")

		if len(line) >= 16 && !public {
			lines = append(lines, line)
		}
	}

	return lines
}

// secretsAreRootsOnly looks on the disks of nodes for the stack's secrets: there is root's copy of the node's
// document, for a boot without the metadata service, and nothing that anybody else may read.
func secretsAreRootsOnly(s *stack) {
	s.t.Helper()

	names := []string{
		"wordpress.db_password",
		"wordpress.admin_password",
		"wordpress.salt",
		"proxy.stats_password",
	}
	var patterns []string

	for _, name := range names {
		patterns = append(patterns, strings.TrimSpace(s.must("secrets", "show", name)))
	}

	const look = `cat >/run/patterns
find / -xdev -type f -size -1024k ! -path '/var/lib/mysql/*' ! -path '/usr/*' -print0 |
	xargs -0 -r grep -lF -f /run/patterns -- | xargs -r stat -c '%a %U %n'
rm /run/patterns`
	const allowed = `^[46]00 root /(etc/hornero/node\.yaml|var/lib/hornero/origin\.json|var/lib/cloud/.*)\n$`

	for _, node := range s.oneOfEach() {
		found := s.onWith(node, strings.Join(patterns, "\n"), look)
		require.Contains(s.t, found, "/etc/hornero/node.yaml", "the search finds what is there")

		for line := range strings.Lines(found) {
			require.Regexp(s.t, allowed, line, node)
		}
	}

	s.keptInMemory()
}

// keptInMemory looks where the files lie that hold secrets for a node's programs.
func (s *stack) keptInMemory() {
	s.t.Helper()

	for node, path := range map[string]string{
		s.oneOfEach()[2]: "/etc/mysql/hornero/node.key",
		"proxy-1":        "/etc/haproxy/haproxy.cfg",
		"web-1":          "/etc/wordpress/config-default.php",
	} {
		require.Equal(s.t, "tmpfs", s.on(node, "stat -L -f -c %T "+path), path)
	}
}

// mover is the token that moves the reserved IP.
func (s *stack) mover() string {
	s.t.Helper()

	return strings.TrimSpace(s.must("secrets", "show", "digitalocean.reserved_ip_token"))
}

// onlyProxiesHaveTheToken looks for it wherever a node keeps what it was given.
func (s *stack) onlyProxiesHaveTheToken() {
	s.t.Helper()

	const look = `cat >/dev/shm/token
grep -rlF -f /dev/shm/token /etc /run /var/lib/hornero /var/lib/cloud /var/log 2>/dev/null
rm /dev/shm/token`

	token := s.mover()

	for name, node := range s.nodes() {
		where := s.onWith(name, token, look)
		has := strings.Contains(where, "/")
		require.Equal(s.t, node.Role == "proxy", has, "where %s has the token: %s", name, where)
	}
}
