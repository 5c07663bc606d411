package fleet_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A plan's requests grow with pages, not with nodes: at most 100 for 100 nodes.
func TestAPlanAsksLittleOfALargeStack(t *testing.T) {
	t.Parallel()

	asked := map[int]int32{}

	for _, nodes := range []int{10, 100} {
		w := newWorldOf(t, tlsText, nil)
		w.scale("web", nodes-5)
		w.mustUp()

		var requests atomic.Int32
		w.faulty(eager).set(func(*http.Request) fault {
			requests.Add(1)
			return fault{}
		})

		w.nothingToDo()
		asked[nodes] = requests.Load()
	}

	t.Logf("requests of a plan, by nodes: %v", asked)
	require.LessOrEqual(t, asked[100], int32(100))
	require.LessOrEqual(t, asked[100], asked[10]+5)
}
