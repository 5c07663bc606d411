package media_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/media"
)

// A Space that another program filled is taken over as it is.
func TestASpaceThatIsFullIsAdopted(t *testing.T) {
	all, store := newNodes(t, "web-1"), newStore(t)

	for i := range 30 {
		store.put(
			t,
			fmt.Sprintf("wp-content/uploads/2019/%d.jpg", i),
			fmt.Sprint("picture ", i),
		)
	}

	one := all.start("web-1", store.in)
	one.eventually("knows all", func() bool { return one.daemon.Status().Files == 30 })

	status, text := one.get("2019/7.jpg")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "picture 7", text)

	// What another writer changes and removes there goes here, too.
	store.put(t, "wp-content/uploads/2019/7.jpg", "another")
	require.NoError(t, store.client.Delete(t.Context(), "wp-content/uploads/2019/8.jpg"))
	one.daemon.CompareNow()
	one.eventually("knows of both", func() bool { return one.daemon.Status().Files == 29 })

	_, text = one.get("2019/7.jpg")
	require.Equal(t, "another", text)

	// A bucket that is suddenly empty is not believed.
	for i := range 30 {
		require.NoError(t, store.client.Delete(t.Context(), fmt.Sprintf("wp-content/uploads/2019/%d.jpg", i)))
	}

	one.daemon.CompareNow()
	one.eventually("says so", func() bool {
		return strings.Contains(
			strings.Join(one.daemon.Status().Trouble, "\n"),
			media.ErrTooMany.Error(),
		)
	})
	require.Equal(t, "another", one.read("2019/7.jpg"))
}

// step is a request that waits: one learns that it came, and lets it go.
type step struct {
	came, goes chan struct{}
	once       sync.Once
	over       <-chan struct{} // the test's end
}

func newStep(t *testing.T) *step {
	t.Helper()
	return &step{came: make(chan struct{}), goes: make(chan struct{}), over: t.Context().Done()}
}

func (s *step) pass() {
	s.once.Do(func() { close(s.came) })

	select {
	case <-s.goes:
	case <-s.over:
	}
}

// ofListings holds the answers that list a Space.
func (s *step) ofListings(r *http.Request) {
	if r.URL.Query().Has("list-type") {
		s.pass()
	}
}

// A listing is older than all that was on its way while it was made. Neither a file that reached the Space after it,
// nor one that was overwritten, is taken for gone or for another's.
func TestAListingTellsNothingOfWhatWasOnItsWay(t *testing.T) {
	all, store := newNodes(t, "web-1"), newStore(t)
	one := all.start("web-1", store.in)

	names := []string{"new.jpg", "changed.jpg", "gone.jpg"}
	for _, name := range names[1:] {
		one.write(name, "before")
		one.settled(name)
	}

	one.eventually("has listed the Space", one.daemon.Listed)

	// Three changes are on their way: the Space has none of them yet.
	ways := map[string]*step{}
	for _, name := range names {
		ways[name] = newStep(t)
	}

	store.set(func(r *http.Request) int {
		for name, way := range ways {
			if r.Method != http.MethodGet && strings.HasSuffix(r.URL.Path, name) {
				way.pass()
			}
		}

		return 0
	})
	one.write("new.jpg", "after")
	one.write("changed.jpg", "after")

	go func() { _, _ = http.PostForm(one.local.URL+"/delete", map[string][]string{"path[]": {"gone.jpg"}}) }()

	for _, way := range ways {
		<-way.came
	}

	// Now it is listed, and the answer waits until they have arrived.
	listing := newStep(t)
	store.hold(listing.ofListings)
	one.daemon.CompareNow()
	<-listing.came

	for _, way := range ways {
		close(way.goes)
	}

	store.set(nil)
	one.settled(names...)

	// The next listing begins when that comparison has ended.
	next := newStep(t)
	store.hold(next.ofListings)
	close(listing.goes)
	one.daemon.CompareNow()
	<-next.came

	require.Equal(t, "after", one.read("new.jpg"))
	require.Equal(t, "after", one.read("changed.jpg"))
	require.Empty(t, one.read("gone.jpg"))
	require.Empty(t, one.asides())

	store.hold(nil)
	close(next.goes)
}
