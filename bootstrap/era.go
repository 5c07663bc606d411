package bootstrap

import (
	"context"
	"errors"
	"time"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// DefaultLookAround is how often a member looks whether the peer set goes on without it.
const DefaultLookAround = 5 * time.Second

// ErrOutlived ends an agent whose part of consensus is of a peer set that was rebuilt since. The next one joins anew.
var ErrOutlived = errors.New("the peer set was rebuilt without this member; it joins anew")

// watchEra asks the members that this one does not hear whether they are of a later era. Whoever was away,
// alone or with others, while the peer set was rebuilt finds it so.
func (a *Agent) watchEra(ctx context.Context, client *api.Client, member Member, remembered peerset.Snapshot) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(a.LookAround):
		}

		snapshot := member.Snapshot()
		if snapshot.Founded == "" {
			snapshot = remembered
			snapshot.Quorum = false // whom it heard then does not count
		}

		for _, address := range unheard(snapshot, a.node.Node) {
			theirs, err := client.Peers(ctx, address)
			a.Log.Debug("asked for the era",
				"address", address,
				"era", theirs.Era(),
				"quorum", theirs.Quorum,
				"err", err,
			)

			if err == nil &&
				theirs.Quorum &&
				theirs.Founded == snapshot.Founded &&
				theirs.Era() > snapshot.Era() {
				a.Log.Warn("the peer set was rebuilt without this member",
					"era", theirs.Era(),
					"own", snapshot.Era(),
					"told by", address,
				)

				a.leave(ErrOutlived)

				return
			}
		}
	}
}

// unheard are the addresses of the other members that are not alive as far as a snapshot knows, all without a quorum.
func unheard(snapshot peerset.Snapshot, self string) []string {
	var addresses []string
	for _, peer := range snapshot.Peers {
		if peer.Kind == peerset.KindMember && peer.Name != self && !(snapshot.Quorum && peer.Alive) {
			addresses = append(addresses, peer.Address)
		}
	}

	return addresses
}
