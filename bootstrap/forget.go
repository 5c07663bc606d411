package bootstrap

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// ErrNotGone refuses to declare gone what may well be needed.
var ErrNotGone = errors.New("not declared gone")

// serveForget says what a declaration would take (GET), or makes it (POST).
func (a *Agent) serveForget(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")

	set, what, err := a.forgettable(name, r.URL.Query().Has("force"))
	if err == nil && r.Method == http.MethodPost {
		err = set.Forget(r.Context(), name)
	}

	if err != nil {
		answer(w, err)
		return
	}

	fmt.Fprintln(w, what)
}

// forgettable says what a declaration takes: a node that the peer set has or the stack is to have. Any other name is
// probably mistyped, and so may be that of a node that lives, or one whose data nobody else is known to have.
func (a *Agent) forgettable(name string, force bool) (peerset.Set, string, error) {
	a.mu.Lock()
	set, expected := a.set, a.node.Expected
	a.mu.Unlock()

	if set == nil {
		return nil, "", peerset.ErrUnavailable
	}

	snapshot := set.Snapshot()

	peer, known := snapshot.Peer(name)
	if !known {
		// A node that never came can be forgotten: the others wait for every node that is expected.
		if isExpected(expected, name) {
			return set, name + ", which never came, with whatever it has", nil
		}

		return nil, "", fmt.Errorf("forget %q: %w, and the stack expects none", name, peerset.ErrUnknown)
	}

	// When a newer incarnation lives, the one before it is forgotten: only what that one held is lost.
	before, replaced := snapshot.Settings[peerset.ReplacedPrefix+name]

	switch {
	case peer.Alive && replaced:
		return set, fmt.Sprintf("incarnation %s of %s, which was replaced, with its data; incarnation %d stays",
			before, name, peer.Incarnation), nil

	case peer.Alive && !force:
		return nil, "", fmt.Errorf("forget %s: %w: it is alive, and %s; --force takes it all the same",
			name, ErrNotGone, peer.State)

	case !force && isAhead(snapshot, peer):
		return nil, "", fmt.Errorf("forget %s: %w: nobody else is known to have as much of the data (%s:%s); "+
			"bring it or the others back; --force takes it all the same",
			name, ErrNotGone, peer.Facts[peerset.FactUUID], peer.Facts[peerset.FactSeqno])
	}

	return set, describe(snapshot, peer), nil
}

// isExpected tells whether the stack is to have a node of this name, in any role.
func isExpected(expected map[string][]string, name string) bool {
	for _, names := range expected {
		if slices.Contains(names, name) {
			return true
		}
	}

	return false
}

// describe says what goes with a peer.
func describe(snapshot peerset.Snapshot, peer peerset.Peer) string {
	what := fmt.Sprintf("%s, role %s, incarnation %d at %s, with its data, its place in the peer set",
		peer.Name, peer.Role, peer.Incarnation, peer.Address)

	for _, lease := range snapshot.Leases {
		if lease.Holder == peer.Name {
			what += ", the lease " + lease.Name
		}
	}

	if peer.Alive {
		what += "; it is ALIVE, and " + peer.State
	}

	return what
}

// isAhead tells whether a database node said of itself that it has more than any other did. A primary component
// that lives has all that was ever acknowledged.
func isAhead(snapshot peerset.Snapshot, peer peerset.Peer) bool {
	uuid, seqno := peer.Position()
	if seqno < 0 {
		return false
	}

	hasAsMuch := func(other peerset.Peer) bool {
		its, reached := other.Position()

		// Positions of two clusters cannot be compared.
		if other.Name == peer.Name || its != uuid {
			return false
		}

		return reached >= seqno || other.Alive && other.Healthy
	}

	return !slices.ContainsFunc(snapshot.Peers, hasAsMuch)
}
