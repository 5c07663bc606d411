package galera_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
)

func state(uuid, seqno string) string {
	return "# GALERA saved state\nversion: 2.1\nuuid:    " + uuid + "\nseqno:   " + seqno +
		"\nsafe_to_bootstrap: 0\n"
}

func TestInspect(t *testing.T) {
	for _, c := range []struct {
		name     string
		files    map[string]string
		content  galera.Content
		position galera.Position
	}{
		{
			name:     "as baked",
			files:    map[string]string{"ibdata1": "", "hornero-pristine": ""},
			content:  galera.ContentPristine,
			position: galera.Position{},
		},
		{
			name: "stopped cleanly",
			files: map[string]string{
				"ibdata1":      "",
				"grastate.dat": state(ours, "12"),
			},
			content:  galera.ContentKnown,
			position: galera.Position{UUID: ours, Seqno: 12},
		},
		{
			name: "crashed",
			files: map[string]string{
				"ibdata1":      "",
				"grastate.dat": state(ours, "-1"),
			},
			content:  galera.ContentCrashed,
			position: galera.Position{UUID: ours, Seqno: -1},
		},
		{
			name: "started, and nothing came of it",
			files: map[string]string{
				"ibdata1":      "",
				"grastate.dat": state(galera.ZeroUUID, "-1"),
			},
			content:  galera.ContentBlank,
			position: galera.Position{},
		},
		{
			name:     "used, and no word of Galera's",
			files:    map[string]string{"ibdata1": ""},
			content:  galera.ContentCrashed,
			position: galera.Position{},
		},
		{
			name:     "half a line",
			files:    map[string]string{"ibdata1": "", "grastate.dat": "# GALERA sav"},
			content:  galera.ContentCrashed,
			position: galera.Position{},
		},
		{
			name: "cut off within the number",
			files: map[string]string{
				"ibdata1":      "",
				"grastate.dat": strings.Split(state(ours, "12345"), "345")[0],
			},
			content:  galera.ContentCrashed,
			position: galera.Position{},
		},
		{
			name: "cut off after it",
			files: map[string]string{
				"ibdata1":      "",
				"grastate.dat": strings.Split(state(ours, "12"), "safe")[0],
			},
			content:  galera.ContentCrashed,
			position: galera.Position{},
		},
		{
			name: "no identity",
			files: map[string]string{
				"ibdata1":      "",
				"grastate.dat": state("12", "12"),
			},
			content:  galera.ContentCrashed,
			position: galera.Position{},
		},
		{
			name: "a transfer runs",
			files: map[string]string{
				"grastate.dat":    state(ours, "12"),
				"sst_in_progress": "",
			},
			content:  galera.ContentTorn,
			position: galera.Position{},
		},
		{
			name: "a transfer broke and Galera dropped its mark",
			files: map[string]string{
				"grastate.dat":     state(ours, "12"),
				"hornero-transfer": "",
			},
			content:  galera.ContentTorn,
			position: galera.Position{},
		},
		{
			name:     "wiped",
			files:    nil,
			content:  galera.ContentTorn,
			position: galera.Position{},
		},
		{
			name:     "emptied, on a volume of its own",
			files:    map[string]string{"lost+found": ""},
			content:  galera.ContentTorn,
			position: galera.Position{},
		},
		{
			name: "emptied but for what rm -r * leaves",
			files: map[string]string{
				".keep":        "",
				"grastate.dat": state(ours, "12"),
			},
			content:  galera.ContentTorn,
			position: galera.Position{},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := galera.DataDir{Path: t.TempDir()}
			for name, text := range c.files {
				require.NoError(t, os.WriteFile(filepath.Join(dir.Path, name), []byte(text), 0o600))
			}

			content, position, err := dir.Inspect()
			require.NoError(t, err)
			require.Equal(t, c.content, content)
			require.Equal(t, c.position, position)
		})
	}
}

