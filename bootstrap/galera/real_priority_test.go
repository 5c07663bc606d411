//go:build realdb

package galera_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// realTime tells whether this computer lets a process run before all others.
func realTime() bool {
	return exec.Command("chrt", "--rr", "1", "true").Run() == nil
}

// Galera's thread that speaks with the other nodes runs before all else, where the kernel lets it, and no other
// thread does.
func TestTheGroupsThreadComesFirst(t *testing.T) {
	w := newWorld(t)
	n := w.launch("db-1", 41, 1, true)
	w.synced(60*time.Second, "db-1")

	pid, err := os.ReadFile(w.host(n.dir + "/run/pid"))
	require.NoError(t, err)

	threads, err := filepath.Glob(fmt.Sprintf(
		"/proc/%s/task/*/stat",
		strings.TrimSpace(string(pid)),
	))
	require.NoError(t, err)

	first := 0

	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		require.NoError(t, err)

		_, fields, _ := strings.Cut(string(stat), ") ")
		const policy, roundRobin = 41 - 3, "2" // proc(5): the 41st field; the third is the first after the name
		if strings.Fields(fields)[policy] == roundRobin {
			first++
		}
	}

	require.Equal(t,
		map[bool]int{true: 1}[realTime()],
		first,
		"of %d threads",
		len(threads),
	)
}
