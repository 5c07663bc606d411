package roles_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// transferScript has the waits of MariaDB's wsrep_sst_rsync and wsrep_sst_common, under the shell options that
// it sets.
const transferScript = `
set -ue
cleanup_pid() {
	local pid=$1
	kill $pid
	sleep 0.5
	local round=0
	while ps -p $pid >/dev/null 2>&1; do
		sleep 1
		round=$((round + 1))
		[ $round -lt 3 ] || return 1
	done
}
wait_previous_sst() { sleep 1; }
`

func TestAWaitOfTheTransferEndsWithWhatItWaitsFor(t *testing.T) {
	for name, c := range map[string]struct {
		script   string
		from, to time.Duration
	}{
		"the donor's last word comes": {
			script: `
				TRANSFER_REAL_PID=1
				(command sleep 0.3; echo >"$MAGIC_FILE") &
				until [ -r "$MAGIC_FILE" ]; do sleep 1; done
			`,
			from: 300 * time.Millisecond,
			to:   700 * time.Millisecond,
		},
		"it does not": {
			script: `TRANSFER_REAL_PID=1; sleep 1`,
			from:   time.Second,
			to:     2 * time.Second,
		},
		"the file is left from an earlier transfer": {
			script: `echo >"$MAGIC_FILE"; sleep 1`,
			from:   time.Second,
			to:     2 * time.Second,
		},
		"a process ends when it is told to": {
			script: `command sleep 60 & cleanup_pid $!`,
			from:   0,
			to:     400 * time.Millisecond,
		},
		"one that does not is waited for as long": {
			script: `
				sh -c 'trap "" TERM; exec sleep 60' &
				command sleep 0.3
				TRANSFER_REAL_PID=$!
				echo >"$MAGIC_FILE"
				! cleanup_pid $!
				{ kill -9 $!; wait $!; } 2>/dev/null || : # or bash may say that it was killed
			`,
			from: 3800 * time.Millisecond,
			to:   6 * time.Second,
		},
		"the donor's tables are looked at more often": {
			script: `sleep 0.2`,
			from:   50 * time.Millisecond,
			to:     180 * time.Millisecond,
		},
		"another wait is the usual one": {
			script: `wait_previous_sst; sleep 0.2 0.2`,
			from:   1400 * time.Millisecond,
			to:     2500 * time.Millisecond,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			// A machine that is busy makes it longer, and never shorter: one try of some is quick.
			var took time.Duration
			for range 30 {
				if took = waits(t, c.script); took < c.to {
					break
				}
			}

			require.GreaterOrEqual(t, took, c.from)
			require.Less(t, took, c.to)
		})
	}
}

// waits runs a part of a transfer's script and returns how long that took.
func waits(t *testing.T, part string) time.Duration {
	folder := t.TempDir()
	script := filepath.Join(folder, "script")
	require.NoError(t, os.WriteFile(script, []byte(transferScript+part), 0o600))

	command := exec.Command("bash", script)
	command.Env = append(
		os.Environ(),
		"BASH_ENV=db/transfer-waits.bash",
		"MAGIC_FILE="+filepath.Join(folder, "rsync_sst_complete"),
	)

	began := time.Now()
	out, err := command.CombinedOutput()
	took := time.Since(began)

	require.NoError(t, err, string(out))
	require.Empty(t, string(out))

	return took
}
