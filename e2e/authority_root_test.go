//go:build root

package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/pki"
	secret "github.com/hornero/hornero/internal/report"
)

// Authorities of certificates, which nodes trust, and SSH keys.
const (
	stackAuthority  = "ca"
	galeraAuthority = "galera.ca"
	hostAuthority   = "ssh.ca"
	operatorKey     = "ssh.key"
)

// theAuthoritiesRotate puts others in the place of all authorities and SSH keys, under load. What the old ones signed
// opens nothing at the end.
func theAuthoritiesRotate(t *testing.T, s *stack) {
	// A stack that was launched by the version before is on its way to an authority for Galera. That is ended first.
	s.endRotation(galeraAuthority)

	before := map[string]pki.Pair{
		stackAuthority:  s.intruder(stackAuthority),
		galeraAuthority: s.intruder(galeraAuthority),
	}

	require.True(t, s.opens("4567", before[galeraAuthority]))
	require.True(t, s.opens("9201", before[stackAuthority]))
	require.False(t, s.opens("4567", before[stackAuthority]), "a web node's certificate")

	visited := visit(t, s.address)

	s.must("secrets", "rotate",
		stackAuthority,
		galeraAuthority,
		hostAuthority,
		operatorKey,
	)

	_, err := s.try("secrets", "rotate", galeraAuthority)
	require.Error(t, err, "no node trusts the next one yet")

	s.rolled()
	s.must("secrets", "retire", hostAuthority, operatorKey)

	s.must("secrets", "rotate", stackAuthority, galeraAuthority)
	s.rolled()

	s.must("secrets", "retire", stackAuthority, galeraAuthority)
	s.rolled()

	asked, failed := visited()
	t.Logf("%d pages while authorities and keys were rotated, %d failed", asked, len(failed))
	require.Empty(t, failed)

	require.False(t, s.opens("4567", before[galeraAuthority]))
	require.False(t, s.opens("9201", before[stackAuthority]))
	require.True(t, s.opens("4567", s.intruder(galeraAuthority)))
	require.True(t, s.opens("9201", s.intruder(stackAuthority)))

	s.untilHealthy()
}

// rolled replaces what is to be replaced.
func (s *stack) rolled() {
	s.t.Helper()

	s.must("up", soak)
	require.Contains(s.t, s.must("plan"), "Nothing to do")
}

// endRotation ends a rotation of an authority that is under way.
func (s *stack) endRotation(authority string) {
	s.t.Helper()

	held := s.must("secrets", "list")

	if strings.Contains(held, authority+".certificate.next") {
		s.must("secrets", "rotate", authority)
		s.rolled()

		held = s.must("secrets", "list")
	}

	if strings.Contains(held, authority+".certificate.previous") {
		s.must("secrets", "retire", authority)
		s.rolled()
	}
}

// intruder is a certificate of an authority, as a node of a role has it that nobody launched.
func (s *stack) intruder(authority string) pki.Pair {
	s.t.Helper()

	certificate := s.must("secrets", "show", authority+".certificate")
	key := s.must("secrets", "show", authority+".key")

	ca := pki.Pair{
		Certificate: certificate,
		Key:         secret.Secret(key),
	}

	own, err := pki.ParseCertificate(certificate)
	require.NoError(s.t, err)

	pair, err := ca.Issue(pki.Name{
		Stack:       own.Subject.Organization[0],
		Role:        "web",
		Node:        "web-99",
		Incarnation: 1,
	})
	require.NoError(s.t, err)

	return pair
}

// knock connects to a port of the node itself with the certificate from standard input, and counts the first byte of
// what is answered. It asks for the peer set where the agents' API listens; Galera speaks first.
const knock = `shown=$(mktemp /run/shown.XXXXXX)
cat >$shown
listens=$(ss -tlnH 'sport = :%[1]s' | awk '{print $4; exit}')
{ [ %[1]s = 4567 ] || printf 'GET /v1/peers HTTP/1.0\r\n\r\n'; sleep 5; } |
	timeout 10 openssl s_client -quiet -connect $listens -cert $shown -key $shown 2>/dev/null | head -c 1 | wc -c
rm $shown`

// opens tells whether a certificate opens a port of a database node.
func (s *stack) opens(port string, shown pki.Pair) bool {
	s.t.Helper()

	node := s.oneOfEach()[2]
	text := shown.Certificate + shown.Key.Reveal()
	said := s.onWith(node, text, fmt.Sprintf(knock, port))

	return strings.TrimSpace(said) == "1"
}
