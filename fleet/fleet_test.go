package fleet_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/lab/api"
)

const (
	waitLimit = 10 * time.Second
	waitTick  = 10 * time.Millisecond
)

var whole = []string{"db-1/1", "db-2/1", "db-3/1", "proxy-1/1", "proxy-2/1", "web-1/1", "web-2/1"}

func founders(w *world) int {
	count := 0
	for _, document := range w.documents() {
		if document.Found {
			count++
		}
	}

	return count
}

func TestUpLaunchesTheStackOnce(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	require.Equal(t, whole, w.names())
	require.Equal(t, 1, founders(w))

	for id, document := range w.documents() {
		require.Equal(t, document.Node == "db-1", document.Found)
		require.Empty(t, document.Join, "Droplet %d was launched with the others", id)
	}

	before := w.documents()
	w.mustUp()
	require.Equal(t, before, w.documents(), "the second up changes nothing")
	require.Empty(t, w.history)
}

func TestUpMarksWhoMayHaveFoundedThePeerSet(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	tagged := func() []string {
		tag := cloudinit.FoundedTag("blog")
		droplets, err := do.DropletsByTag(t.Context(), w.config.Client, tag)
		require.NoError(t, err)

		var names []string
		for _, droplet := range droplets {
			names = append(names, droplet.Name)
		}

		slices.Sort(names)

		return names
	}

	members := []string{"blog-db-1", "blog-db-2", "blog-db-3", "blog-proxy-1", "blog-proxy-2"}
	require.Equal(t, members, tagged())

	_, err := w.config.Client.Droplets.DeleteByTag(t.Context(), "hornero:blog:node:db-1")
	require.NoError(t, err)
	w.mustUp()
	require.Equal(t, members, tagged())
}

func TestUpSaysWhatItWaitsFor(t *testing.T) {
	w := newWorld(t)
	w.config.Timeout = time.Second
	w.unhealthy["db-2"] = true
	err := w.up()
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "db-2 is synced: it was told to be")
	require.NotContains(t, err.Error(), "db-1")
}

func TestUpEndsAtARefusedNode(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.refused = "db-2"
	require.ErrorIs(t, w.up(), fleet.ErrRefused)
}

func TestAFounderThatIsLostIsLaunchedAnew(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.strangers = true
	w.config.Timeout = time.Second
	require.ErrorIs(t, w.up(), context.DeadlineExceeded, "the founder is there")

	w.destroyDroplet("db-1", 6)
	waiting := w.documents()

	// While one up waits for the stack, too.
	w.config.Timeout = 20 * time.Second
	w.created = func(machine api.Machine) {
		document := w.document(machine)
		require.Equal(t, "db-1", document.Node)
		require.True(t, document.Found)
		w.set(func() { w.strangers = false })
	}
	w.mustUp()
	require.Len(t, w.names(), 7)
	require.Equal(t, 1, founders(w))

	for id, document := range waiting {
		require.Equal(t, document, w.documents()[id], "those that waited find it")
	}
}

func TestUpEndsWhereNobodyMayFound(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.strangers = true
	w.mayFound = func(cloudinit.Node) bool { return false }
	require.ErrorIs(t, w.up(), fleet.ErrUnfounded)
	require.Empty(t, w.history, "nothing is destroyed unasked")
}

func TestAllDropletsAreCreatedAtOnce(t *testing.T) {
	t.Parallel()

	w := newWorld(t)

	// None is created before all are asked for.
	var together sync.WaitGroup
	together.Add(len(whole))

	w.created = func(api.Machine) {
		together.Done()
		together.Wait()
	}
	w.mustUp()
	require.Equal(t, whole, w.names())
}

func TestTwoUpsAtOnceEndWithTheSameNodes(t *testing.T) {
	t.Parallel()

	w := newWorld(t)

	var both errgroup.Group
	for range 2 {
		both.Go(w.up)
	}

	require.NoError(t, both.Wait())
	require.Equal(t, whole, w.names())
	require.Equal(t, 1, founders(w))
}

func TestANodeThatIsRefusedForATwinIsLaunchedAnew(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.twin = "db-2"
	w.known["db-2"] = 1
	w.mustUp()
	require.Contains(t, w.names(), "db-2/2")
	require.Len(t, w.names(), len(whole))
	require.Equal(t, []string{"destroy db-2/1"}, w.history)
}

func TestUpKilledHalfwayIsFinishedByTheNext(t *testing.T) {
	t.Parallel()

	// Killed after the first, whichever that is, and among the others.
	for _, after := range []int32{1, 2, 4} {
		w := newWorld(t)
		ctx, kill := context.WithCancel(t.Context())

		var count atomic.Int32
		w.created = func(api.Machine) {
			if count.Add(1) == after {
				kill()
			}
		}

		_, _, err := w.fleet().Up(ctx)
		require.ErrorIs(t, err, context.Canceled)
		w.mustUp()
		require.Equal(t, whole, w.names())
		require.Equal(t, 1, founders(w))
	}
}

func TestOfTwoDropletsOfANodeTheElderStays(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	client := w.config.Client
	droplets, _, err := client.Droplets.ListByTag(t.Context(), "hornero:blog:node:proxy-2", nil)
	require.NoError(t, err)

	elder := droplets[0]
	_, _, err = client.Droplets.Create(t.Context(), &godo.DropletCreateRequest{
		Name:     elder.Name,
		Region:   "fra1",
		Size:     "s-1vcpu-1gb",
		Image:    godo.DropletCreateImage{ID: elder.Image.ID},
		Tags:     elder.Tags,
		VPCUUID:  elder.VPCUUID,
		UserData: w.machines[elder.ID].UserData,
	})
	require.NoError(t, err)
	w.mustUp()
	require.Equal(t, whole, w.names())
	require.Contains(t, w.documents(), elder.ID)
}

func TestAMissingNodeComesBackAsTheNextIncarnation(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	w.destroyDroplet("db-1", 6)

	w.mustUp()
	require.Contains(t, w.names(), "db-1/2", "the peer set remembers the first")
	require.Zero(t, founders(w), "a stack that has a peer set founds no other")
}
