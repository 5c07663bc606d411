package bootstrap

import (
	"context"
	"errors"
	"time"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
)

// DefaultLookAround is how often a member looks whether the peer set goes on without it.
const DefaultLookAround = 5 * time.Second

// ErrSetRebuilt ends an agent whose part of consensus is of a peer set that was rebuilt since. The next start joins
// the rebuilt one.
var ErrSetRebuilt = errors.New("the peer set was rebuilt without this member; it joins anew")

// watchEra asks the members that this one does not hear whether they are of a later era. Whoever was away,
// alone or with others, while the peer set was rebuilt finds it so.
func (a *Agent) watchEra(ctx context.Context, client *api.Client, member Member, remembered peerset.Snapshot) {
	for pause.For(ctx, a.LookAround) {
		// A member that has not caught up yet compares by what it remembered.
		own := member.Snapshot()
		if own.Founded == "" {
			own = remembered

			// Whom it heard before the restart may be gone: every member counts as silent.
			own.Quorum = false
		}

		// Members that this one hears are of its own era.
		for _, address := range silentMembers(own, a.node.Node) {
			theirs, err := client.Peers(ctx, address)
			a.Log.Debug("asked for the era",
				"address", address,
				"era", theirs.Era(),
				"quorum", theirs.Quorum,
				"err", err,
			)

			if err != nil || !isRebuilt(own, theirs) {
				continue
			}

			a.Log.Warn("the peer set was rebuilt without this member",
				"era", theirs.Era(),
				"own", own.Era(),
				"told by", address,
			)
			a.leave(ErrSetRebuilt)

			return
		}
	}
}

// isRebuilt tells whether another member's snapshot is of the same peer set, rebuilt since. Without a quorum it
// proves nothing.
func isRebuilt(own, theirs peerset.Snapshot) bool {
	return theirs.Quorum && theirs.Founded == own.Founded && theirs.Era() > own.Era()
}

// silentMembers are the addresses of the other members that are not alive as far as a snapshot knows, all without a
// quorum.
func silentMembers(snapshot peerset.Snapshot, self string) []string {
	var addresses []string
	for _, peer := range snapshot.Peers {
		// Without a quorum nobody renews Alive.
		heard := snapshot.Quorum && peer.Alive

		if peer.Kind == peerset.KindMember && peer.Name != self && !heard {
			addresses = append(addresses, peer.Address)
		}
	}

	return addresses
}
