//go:build root && takeover

package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTakeover has an earlier version bake and launch the stack, and this version take it over by replacing its nodes,
// one by one, while clients read and write. TAKEOVER_FROM is a checkout of the earlier version that is built.
func TestTakeover(t *testing.T) {
	from := os.Getenv("TAKEOVER_FROM")
	require.NotEmpty(t, from, "TAKEOVER_FROM names no checkout: run make takeover FROM=COMMIT")

	h := newHarness(t, wholeStack(t))
	h.step(t, "start the lab", running, (*stack).startLab)
	s := h.stack.with(t)

	text, err := os.ReadFile(filepath.Join(from, "stack.yaml"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.file, text, 0o600))

	s.earlier(from, "scripts/images.sh")
	s.earlier(from, "bin/hornero", "-f", s.file, "up")

	// From here on the stack is this version's.
	require.NoError(t, os.WriteFile(s.file, []byte(h.setup.StackFile), 0o600))
	before := s.nodes()

	out, err := s.try("replace", "db-2")
	require.Error(t, err, "no image knows this version's documents")
	require.Contains(t, out, "earlier version of Hornero")
	require.Equal(t, before["db-2"].DropletID, s.nodes()["db-2"].DropletID, "nothing was removed")

	s.bake(h.setup)
	s.address = lastLine(s.must("up"))
	s.takeOver()

	for name, n := range s.nodes() {
		require.NotEqual(t, before[name].DropletID, n.DropletID, name)
	}

	s.must("up")
}

// takeOver replaces all nodes: the members first, the writer last of them (docs/upgrades.md).
func (s *stack) takeOver() {
	s.t.Helper()
	writer := s.writer()
	order := []string{
		"proxy-1",
		"proxy-2",
	}

	for _, name := range databases {
		if name != writer {
			order = append(order, name)
		}
	}

	for _, name := range append(order, writer, "web-1", "web-2") {
		s.replaceInUse(name)
	}
}

// earlier runs a program of the earlier version's checkout.
func (s *stack) earlier(from, program string, args ...string) {
	s.t.Helper()
	command := exec.Command(filepath.Join(from, program), args...)
	command.Dir = from
	command.Env = s.env

	out, err := output(command)
	require.NoErrorf(s.t, err, "%s of %s\n%s", program, from, out)
}