func TestSeedIsWhatTheMarkSays(t *testing.T) {
	dir := galera.DataDir{Path: t.TempDir()}
	seed, err := dir.Seed()
	require.NoError(t, err)
	require.Empty(t, seed, "no mark")

	require.NoError(t, os.WriteFile(filepath.Join(dir.Path, "hornero-pristine"), []byte("00ff\n"), 0o600))

	seed, err = dir.Seed()
	require.NoError(t, err)
	require.Equal(t, "00ff", seed)
}

func TestResumeLeavesTheRecoveredPosition(t *testing.T) {
	dir := galera.DataDir{Path: t.TempDir()}
	position := galera.Position{UUID: ours, Seqno: 42}

	for _, before := range []string{state(ours, "-1"), "garbage"} {
		path := filepath.Join(dir.Path, "grastate.dat")
		require.NoError(t, os.WriteFile(path, []byte(before), 0o600))
		require.NoError(t, dir.SetPosition(position, true))

		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(after), "safe_to_bootstrap: 1")

		read, err := galera.ParseGrastate(string(after))
		require.NoError(t, err)
		require.Equal(t, position, read)
	}
}

func TestWipeLeavesNothingToBelieve(t *testing.T) {
	dir := galera.DataDir{Path: t.TempDir()}
	require.NoError(t, os.MkdirAll(filepath.Join(dir.Path, "mysql", "deep"), 0o700))

	require.NoError(t, os.WriteFile(filepath.Join(dir.Path, "grastate.dat"), []byte(state(ours, "12")), 0o600))

	require.NoError(t, dir.Wipe())

	content, _, err := dir.Inspect()
	require.NoError(t, err)
	require.Equal(t, galera.ContentTorn, content)
	require.NoFileExists(t, filepath.Join(dir.Path, "grastate.dat"))
	require.NoDirExists(t, filepath.Join(dir.Path, "mysql"))
}

func TestHalfADirectoryIsNeverMarkedSafe(t *testing.T) {
	for _, mark := range []string{"sst_in_progress", "hornero-transfer"} {
		dir := galera.DataDir{Path: t.TempDir()}
		require.NoError(t, os.WriteFile(filepath.Join(dir.Path, mark), nil, 0o600))

		require.ErrorContains(t,
			dir.SetPosition(galera.Position{UUID: ours, Seqno: 12}, true),
			"no whole data",
		)

		require.NoFileExists(t, filepath.Join(dir.Path, "grastate.dat"))
	}
}

func TestParseRecovered(t *testing.T) {
	said := "2026-01-01 [Note] Starting\n2026-01-01 [Note] WSREP: Recovered position: " + ours + ":77\n"
	position, err := galera.ParseRecovered(said)
	require.NoError(t, err)
	require.Equal(t, galera.Position{UUID: ours, Seqno: 77}, position)

	_, err = galera.ParseRecovered("nothing of the kind")
	require.ErrorContains(t, err, "no position in the output")

	position, err = galera.ParseRecovered("WSREP: Recovered position: " + galera.ZeroUUID + ":-1")
	require.NoError(t, err)
	require.False(t, position.Named())
}

func TestRecoverTellsWhyItFoundNothing(t *testing.T) {
	for script, want := range map[string]galera.Cause{
		"echo '0 [ERROR] InnoDB: Unable to lock ./ibdata1 error: 11' >&2; exit 1": galera.CauseLock,
		"echo '0 [ERROR] InnoDB: Missing FILE_CHECKPOINT' >&2; exit 1":            galera.CauseData,
		"kill -KILL $$":              galera.CauseMemory,
		"echo nothing of a position": galera.CauseUnknown,
	} {
		data := galera.DataDir{
			Path:   t.TempDir(),
			Server: []string{"sh", "-c", script},
		}
		_, err := data.Recover(t.Context())

		failure := new(galera.RecoveryError)
		require.ErrorAs(t, err, &failure, script)
		require.Equal(t, want, failure.Trouble.Cause, script)
	}

	data := galera.DataDir{
		Path:   t.TempDir(),
		Server: []string{"sh", "-c", "echo 'WSREP: Recovered position: " + ours + ":7'"},
	}
	position, err := data.Recover(t.Context())
	require.NoError(t, err)
	require.Equal(t, galera.Position{UUID: ours, Seqno: 7}, position)
}
