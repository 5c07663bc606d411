package fleet_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/stack"
)

// group changes a group of the stack.
func (w *world) group(name string, change func(*stack.Group)) {
	for i := range w.config.Stack.Nodes {
		if w.config.Stack.Nodes[i].Name == name {
			change(&w.config.Stack.Nodes[i])
		}
	}
}

func (w *world) turnBackups(node string, on bool) {
	actions := w.config.Client.DropletActions
	id := w.droplet(node).ID

	ask := actions.DisableBackups
	if on {
		ask = actions.EnableBackups
	}

	_, _, err := ask(w.t.Context(), id)
	require.NoError(w.t, err)

	_, err = do.WaitDropletFeature(w.t.Context(), w.config.Client, id, "backups", on, do.WaitOptions{})
	require.NoError(w.t, err)
}

// losesFirst carries out the first POST to a path and loses its answer.
func (w *world) losesFirst(path string, lost *bool) func(*http.Request) fault {
	return func(r *http.Request) fault {
		if *lost || r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, path) {
			return fault{}
		}

		*lost = true

		return fault{done: true, status: http.StatusBadGateway}
	}
}

// backupPlan is how often DigitalOcean takes backups of a node.
func (w *world) backupPlan(node string) string {
	policy, _, err := w.config.Client.Droplets.GetBackupPolicy(w.t.Context(), w.droplet(node).ID)
	require.NoError(w.t, err)

	return policy.BackupPolicy.Plan
}

func TestOptionsOfAGroup(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.group("web", func(g *stack.Group) { g.Monitoring, g.IPv6, g.Backups = true, true, true })
	w.mustUp()

	require.Subset(t, w.droplet("web-1").Features, []string{"monitoring", "ipv6", "backups"})
	require.NotContains(t, w.droplet("db-1").Features, "backups")
	require.Equal(t, "weekly", w.backupPlan("web-1"), "each day costs half as much again")
	w.nothingToDo()

	droplet := w.droplet("web-2")
	v6, err := droplet.PublicIPv6()
	require.NoError(t, err)
	require.NotEmpty(t, v6)

	// The options that a Droplet has from its first day.
	w.group("web", func(g *stack.Group) { g.Monitoring, g.IPv6 = false, false })
	require.Equal(t, []string{
		"replace node web-1: monitoring on -> off; ipv6 on -> off",
		"replace node web-2: monitoring on -> off; ipv6 on -> off",
	}, w.plan())

	w.mustUp()
	w.awaitDroplets(7)
	w.nothingToDo()
	require.NotContains(t, w.droplet("web-1").Features, "ipv6")
}

func TestBackupsAreTurnedOnAndOffWhereTheNodeIs(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	before := w.names()
	w.group("db", func(g *stack.Group) { g.Backups = true })
	require.Equal(t, []string{
		"change node db-1: backups off -> on",
		"change node db-2: backups off -> on",
		"change node db-3: backups off -> on",
	}, w.plan())

	w.mustUp()
	require.Equal(t, before, w.names(), "no node was replaced")
	require.Equal(t, "weekly", w.backupPlan("db-1"))
	w.nothingToDo()

	// By hand.
	w.turnBackups("db-2", false)
	w.turnBackups("web-1", true)
	require.Equal(t, []string{
		"change node db-2: backups off -> on",
		"change node web-1: backups on -> off",
	}, w.plan())

	said := w.hear()
	w.mustUp()
	require.Contains(t, said(), "db-2: backups of Droplet ")
	w.nothingToDo()
	require.Empty(t, w.history)
}

// The answer is lost, and asked again it is refused: the Droplet tells that it was done.
func TestBackupsAreTurnedOffOnceWhenTheAnswerIsLost(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.group("web", func(g *stack.Group) { g.Backups = true })
	w.mustUp()

	w.group("web", func(g *stack.Group) { g.Backups = false })
	lost := false
	b := w.faulty(eager)
	b.set(w.losesFirst("/actions", &lost))
	w.mustUp()
	require.True(t, lost)
	w.nothingToDo()
}

func TestBackupsCostAFifthOfADroplet(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	without := w.readPlan().Price.After

	sizes, err := do.Sizes(t.Context(), w.config.Client)
	require.NoError(t, err)

	w.group("db", func(g *stack.Group) { g.Backups = true })

	for _, size := range sizes {
		if size.Slug == "s-1vcpu-1gb" {
			require.InDelta(t, without+3*size.PriceMonthly/5, w.readPlan().Price.After, 0.001)
		}
	}

	w.mustUp()

	price := w.readPlan().Price
	require.InDelta(t, price.After, price.Now, 0.001)
	require.Greater(t, price.Now, without)
}
