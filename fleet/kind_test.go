package fleet_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/status"
)

// kinds are what the nodes of a role are in the peer set, by their certificates.
func (w *world) kindsOf(role string) []string {
	var kinds []string
	for _, document := range w.documents() {
		if document.Role == role {
			kinds = append(kinds, w.kindOf(document))
		}
	}

	slices.Sort(kinds)

	return slices.Compact(kinds)
}

// founded are the nodes that are marked as those that may have founded the peer set.
func (w *world) founded() []string {
	droplets, err := do.DropletsByTag(w.t.Context(), w.config.Client, cloudinit.FoundedTag("blog"))
	require.NoError(w.t, err)

	var names []string
	for _, droplet := range droplets {
		names = append(names, strings.TrimPrefix(droplet.Name, "blog-"))
	}

	slices.Sort(names)

	return names
}

func TestProxiesAreMadeAnewWhenEnoughOthersAreMembersAndBack(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.agree()
	w.mustUp()
	require.Equal(t, []string{"member"}, w.kindsOf("proxy"))

	w.scale("db", 5)
	require.Equal(t, []string{
		"launch node db-4: it has no Droplet",
		"launch node db-5: it has no Droplet",
		"replace node proxy-1: peers: it becomes a client of the peer set",
		"replace node proxy-2: peers: it becomes a client of the peer set",
	}, w.plan())

	w.mustUp()
	require.Equal(t, []string{
		"drain proxy-1",
		"destroy proxy-1/1",
		"drain proxy-2",
		"destroy proxy-2/1",
		"drain proxy-3",
		"forget proxy-3",
		"destroy proxy-3/1",
	}, w.history)
	w.awaitDroplets(9)
	w.nothingToDo()

	require.Equal(t, []string{"client"}, w.kindsOf("proxy"))
	require.Equal(t, []string{"member"}, w.kindsOf("db"))
	require.Equal(t, []string{"client"}, w.kindsOf("web"))

	w.mustUp()
	require.NotContains(t, w.founded(), "proxy-1", "a client founds nothing")

	// Back: the proxies are members before the database nodes go.
	w.set(func() { w.history = nil })
	w.scale("db", 3)
	require.Equal(t, []string{
		"replace node proxy-1: peers: it becomes a member of the peer set",
		"replace node proxy-2: peers: it becomes a member of the peer set",
		"remove node db-4: of no group of stack.yaml any more; it runs on and is paid for",
		"remove node db-5: of no group of stack.yaml any more; it runs on and is paid for",
	}, w.plan())

	w.mustUp()
	require.Equal(t, []string{
		"drain proxy-1",
		"destroy proxy-1/2",
		"drain proxy-2",
		"destroy proxy-2/2",
		"drain proxy-3",
		"forget proxy-3",
		"destroy proxy-3/2",
		"drain db-5",
		"forget db-5",
		"destroy db-5/1",
		"drain db-4",
		"forget db-4",
		"destroy db-4/1",
	}, w.history)
	w.awaitDroplets(7)
	w.nothingToDo()
	require.Equal(t, []string{"member"}, w.kindsOf("proxy"))
}

// clientProxies is a stack with enough members without its proxies.
func clientProxies(t *testing.T) *world {
	w := newWorldOf(t, tlsText, nil)
	w.scale("db", 5)
	w.mustUp()
	require.Equal(t, []string{"client"}, w.kindsOf("proxy"))

	return w
}

func TestAProxyThatIsAClientIsKeptAsLongAsOneThatIsAMember(t *testing.T) {
	t.Parallel()

	w := clientProxies(t)
	w.set(func() { w.unhealthy["proxy-2"] = true })

	err := w.replace("proxy-1")
	require.ErrorIs(t, err, fleet.ErrUnsafe)
	require.ErrorContains(t, err, "the last node of role proxy that serves")
	require.Empty(t, w.history)

	w.set(func() { delete(w.unhealthy, "proxy-2") })
	require.NoError(t, w.replace("proxy-1"))
	require.Equal(t, []string{"drain proxy-1", "destroy proxy-1/1"}, w.history)
	w.awaitDroplets(9)

	// The only one has an extra one beside it.
	w.scale("proxy", 1)
	w.mustUp()
	w.awaitDroplets(8)
	w.set(func() { w.history = nil })

	require.NoError(t, w.replace("proxy-1"))
	require.Equal(t, []string{
		"drain proxy-1",
		"destroy proxy-1/2",
		"drain proxy-2",
		"forget proxy-2",
		"destroy proxy-2/2",
	}, w.history)
}

func TestClientsRollAfterTheMembers(t *testing.T) {
	t.Parallel()

	w := clientProxies(t)

	for i := range w.config.Stack.Nodes {
		if w.config.Stack.Nodes[i].Name != "web" {
			w.config.Stack.Nodes[i].Size = "s-1vcpu-2gb"
		}
	}

	w.mustUp()

	first := slices.Index(w.history, "destroy proxy-1/1")
	require.Positive(t, first)
	require.Contains(t, w.history[:first], "destroy db-1/1")
	require.NotContains(t, strings.Join(w.history[first:], " "), "db-")
}

func TestAClientHoldsNothingThatThePeerSetIsRebuiltFrom(t *testing.T) {
	t.Parallel()

	w := clientProxies(t)

	w.survivors = map[string]status.Recovery{
		"db-2":    voter(3, 10),
		"proxy-1": {Role: "client"},
		"proxy-2": {Role: "client"},
	}

	plan, err := w.fleet().PlanRecovery(t.Context())
	require.NoError(t, err)
	require.Equal(t, "db-2", plan.From)
	require.Len(t, plan.Survivors, 5)

	// Nothing that only it knew is lost with one that is gone.
	w.destroyDroplet("proxy-1", 8)
	w.awaitDroplets(8)

	plan, err = w.fleet().PlanRecovery(t.Context())
	require.NoError(t, err)
	require.Empty(t, slices.Collect(maps.Keys(plan.Unanswered)))
}
