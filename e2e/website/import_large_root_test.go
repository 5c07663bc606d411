//go:build root

package website_test

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// importMegabytes is how large a dump is: 50, or what HORNERO_IMPORT_MEGABYTES says.
func importMegabytes(t *testing.T) int {
	t.Helper()

	text := os.Getenv("HORNERO_IMPORT_MEGABYTES")
	if text == "" {
		return 50
	}

	size, err := strconv.Atoi(text)
	require.NoError(t, err)

	return size
}

// resident is the most memory that a process had at a time, in MiB; 0 when it has ended.
func resident(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))

	for line := range strings.Lines(string(status)) {
		var kibibytes int
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kibibytes); n == 1 {
			return kibibytes >> 10
		}
	}

	return 0
}

func TestALargeDumpComesInWhileTheSiteServes(t *testing.T) {
	const rowBytes = 70

	s := newSite(t, 1, nil)
	s.db.tool("hornero-db")
	s.db.write("/etc/mysql/hornero/databases", "0644", "root:root", "wordpress wordpress\n")

	rows := importMegabytes(t) << 20 / rowBytes
	dump := mysql8(rows)

	command := s.db.command("/usr/lib/hornero/hornero-db", "import")
	command.Stdin = strings.NewReader(dump)

	began := time.Now()
	done := make(chan error, 1)
	go func() {
		said, err := command.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, said)
		}

		done <- err
	}()

	var slowest time.Duration
	var asked, memory int

	for ended := false; !ended; {
		select {
		case err := <-done:
			require.NoError(t, err)

			ended = true
		case <-time.After(100 * time.Millisecond):
			at := time.Now()
			require.Equal(t, http.StatusOK, s.web[0].get("/").status)

			slowest = max(slowest, time.Since(at))
			memory = max(memory, resident(command.Process.Pid))
			asked++
		}
	}

	t.Logf("figure: %d MB in %.1f s, %d MiB of memory; %d pages meanwhile, the slowest %.0f ms",
		len(dump)/1e6, time.Since(began).Seconds(), memory, asked, slowest.Seconds()*1000)

	require.Equal(t, strconv.Itoa(rows), s.db.sql("SELECT COUNT(*) FROM wordpress.posts"))
	// One statement at a time is in memory, however large the dump is.
	require.Less(t, memory, 150)
}
