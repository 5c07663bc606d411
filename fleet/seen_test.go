package fleet_test

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/do"
)

// memory is a cache that keeps nothing for the next run.
type memory struct {
	mutex sync.Mutex
	seen  fleet.Seen
	err   error // of every write
}

func (m *memory) Read() (fleet.Seen, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	seen := m.seen
	seen.Nodes = slices.Clone(seen.Nodes)

	return seen, nil
}

func (m *memory) Write(seen fleet.Seen) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	if m.err == nil {
		m.seen = seen
	}

	return m.err
}

// names are the nodes that are kept with both addresses.
func (m *memory) names() []string {
	var names []string

	seen, _ := m.Read()
	for _, node := range seen.Nodes {
		if node.Public != "" && node.Private != "" {
			names = append(names, node.Node)
		}
	}

	return names
}

// seenWorld is a stack that runs, whose nodes were seen, and what stands before its API.
func seenWorld(t *testing.T) (*world, *memory, *between) {
	w := newWorld(t)
	cache := &memory{}
	w.config.Cache = cache
	b := w.faulty(eager)
	w.mustUp()

	return w, cache, b
}

func always(one fault) func(*http.Request) fault {
	return func(*http.Request) fault { return one }
}

func TestNodesAreReachedWithoutTheAPI(t *testing.T) {
	for name, down := range map[string]fault{
		"503":  {status: http.StatusServiceUnavailable},
		"429":  {status: http.StatusTooManyRequests},
		"hang": {how: "hang"},
		"cut":  {how: "cut"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			w, cache, b := seenWorld(t)
			require.Len(t, cache.names(), len(whole))
			w.happen("joined", "web-1")

			b.set(always(down))

			said := w.hear()
			require.NoError(t, w.exec("web-1", nil).err)
			require.Contains(t, said(), "the API does not answer (list Droplets tagged hornero:blog: ")
			require.Contains(t, said(), "); from what was seen at ")

			events, err := w.fleet().Events(t.Context(), 0)
			require.NoError(t, err)
			require.Len(t, events, 1)

			report := w.status()
			require.True(t, report.Healthy())
			require.Equal(t, "db-1", report.Writer)
			require.Contains(t, report.API.Problem, "/v2/droplets")
			require.Equal(t, cache.seen.At, report.API.Seen)
			require.Empty(t, report.Balancers)

			b.set(nil)
			require.Nil(t, w.status().API)
		})
	}
}

func TestWithoutWhatWasSeenTheAPIsErrorIsTold(t *testing.T) {
	t.Parallel()

	w, _, b := seenWorld(t)
	b.set(always(fault{status: http.StatusServiceUnavailable}))

	w.config.Cache = nil
	require.True(t, do.IsDown(w.exec("web-1", nil).err))

	w.config.Cache = &memory{}
	err := w.exec("web-1", nil).err
	require.True(t, do.IsDown(err))
	require.ErrorContains(t, err, "/v2/droplets")
	require.ErrorContains(t, err, `503 (request "abc") told to`)
}

func TestARefusalIsNoReasonToBelieveWhatWasSeen(t *testing.T) {
	t.Parallel()

	w, _, b := seenWorld(t)
	b.set(always(fault{status: http.StatusUnauthorized}))

	err := w.exec("web-1", nil).err
	require.Equal(t, http.StatusUnauthorized, do.Status(err))
}

func TestAStaleAddressIsRefusedAndNotTrusted(t *testing.T) {
	t.Parallel()

	w, cache, b := seenWorld(t)

	at := func(node string) *fleet.SeenNode {
		i := slices.IndexFunc(cache.seen.Nodes, func(n fleet.SeenNode) bool { return n.Node == node })
		return &cache.seen.Nodes[i]
	}

	// Another node of the stack has the address now.
	at("web-1").Public = at("web-2").Public

	b.set(always(fault{status: http.StatusServiceUnavailable}))
	require.ErrorContains(t, w.exec("web-1", nil).err, "reach web-1 by SSH: ssh: handshake failed")
	require.NoError(t, w.exec("web-2", nil).err)

	report := w.status()
	require.False(t, report.Healthy())

	// Nor is a node of another stack taken for this one's.
	other := newWorld(t)
	require.NoError(t, other.up())
	w.config.Dial = other.config.Dial
	require.ErrorContains(t, w.exec("web-2", nil).err, "reach web-2 by SSH: ssh: handshake failed")
}

func TestAListThatLacksWhatIsThereLaunchesNothing(t *testing.T) {
	t.Parallel()

	w, cache, b := seenWorld(t)
	count := w.launches()

	b.set(func(r *http.Request) fault {
		if r.URL.Path == "/v2/droplets" && r.Method == http.MethodGet {
			return fault{
				status: http.StatusOK,
				body:   `{"droplets": [], "links": {}, "meta": {"total": 0}}`,
			}
		}

		return fault{}
	})

	w.mustUp()
	require.Empty(t, count)
	require.Len(t, cache.names(), len(whole))

	_, err := fleet.ReadPlan(t.Context(), w.config)
	require.NoError(t, err)
	require.Len(t, cache.names(), len(whole))

	// What is gone is gone, whatever was seen.
	b.set(nil)
	w.destroyDroplet("web-2", len(whole)-1)
	w.awaitDroplets(len(whole) - 1)
	w.mustUp()
	require.Equal(t, map[string]int{"web-2/2": 1}, count)
}

func TestANodeThatWasNotSeenIsNotCalledMissing(t *testing.T) {
	t.Parallel()

	w, cache, b := seenWorld(t)
	cache.seen.Nodes = cache.seen.Nodes[:6]

	b.set(always(fault{status: http.StatusServiceUnavailable}))
	lines := w.status().Nodes
	last := lines[len(lines)-1]
	require.Equal(t, "web-2", last.Name)
	require.Equal(t, "unknown", last.State)
	require.Contains(t, last.Reason, "it was not there at ")
}

func TestWhatIsSeenFollowsTheStack(t *testing.T) {
	t.Parallel()

	w, cache, _ := seenWorld(t)

	seen := func(node string) fleet.SeenNode {
		i := slices.IndexFunc(cache.seen.Nodes, func(n fleet.SeenNode) bool { return n.Node == node })
		return cache.seen.Nodes[i]
	}

	before := seen("web-1")
	require.NoError(t, w.replace("web-1"))
	require.Equal(t, 2, seen("web-1").Incarnation)
	require.NotEqual(t, before.DropletID, seen("web-1").DropletID)

	cache.seen = fleet.Seen{}
	_, err := fleet.ReadPlan(t.Context(), w.config)
	require.NoError(t, err)
	require.Len(t, cache.names(), len(whole))

	// A full disk is no reason to stop.
	cache.err = errors.New("disk full")
	said := w.hear()
	w.mustUp()
	require.Equal(t, 1, bytes.Count([]byte(said()), []byte("where nodes are is not kept")))
}
