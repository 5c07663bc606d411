package fleet_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/pki"
)

// about are the lines of what a plan warns of that are about a thing.
func about(lines []string, what string) []string {
	var found []string
	for _, line := range lines {
		if strings.HasPrefix(line, what) {
			found = append(found, line)
		}
	}

	return found
}

func TestTheEndOfCertificatesIsToldInTime(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()
	made := time.Now()

	w.config.Now = func() time.Time { return made.Add(pki.Validity*2/3 - 48*time.Hour) }
	require.Empty(t, about(w.warnings(), "certificate of node "))
	require.Empty(t, w.status().Expiring)

	w.config.Now = func() time.Time { return made.Add(pki.Validity*2/3 + 48*time.Hour) }
	lines := about(w.warnings(), "certificate of node ")
	require.Len(t, lines, 3, "a line a role")

	date := made.Add(pki.Validity).UTC().Format("2006-01")
	require.Contains(t, lines[2], "certificate of node web-")
	require.Contains(t, lines[2], " ends on "+date)
	require.Contains(t, lines[2], "`hornero roll web --all` gives each node of role web a new one")

	require.Empty(t, w.plan(), "it is no difference: nothing is replaced for it")
	require.Subset(t, w.status().Expiring, lines)

	// An authority outlives what it signs.
	require.Empty(t, about(w.warnings(), "secret "))

	w.config.Now = func() time.Time { return made.AddDate(7, 0, 0) }
	require.Len(t, about(w.warnings(), "secret ca.certificate ends on "), 1)
	require.Len(t, about(w.warnings(), "secret galera.ca.certificate ends on "), 1)
	require.Len(t, about(w.warnings(), "secret site.certificate ends on "), 1)

	w.config.Now = func() time.Time { return made.Add(pki.Validity + 48*time.Hour) }
	require.Contains(t, about(w.warnings(), "certificate of node ")[0], " ended on "+date)
}

func TestNothingIsToldOfFreshCertificates(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	require.Empty(t, about(w.warnings(), "certificate of node "))
	require.Empty(t, about(w.warnings(), "secret "))
}
