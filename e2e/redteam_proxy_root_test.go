//go:build root

package e2e_test

import (
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
)

// brokenProxy is the proxy that an attacker holds as root. With three database nodes it is a member of the peer set.
// That its certificate writes into the store then is known and told (docs/architecture.md, what a member's certificate
// is worth): these rows are how far it goes beyond.
const brokenProxy = "proxy-1"

// attemptsOfAProxy are what root of a proxy tries.
var attemptsOfAProxy = []attempt{
	{
		attacker: "root of a proxy",
		tries:    "joins Galera with the node's certificate, and takes the whole database",
		succeeds: func(s *stack) bool { return s.opens("4567", s.certificateOf(brokenProxy)) },
		without:  func(s *stack) bool { return s.opens("4567", s.intruder(galeraAuthority)) },
	},
	{
		attacker: "root of a proxy",
		tries:    "logs in on a database node with the keys that the proxy has",
		succeeds: func(s *stack) bool { return s.logsInFrom(brokenProxy, "") },
		without: func(s *stack) bool {
			return s.logsInFrom(brokenProxy, s.must("secrets", "show", "ssh.key"))
		},
	},
	{
		attacker: "root of a proxy",
		tries:    "finds a secret of the web nodes in what the proxy was given",
		succeeds: func(s *stack) bool { return s.findsSecrets(brokenProxy) },
		without:  func(s *stack) bool { return s.findsSecrets(broken) },
	},
}

// tryKeys logs in at an address with the key from standard input, or, where that is empty, with each private key that
// the node itself has.
const tryKeys = `shown=$(mktemp /run/shown.XXXXXX)
cat >$shown
[ -s $shown ] && keys=$shown || keys="/etc/ssh/ssh_host_*_key /run/hornero/pki/*.key /root/.ssh/id_*"
for key in $keys; do
	timeout 10 ssh -i $key -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=no \
		-o UserKnownHostsFile=/dev/null root@$1 true 2>/dev/null && echo in
done
rm $shown`

// logsInFrom tells whether root of a node gets a shell on a database node, with a key or with the node's own.
func (s *stack) logsInFrom(node, key string) bool {
	s.t.Helper()

	database := s.nodes()[s.oneOfEach()[2]].Addresses.Public
	said := s.onWith(node, key, "set -- "+database+"\n"+tryKeys)

	return slices.Contains(strings.Fields(said), "in")
}

// secretsOfWeb are what a web node is given and a proxy has no use for.
var secretsOfWeb = []string{"wordpress.db_password", "wordpress.admin_password", "wordpress.salt"}

// findsSecrets looks for them wherever a node keeps what it was given, and in its user-data.
func (s *stack) findsSecrets(node string) bool {
	s.t.Helper()

	const look = `umask 077; cat >/dev/shm/patterns
curl -fsm 5 -o /run/data-of-the-test http://169.254.169.254/metadata/v1/user-data || echo unread
grep -rlF -f /dev/shm/patterns /etc /run /var/lib/hornero /var/lib/cloud /var/log 2>/dev/null
rm -f /dev/shm/patterns /run/data-of-the-test`

	var patterns []string
	for _, name := range secretsOfWeb {
		patterns = append(patterns, strings.TrimSpace(s.must("secrets", "show", name)))
	}

	found := s.onWith(node, strings.Join(patterns, "\n"), look)
	require.NotContains(s.t, found, "unread")

	return strings.Contains(found, "/")
}
