package fleet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/lab/api"
)

// breaks makes a node refuse its user-data as long as it is made from an image that is not its first.
func (w *world) breaks(node string) {
	first := map[string]string{}

	w.set(func() {
		for _, machine := range w.machines {
			first[w.document(machine).Node] = machine.Root
		}
	})

	w.created = func(machine api.Machine) {
		w.set(func() {
			if w.document(machine).Node != node {
				return
			}

			w.refused = ""
			if machine.Root != first[node] {
				w.refused = node
			}
		})
	}
}

// laterSlots are nodes of which a later one of a roll is bad, and the tags of their images.
var laterSlots = map[string]struct {
	role string
	bad  string
	tags []string
}{
	"a client": {
		role: "web",
		bad:  "web-2",
		tags: webTags,
	},
	"a member": {
		role: "db",
		bad:  "db-3",
		tags: []string{"hornero:role:db", webTags[1], webTags[2]},
	},
}

// roots are the images of the nodes of a role.
func (w *world) roots(role string) map[string]string {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	roots := map[string]string{}

	for _, machine := range w.machines {
		if document := w.document(machine); document.Role == role {
			roots[document.Node] = machine.Root
		}
	}

	return roots
}

func TestALaterNodeThatIsBadTakesTheWholeRollBack(t *testing.T) {
	t.Parallel()

	for name, c := range laterSlots {
		t.Run(name, func(t *testing.T) {
			w := newWorldOf(t, tlsText, nil)
			w.mustUp()
			before := w.roots(c.role)

			image := w.snapshot(c.role+"-1", c.tags...)
			w.breaks(c.bad)

			err := w.up()
			require.ErrorIs(t, err, fleet.ErrRolledBack)
			require.ErrorContains(t, err, "refused")
			w.awaitDroplets(7)
			require.Equal(t, before, w.roots(c.role), "all are of the image before")
			w.nothingToDo()

			rejected, _, err := w.config.Client.Images.GetByID(t.Context(), image)
			require.NoError(t, err)
			require.Contains(t, rejected.Tags, "hornero:rejected")
			w.mustUp()
		})
	}
}
