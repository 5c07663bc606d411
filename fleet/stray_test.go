package fleet_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/do"
)

// stackTags are the tags of the stack that the account has.
func (w *world) stackTags() []string {
	all, err := do.Tags(w.t.Context(), w.config.Client)
	require.NoError(w.t, err)

	var names []string
	for _, tag := range all {
		if strings.HasPrefix(tag.Name, "hornero:blog") {
			names = append(names, tag.Name)
		}
	}

	return names
}

// Two Droplets without a node's tag were taken for two of one node, and one of them was destroyed.
func TestDropletsOfNoNodeAreLeftAlone(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	said := w.hear()

	var strays []int
	for range 2 {
		stray := w.launchStranger()
		strays = append(strays, stray)
		w.tag("hornero:blog", godo.Resource{
			ID:   strconv.Itoa(stray),
			Type: godo.DropletResourceType,
		})
	}

	w.mustUp()
	require.NoError(t, w.fleet().Destroy(t.Context()))

	for _, stray := range strays {
		_, _, err := w.config.Client.Droplets.Get(t.Context(), stray)
		require.NoError(t, err)
		require.Contains(t, said(), "Droplet "+strconv.Itoa(stray)+" (mine) has the tag hornero:blog and is no node's")
	}

	require.Equal(t, []string{"hornero:blog"}, w.stackTags(), "what somebody else's Droplets bear stays")
}

func TestDestroyLeavesNoTag(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	require.NotEmpty(t, w.stackTags())

	// Another stack's, whose name begins like this one's.
	_, _, err := w.config.Client.Tags.Create(t.Context(), &godo.TagCreateRequest{Name: "hornero:blog-2:role:web"})
	require.NoError(t, err)

	require.NoError(t, w.fleet().Destroy(t.Context()))
	require.Equal(t, []string{"hornero:blog-2:role:web"}, w.stackTags())

	require.NoError(t, w.fleet().Destroy(t.Context()), "and again")
}

func TestADropletThatIsOffIsTurnedOn(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	before, err := do.DropletsByTag(t.Context(), w.config.Client, "hornero:blog:node:web-1")
	require.NoError(t, err)

	id := before[0].ID
	_, _, err = w.config.Client.DropletActions.PowerOff(t.Context(), id)
	require.NoError(t, err)

	isOff := func() bool {
		droplet, _, err := w.config.Client.Droplets.Get(t.Context(), id)
		require.NoError(t, err)

		return droplet.Status == "off"
	}
	require.Eventually(t, isOff, waitLimit, waitTick)

	said := w.hear()
	w.mustUp()
	require.False(t, isOff())
	require.Contains(t, said(), "web-1: Droplet "+strconv.Itoa(id)+" is off and is turned on")

	after, err := do.DropletsByTag(t.Context(), w.config.Client, "hornero:blog:node:web-1")
	require.NoError(t, err)
	require.Len(t, after, 1)
	require.Equal(t, id, after[0].ID)
}

// A page that takes PHP's whole time was cut off by the load balancer at 60 seconds.
func TestALoadBalancerWaitsAsLongAsTheRoleMayTake(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	balancer := w.balancer()
	require.Equal(t, uint64(150), *balancer.HTTPIdleTimeoutSeconds)
}
