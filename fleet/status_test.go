package fleet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/stack"
)

func TestStatus(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	report := w.status()
	require.True(t, report.Healthy())
	require.Equal(t, "db-1", report.Writer)
	require.Equal(t, "db-1", report.WriterLine())

	lines := []string{"leader 10.0.0.9:9202; voters 10.0.0.9:9202; era 0", "leases writer db-1"}
	require.Equal(t, lines, report.PeerSet.Lines)
	require.Equal(t, map[string]string{"writer": "db-1"}, report.PeerSet.Leases)

	for _, node := range report.Nodes {
		require.Empty(t, node.Note, node.Name)
	}
}

// It runs, has traffic perhaps, and is paid for.
func TestStatusShowsANodeThatIsNotInTheFile(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	w.config.Stack.Nodes[2].Count = 1
	w.unhealthy["web-2"] = true
	require.Equal(t, map[string]string{
		"web-2": "stack.yaml names no such node; `hornero up` removes it",
	}, w.notes())
	require.True(t, w.status().Healthy(), "the stack does without it")

	w.mustUp()
	require.Empty(t, w.notes())
}

// notes are what status says of nodes beside those of the file.
func (w *world) notes() map[string]string {
	w.t.Helper()
	notes := map[string]string{}

	for _, node := range w.status().Nodes {
		if node.Beside {
			notes[node.Name] = node.Note
		}
	}

	return notes
}

func TestStatusSaysWhatIsWrong(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	w.set(func() {
		w.unhealthy["web-2"] = true
		w.unhealthy["db-1"] = true

		w.images = map[string]status.Image{
			"db-2": {
				DriftFiles: 3,
				Findings:   []status.Finding{{Path: "/usr/bin/env", What: "is changed"}},
				Held:       "no other db node serves",
			},
			"db-3": {Problem: "mount /usr read-only: no"},
		}
	})

	report := w.status()
	require.False(t, report.Healthy())
	require.Equal(t, "db-1 (synced)", report.WriterLine())

	notes := map[string]string{}
	for _, node := range report.Nodes {
		if node.Note != "" {
			notes[node.Name] = node.Note
		}
	}

	require.Equal(t, map[string]string{
		"db-2": "drift: /usr/bin/env is changed, and 2 more; not in quarantine: no other db node serves; " +
			"`hornero exec NODE -- hornero-bootstrap drift` lists all, `hornero replace NODE` makes it anew",
		"db-3": "not held to its image: mount /usr read-only: no",
	}, notes)
}

func TestStatusBelievesWhoSeesAQuorum(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	onceEach := map[string]int{
		"db-1":    1,
		"db-2":    1,
		"db-3":    1,
		"proxy-1": 1,
		"proxy-2": 1,
		"web-1":   1,
		"web-2":   1,
	}

	for _, cut := range []string{"db-1", "web-2"} {
		w.set(func() {
			w.cutOff = cut
			clear(w.asked)
		})

		report := w.status()
		require.True(t, report.PeerSet.Quorum, "%s is cut off", cut)
		require.Equal(t, "db-1", report.Writer)
		require.Equal(t, onceEach, w.asked)
	}
}

func TestANodeOfAnotherAuthorityIsNotTrusted(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	other := newWorld(t)
	operator, err := w.config.Secrets.Get(stack.SSHKey)
	require.NoError(t, err)
	require.NoError(t, other.config.Secrets.Set(stack.SSHKey, operator))

	w.config.Secrets = other.config.Secrets
	report := w.status()
	require.False(t, report.Healthy())
	require.Contains(t, report.Nodes[0].Reason, "reach db-1 by SSH")
}
