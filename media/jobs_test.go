package media_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A file whose way to the Space is longer than the first tries may take is kept all the same.
func TestALargeFileHasItsTime(t *testing.T) {
	all, store := newNodes(t, "web-1"), newStore(t)
	one := all.start("web-1", store.in)
	one.eventually("knows its Space", one.daemon.Listed)

	// Longer than First, and less than a second for each MiB more.
	store.hold(func(r *http.Request) {
		if !isPut(r) {
			return
		}

		select {
		case <-r.Context().Done():
		case <-time.After(one.daemon.First + time.Second):
		}
	})

	film := strings.Repeat("film", 1<<20)
	one.write("film.mp4", film)
	one.settled("film.mp4")
	require.Equal(t, len(film), len(store.has(t, "film.mp4")))
}
