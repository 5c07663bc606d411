//go:build root

package lab_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestADropletIsHeldToItsSize needs a computer that has the controllers of memory and CPU, in either version of
// cgroups.
func TestADropletIsHeldToItsSize(t *testing.T) {
	b := newBench(t)
	require := require.New(t)
	droplet := b.createDebian("small") // 1 CPU, 1 GB
	greedy := "python3 -c 'x = bytearray(1536 << 20); print(len(x))' 2>&1 || echo ended"
	require.Contains(
		b.run(droplet, greedy),
		"ended",
		"1.5 GB do not fit into 1 GB",
	)

	require.Equal(
		strconv.Itoa(600<<20),
		b.run(droplet, "python3 -c 'x = bytearray(600 << 20); print(len(x))'"),
		"600 MB do, and it lives on",
	)

	// Two processes that spin for two seconds of the clock get about two seconds of CPU between them, not four.
	spent := b.run(droplet, `python3 -c '
import multiprocessing, time
def spin(q):
    end = time.monotonic() + 2
    while time.monotonic() < end: pass
    q.put(time.process_time())
q = multiprocessing.Queue()
all = [multiprocessing.Process(target=spin, args=(q,)) for _ in range(2)]
[p.start() for p in all]
print(q.get() + q.get())'`)

	seconds, err := strconv.ParseFloat(strings.TrimSpace(spent), 64)
	require.NoError(err, spent)
	require.Less(seconds, 2.6)
}
