package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/stack"
)

// killed is a command that is killed, and what has to be there for it.
type killed struct {
	before func(*world)
	run    func(context.Context, *fleet.Fleet) error
	again  func(context.Context, *fleet.Fleet) error // the next run; nil: the same
	gone   bool                                      // nothing is left at the end
}

func ups(ctx context.Context, f *fleet.Fleet) error {
	_, _, err := f.Up(ctx)
	return err
}

// rollsBack is an up whose roll goes back. After a kill on its way back the next one has nothing left to tell.
func rollsBack(ctx context.Context, f *fleet.Fleet) error {
	err := ups(ctx, f)
	if errors.Is(err, fleet.ErrRolledBack) {
		return nil
	}

	return err
}

func replaces(node string) func(context.Context, *fleet.Fleet) error {
	return func(ctx context.Context, f *fleet.Fleet) error { return f.Replace(ctx, node) }
}

// killedCommands are one of each kind.
func killedCommands() map[string]killed {
	destroy := func(ctx context.Context, f *fleet.Fleet) error { return f.Destroy(ctx) }

	return map[string]killed{
		"up": {
			before: func(*world) {},
			run:    ups,
		},
		"scale up": {
			before: func(w *world) {
				w.mustUp()
				w.scale("web", 3)
			},
			run: ups,
		},
		"scale down": {
			before: func(w *world) {
				w.agree()
				w.scale("db", 4)
				w.mustUp()
				w.scale("db", 3)
			},
			run: ups,
		},
		"roll": {
			before: func(w *world) {
				w.mustUp()
				w.snapshot("web-1", webTags...)
			},
			run: ups,
		},
		"roll of the database": {
			before: func(w *world) {
				w.mustUp()
				w.config.Stack.Nodes[0].Size = "s-1vcpu-2gb"
			},
			run: ups,
		},
		"a project and backups": {
			before: func(w *world) {
				w.mustUp()
				w.createProject("Shop")
				w.config.Stack.Project = "Shop"
				w.group("db", func(g *stack.Group) { g.Backups = true })
			},
			run: ups,
		},
		"roll back": {
			before: func(w *world) {
				w.mustUp()
				w.snapshot("web-1", webTags...)
				w.breaks("web-2")
			},
			run: rollsBack,
		},
		"replace a member": {
			before: (*world).mustUp,
			run:    replaces("db-2"),
			again:  ups,
		},
		"replace a client": {
			before: (*world).mustUp,
			run:    replaces("web-1"),
			again:  ups,
		},
		"destroy": {
			before: (*world).mustUp,
			run:    destroy,
			gone:   true,
		},
	}
}

// killsOfEach is how many kills of each command are drawn; with HORNERO_KILLS=all each is killed before and after each
// of its changes (make kills).
const killsOfEach = 2

func TestTheNextRunEndsWhereAnUnkilledOneDoes(t *testing.T) {
	t.Parallel()

	for name, c := range killedCommands() {
		t.Run(name, func(t *testing.T) {
			changes, want := c.unkilled(t)

			kills := make([]int, 0, 2*changes)
			for n := range 2 * changes {
				kills = append(kills, n)
			}

			if os.Getenv("HORNERO_KILLS") != "all" {
				random := rand.New(rand.NewPCG(1, uint64(len(name))))
				random.Shuffle(len(kills), func(i, j int) { kills[i], kills[j] = kills[j], kills[i] })
				kills = kills[:min(killsOfEach, len(kills))]
			}

			for _, n := range kills {
				what := fmt.Sprintf("killed at change %d of %d, carried out: %t", n/2+1, changes, n%2 == 1)
				require.Equal(t, want, c.killedAt(t, n/2+1, n%2 == 1), what)
			}
		})
	}
}

// world is where the command is killed, with a count of its changes. kill is called with the number of each.
func (c killed) world(t *testing.T, kill func(number int) fault) (*world, *between) {
	w := newWorldOf(t, tlsText, nil)
	b := w.faulty(eager)
	c.before(w)

	var mutex sync.Mutex
	number := 0

	b.set(func(r *http.Request) fault {
		mutex.Lock()
		defer mutex.Unlock()

		if r.Method != http.MethodGet {
			number++
		}

		return kill(number)
	})

	return w, b
}

// unkilled runs the command to its end, and returns how many changes it asked for, and what is there then.
func (c killed) unkilled(t *testing.T) (changes int, there []string) {
	w, b := c.world(t, func(number int) fault {
		changes = number
		return fault{}
	})

	require.NoError(t, c.run(t.Context(), w.fleet()))
	b.set(nil)

	return changes, c.left(w)
}

// killedAt runs it until it asks for a change, which is carried out or not, and then the next run.
func (c killed) killedAt(t *testing.T, change int, carriedOut bool) []string {
	ctx, kill := context.WithCancel(t.Context())
	defer kill()

	w, b := c.world(t, func(number int) fault {
		if number < change {
			return fault{}
		}

		// Whatever it asks for afterwards is asked by nobody.
		kill()

		return fault{
			done: carriedOut && number == change,
			how:  "cut",
		}
	})

	require.Error(t, c.run(ctx, w.fleet()))
	b.set(nil)

	again := c.again
	if again == nil {
		again = c.run
	}

	require.NoError(t, again(t.Context(), w.fleet()))

	return c.left(w)
}

var incarnation = regexp.MustCompile(`/\d+$`)

// left is what is there at the end: nodes without their incarnations, which tell how often one was made anew.
func (c killed) left(w *world) []string {
	left := []string{}

	if c.gone {
		tags, err := do.Tags(w.t.Context(), w.config.Client)
		require.NoError(w.t, err)

		for _, tag := range tags {
			if tag.Name == "hornero:blog" {
				left = append(left, tag.Name)
			}
		}

		return append(left, w.balancers()...)
	}

	// What was deleted is listed for a while.
	w.awaitDroplets(len(w.names()))
	w.nothingToDo()

	for _, name := range w.names() {
		left = append(left, incarnation.ReplaceAllString(name, ""))
	}

	return append(left, w.balancers()...)
}
