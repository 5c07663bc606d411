package fleet_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/lab/api"
)

var webTags = []string{"hornero:role:web", "hornero:release:debian-13", "hornero:document:4"}

// recovers makes a node healthy when its Droplet is made anew.
func (w *world) recovers(node string) func(api.Machine) {
	return func(machine api.Machine) {
		w.set(func() {
			if w.document(machine).Node == node {
				delete(w.unhealthy, node)
			}
		})
	}
}

func TestUpReplacesWhatIsNotAsWanted(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()
	w.snapshot("web-1", webTags...)

	w.mustUp()
	require.Equal(t, []string{
		"drain web-1", "destroy web-1/1",
		"drain web-2", "destroy web-2/1",
		"drain web-3", "forget web-3", "destroy web-3/1",
	}, w.history)
	w.awaitDroplets(7)
	w.nothingToDo()

	// A size is a reason for every role: members of the peer set first, who takes the writes last.
	for i := range w.config.Stack.Nodes {
		w.config.Stack.Nodes[i].Size = "s-1vcpu-2gb"
	}

	w.set(func() { w.history = nil })
	w.mustUp()

	var destroyed []string
	for _, line := range w.history {
		if node, ok := strings.CutPrefix(line, "destroy "); ok {
			destroyed = append(destroyed, node)
		}
	}

	require.Equal(t, []string{
		"proxy-1/1", "proxy-2/1", "proxy-3/1",
		"db-2/1", "db-3/1", "db-1/1", "db-4/1",
		"web-1/2", "web-2/2", "web-3/2",
	}, destroyed)
	w.awaitDroplets(7)
	w.nothingToDo()
}

// The database never has fewer nodes than stack.yaml says: the extra one is there before the first goes.
func TestARollOfTheDatabaseHasAnExtraNode(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	var databases []int // how many there were when the next came
	w.created = func(api.Machine) {
		databases = append(databases, len(slices.DeleteFunc(w.names(), func(name string) bool {
			return !strings.HasPrefix(name, "db-")
		})))
	}

	require.NoError(t, w.fleet().Roll(t.Context(), fleet.Roll{Role: "db", All: true}))
	require.Equal(t, []int{3, 3, 3, 3}, databases)
	w.awaitDroplets(7)
	w.nothingToDo()
}

func TestABadImageIsRolledBackByItself(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		goesBad func(*world)
		want    string
		tells   bool // the end of its journal is told
		timeout time.Duration
	}{
		"it refuses its document": {
			goesBad: func(w *world) { w.refused = "web-3" },
			want:    "refused",
			tells:   true,
		},
		"it is never healthy": {
			goesBad: func(w *world) { w.unhealthy["web-3"] = true },
			want:    "it was told to be",
			tells:   true,
			timeout: 5 * time.Second,
		},
		"its services are started again and again": {
			goesBad: func(w *world) { w.restarting["web-3"] = 4 },
			want:    "were started again 4 times",
		},
		"its files change": {
			goesBad: func(w *world) { w.images = map[string]status.Image{"web-3": {DriftFiles: 2}} },
			want:    "2 of its files are not as they were baked or written",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldOf(t, tlsText, nil)
			w.mustUp()

			if c.timeout != 0 {
				w.config.Timeout = c.timeout
			}

			image := w.snapshot("web-1", webTags...)
			w.set(func() { c.goesBad(w) })

			w.journals = journals{folder: t.TempDir()}
			w.journals.install(t)
			w.journals.write(t, "web-3", 1, "its last word")

			said := w.hear()
			err := w.up()
			require.ErrorIs(t, err, fleet.ErrRolledBack)
			require.ErrorContains(t, err, c.want)
			require.Equal(t, c.tells, strings.Contains(said(), "its last word"))

			w.awaitDroplets(7)
			require.Equal(t, whole, w.names(), "nothing but the extra node was touched")
			require.Empty(t, w.plan(), "the next up does not roll again")
			w.mustUp()

			rejected, _, err := w.config.Client.Images.GetByID(t.Context(), image)
			require.NoError(t, err)
			require.Contains(t, rejected.Tags, "hornero:rejected")
		})
	}
}

func TestACanaryStandsUntilItsOperatorSaysHowItEnds(t *testing.T) {
	t.Parallel()

	for _, promote := range []bool{true, false} {
		w := newWorldOf(t, tlsText, nil)
		w.mustUp()
		w.snapshot("web-1", webTags...)

		roll := fleet.Roll{
			Role:     "web",
			Strategy: fleet.StrategyCanary,
		}
		require.NoError(t, w.fleet().Roll(t.Context(), roll))
		require.Contains(t, w.names(), "web-3/1")
		require.Empty(t, w.history)

		require.NoError(t, w.up(), "it stands")
		require.Contains(t, w.names(), "web-3/1")
		require.Empty(t, w.history)
		require.Contains(t, w.plan(), "nothing roll web: a roll stands (canary); new: web-3; old: web-1, web-2")
		require.Contains(t, w.notes()["web-3"], "for a roll (canary)")
		require.ErrorIs(t, w.fleet().Roll(t.Context(), roll), fleet.ErrStanding)

		want := []string{"web-1/1", "web-2/1"}
		if promote {
			want = []string{"web-1/2", "web-2/2"}
			require.NoError(t, w.fleet().Promote(t.Context(), "web"))
		} else {
			require.NoError(t, w.fleet().Abort(t.Context(), "web", namesNothing))
		}

		w.awaitDroplets(7)
		require.Equal(t, want, w.names()[5:])
		w.nothingToDo()
	}
}

