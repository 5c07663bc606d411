package fleet_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// journals are those of the nodes, a file each in a folder; a program that stands for journalctl prints them.
type journals struct{ folder string }

// journalctl prints a node's journal as it is, and notes its words and its process.
const journalctl = `#!/bin/sh
if [ "$1" = --help ]; then echo "  --output-fields=LIST"; exit; fi
echo "$*" >> "$JOURNALS/words-$NODE"
echo $$ >> "$JOURNALS/process-$NODE"
if [ -e "$JOURNALS/broken-$NODE" ]; then echo "no journal files were found" >&2; exit 3; fi
case "$*" in *--follow*) exec tail -n +1 -f "$JOURNALS/$NODE" ;; esac
exec cat "$JOURNALS/$NODE"
`

func (j journals) install(t *testing.T) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(j.folder, "journalctl"), []byte(journalctl), 0o700))
}

// write adds an entry to a node's journal, so many microseconds after the beginning of this century.
func (j journals) write(t *testing.T, node string, micros int64, message any) {
	t.Helper()

	at := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro() + micros
	entry, err := json.Marshal(map[string]any{
		"__REALTIME_TIMESTAMP": strconv.FormatInt(at, 10),
		"_SYSTEMD_UNIT":        "nginx.service",
		"SYSLOG_IDENTIFIER":    "nginx",
		"_PID":                 "42",
		"PRIORITY":             "3",
		"MESSAGE":              message,
	})
	require.NoError(t, err)

	file, err := os.OpenFile(filepath.Join(j.folder, node), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer file.Close()

	_, err = file.Write(append(entry, '\n'))
	require.NoError(t, err)
}

// words are those of each call of journalctl on a node.
func (j journals) words(t *testing.T, node string) []string {
	t.Helper()

	text, err := os.ReadFile(filepath.Join(j.folder, "words-"+node))
	require.NoError(t, err)

	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// processes are those that stand for journalctl and still run.
func (j journals) processes(t *testing.T) []string {
	t.Helper()

	files, err := filepath.Glob(filepath.Join(j.folder, "process-*"))
	require.NoError(t, err)

	var running []string

	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)

		for process := range strings.FieldsSeq(string(text)) {
			if _, err := os.Stat("/proc/" + process); err == nil {
				running = append(running, process)
			}
		}
	}

	return running
}

// run has a real shell run the command line of a session, and returns its exit code.
func (j journals) run(node, line string, session ssh.Channel) uint32 {
	shell := exec.Command("sh", "-c", line)
	shell.Env = append(
		os.Environ(),
		"PATH="+j.folder+":"+os.Getenv("PATH"),
		"JOURNALS="+j.folder,
		"NODE="+node,
	)
	shell.Stdout = session
	shell.Stderr = session.Stderr()

	input, err := shell.StdinPipe()
	if err != nil {
		return 126
	}

	// As sshd does: the end of the connection is the end of standard input, and of nothing else.
	go func() {
		_, _ = io.Copy(input, session)
		input.Close()
	}()

	var failed *exec.ExitError
	if err := shell.Run(); errors.As(err, &failed) {
		return uint32(failed.ExitCode())
	}

	return 0
}
