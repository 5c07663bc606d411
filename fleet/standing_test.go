package fleet_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
)

// killAt ends a command when it asks for its change of that number, which is carried out or not.
func (w *world) killAt(
	b *between,
	change int,
	carriedOut bool,
	run func(context.Context, *fleet.Fleet) error,
) error {
	ctx, kill := context.WithCancel(w.t.Context())
	defer kill()

	var mutex sync.Mutex
	number := 0

	b.set(func(r *http.Request) fault {
		mutex.Lock()
		defer mutex.Unlock()

		if r.Method != http.MethodGet {
			number++
		}

		if number < change {
			return fault{}
		}

		kill()

		return fault{
			done: carriedOut && number == change,
			how:  "cut",
		}
	})

	defer b.set(nil)

	return run(ctx, w.fleet())
}

func TestABlueGreenRollThatWasKilledSaysWhatStands(t *testing.T) {
	t.Parallel()

	blueGreen := func(ctx context.Context, f *fleet.Fleet) error {
		return f.Roll(ctx, fleet.Roll{
			Role:     "web",
			Strategy: fleet.StrategyBlueGreen,
		})
	}

	for name, c := range map[string]struct {
		change int // of those that the roll asks for: a Droplet, a Droplet, a tag put on both, one taken off
		stands string
		end    func(context.Context, *fleet.Fleet) error
		want   []string
	}{
		"one new node is there": {
			change: 1,
			stands: "a roll stands (blue-green); new: web-3; old: web-1 with traffic, web-2 with traffic; " +
				"it was ended with 1 of 2 new nodes",
			end:  func(ctx context.Context, f *fleet.Fleet) error { return f.Abort(ctx, "web", namesNothing) },
			want: []string{"web-1/1", "web-2/1"},
		},
		"both have traffic": {
			change: 4,
			stands: "a roll stands (blue-green); new: web-3 with traffic, web-4 with traffic; " +
				"old: web-1 with traffic, web-2 with traffic",
			end:  func(ctx context.Context, f *fleet.Fleet) error { return f.Promote(ctx, "web") },
			want: []string{"web-1/2", "web-2/2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldOf(t, tlsText, nil)
			b := w.faulty(eager)
			w.mustUp()
			w.snapshot("web-1", webTags...)

			require.Error(t, w.killAt(b, c.change, true, blueGreen))
			require.Equal(t, []string{"nothing roll web: " + c.stands}, w.plan(), "no drift but that it stands")

			err := blueGreen(t.Context(), w.fleet())
			require.ErrorIs(t, err, fleet.ErrStanding)
			require.ErrorContains(t, err, c.stands)
			require.ErrorContains(t, err, "`hornero roll web --abort` goes back")

			said := w.hear()
			require.NoError(t, w.up())
			require.Contains(t, said(), c.stands)
			require.Contains(t, said(), "`hornero roll web --promote` or `hornero roll web --abort`")

			require.NoError(t, c.end(t.Context(), w.fleet()))
			w.awaitDroplets(7)
			require.Equal(t, c.want, w.names()[5:])
			require.Equal(t, []string{"web-1", "web-2"}, w.traffic())
			w.nothingToDo()
		})
	}
}