// Behind an edge of the stack's own a canary gets the part that was asked for, and another one at any time.
func TestACanaryBehindAnEdgeGetsItsShare(t *testing.T) {
	t.Parallel()

	w := newAPIWorld(t, edgedStack)
	w.mustUp()
	w.snapshot("api-1", "hornero:role:api", "hornero:release:debian-13", "hornero:document:4")

	roll := fleet.Roll{
		Role:     "api",
		Strategy: fleet.StrategyCanary,
		Share:    10,
	}
	require.NoError(t, w.fleet().Roll(t.Context(), roll))
	require.Equal(t, []string{"share 10 of api-3"}, w.history)

	roll.Share = 25
	require.NoError(t, w.fleet().Roll(t.Context(), roll))
	require.Equal(t, []string{"share 10 of api-3", "share 25 of api-3"}, w.history)

	roll.Share = 40
	require.ErrorContains(t, w.fleet().Roll(t.Context(), roll), "(1 beside 2) can take 33 % at most")

	// Without a share it stands as any does.
	roll.Share = 0
	require.ErrorIs(t, w.fleet().Roll(t.Context(), roll), fleet.ErrStanding)
	require.Len(t, w.history, 2)
}

// namesNothing is for stacks whose file names no image.
func namesNothing(context.Context, map[string]int) error {
	return errors.New("stack.yaml names no image")
}

// Who rolls to an image by its number writes it into stack.yaml. Who goes back from it finds there what his nodes have.
func TestAnAbortedRollLeavesTheImageThatTheNodesHave(t *testing.T) {
	t.Parallel()

	for _, newest := range []bool{true, false} {
		w := newWorldOf(t, tlsText, nil)
		w.mustUp()

		before := w.newestOf("web").ID

		tried := w.snapshot("web-1", webTags...)

		// Another one came meanwhile, and nobody's nodes have it.
		if !newest {
			w.snapshot("web-1", webTags...)
		}

		for i := range w.config.Stack.Nodes {
			if group := &w.config.Stack.Nodes[i]; group.Role == "web" {
				group.Image = tried
			}
		}

		require.NoError(t, w.fleet().Roll(t.Context(), fleet.Roll{
			Role:     "web",
			Strategy: fleet.StrategyCanary,
		}))

		var named map[string]int

		require.NoError(t, w.fleet().Abort(t.Context(), "web", func(_ context.Context, images map[string]int) error {
			named = images
			return nil
		}))

		want := before
		if newest {
			want = 0
		}

		require.Equal(t, map[string]int{"web": want}, named)
	}
}

// traffic lists the nodes that load balancers send to.
func (w *world) traffic() []string {
	droplets, err := do.DropletsByTag(w.t.Context(), w.config.Client, "hornero:blog:lb:web")
	require.NoError(w.t, err)

	var nodes []string
	for _, droplet := range droplets {
		nodes = append(nodes, strings.TrimPrefix(droplet.Name, "blog-"))
	}

	slices.Sort(nodes)

	return nodes
}

func TestBlueAndGreenChangePlacesAtOnce(t *testing.T) {
	t.Parallel()

	for _, promote := range []bool{true, false} {
		w := newWorldOf(t, tlsText, nil)
		w.mustUp()
		w.snapshot("web-1", webTags...)
		require.Equal(t, []string{"web-1", "web-2"}, w.traffic())

		require.NoError(t, w.fleet().Roll(t.Context(), fleet.Roll{
			Role:     "web",
			Strategy: fleet.StrategyBlueGreen,
		}))
		require.Equal(t, []string{"web-3", "web-4"}, w.traffic())
		require.Subset(t, w.names(), []string{"web-1/1", "web-2/1"}, "the old ones run on")

		require.NoError(t, w.up(), "it stands")
		require.Equal(t, []string{"web-3", "web-4"}, w.traffic())

		for _, line := range w.plan() {
			require.NotContains(t, line, "no traffic")
		}

		want := []string{"web-1/1", "web-2/1"}
		if promote {
			want = []string{"web-1/2", "web-2/2"}
			require.NoError(t, w.fleet().Promote(t.Context(), "web"))
		} else {
			require.NoError(t, w.fleet().Abort(t.Context(), "web", namesNothing))
		}

		w.awaitDroplets(7)
		require.Equal(t, want, w.names()[5:])
		require.Equal(t, []string{"web-1", "web-2"}, w.traffic())
		w.nothingToDo()
	}
}

func TestMembersRollOneByOne(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, tlsText, nil)
	w.mustUp()

	for role, strategy := range map[string]string{
		"proxy": fleet.StrategyBlueGreen,
		"db":    fleet.StrategyCanary,
	} {
		err := w.fleet().Roll(t.Context(), fleet.Roll{
			Role:     role,
			Strategy: strategy,
			All:      true,
		})
		require.ErrorContains(t, err, "rolling", role)
		require.Empty(t, w.history)
	}
}

func TestARollThatWasKilledIsFinishedByTheNextUp(t *testing.T) {
	t.Parallel()

	// Killed when the extra node comes, when the first successor does, when the second does.
	for kills := 1; kills <= 3; kills++ {
		w := newWorldOf(t, tlsText, nil)
		w.mustUp()
		w.snapshot("web-1", webTags...)

		ctx, kill := context.WithCancel(t.Context())
		made := 0
		w.created = func(api.Machine) {
			if made++; made == kills {
				kill()
			}
		}

		_, _, err := w.fleet().Up(ctx)
		require.ErrorIs(t, err, context.Canceled)

		w.created = nil

		w.mustUp()
		w.awaitDroplets(7)
		require.Empty(t, w.plan(), "killed at Droplet %d", kills)
	}
}
