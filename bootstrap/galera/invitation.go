package galera

import (
	"context"
	"fmt"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
)

// A new cluster begins in a directory that is as it was baked, and the other database nodes have the same one. As long
// as nothing was written, a node with that directory holds what the cluster holds. It can come in without a state
// transfer if it declares the number that the history has reached just then. Each node that comes in takes the next
// number. So the node that began the cluster invites the others one after the other, before it makes the first user. A
// node that is late, or has another directory, gets the whole state as always.

// inviteEvery is how often a new cluster looks for nodes that came in or can be invited.
const inviteEvery = 20 * time.Millisecond

// Invitation asks a node whose directory is the same as the one in which the history began to come in before anything
// is written: what it holds is what the cluster holds, and nothing needs to be copied.
type Invitation struct {
	Node        string `json:"node"`
	Incarnation int    `json:"incarnation"`
	UUID        string `json:"uuid"`
	Seqno       int64  `json:"seqno"`
}

// invite lets the nodes in that have the same directory, one after the other. It returns when no other can come.
func (d *Driver) invite(ctx context.Context, lease peerset.Lease, record *Record) error {
	began, asked, unwritten := time.Now(), time.Time{}, time.Now()
	invited := map[string]bool{}

	for {
		if err := d.look(ctx); err != nil {
			return err
		}

		in := d.input()

		blank := in.Local.Wsrep.unwritten()
		if blank {
			unwritten = time.Now()
		}

		guest, wait := in.nextGuest(*record, invited, d.Times.Invite)
		expected := !in.came(record.Invited) && time.Since(asked) < d.Times.Invite && in.alive(record.Invited.Node)
		nobodyElse := guest == "" && time.Since(began) >= wait

		// A view and its number are not seen at once, which looks like a write for a moment.
		written := !blank && time.Since(unwritten) > d.Times.Pause

		switch {
		// One at a time: each node that comes in takes the next number.
		case expected:
		case written, nobodyElse:
			return nil

		case guest != "" && blank:
			record.Invited = in.invitation(guest)
			if err := d.rewrite(ctx, lease, *record); err != nil {
				return fmt.Errorf("invite %s: %w", guest, err)
			}

			d.Log.Info("invite a node into the new cluster",
				"peer", guest,
				"seqno", record.Invited.Seqno,
			)

			invited[guest], asked = true, time.Now()
		}

		if !pause.For(ctx, min(d.Times.Tick, inviteEvery)) {
			return ctx.Err()
		}
	}
}

// invitation is for a node that comes in at the number that the history has reached now.
func (in Input) invitation(guest string) *Invitation {
	peer, _ := in.Peers.Peer(guest)

	return &Invitation{
		Node:        guest,
		Incarnation: peer.Incarnation,
		UUID:        in.Local.Wsrep.UUID,
		Seqno:       in.Local.Wsrep.Seqno,
	}
}

// came tells whether the last guest is in the cluster; there may have been none.
func (in Input) came(i *Invitation) bool {
	return i == nil || in.inView(i.Node) && in.Local.Wsrep.Seqno > i.Seqno
}

// nextGuest returns the first node that can be invited, and how long it is worth waiting for those that cannot yet.
func (in Input) nextGuest(
	record Record,
	invited map[string]bool,
	patience time.Duration,
) (name string, wait time.Duration) {
	// A directory without a name has no equal that is known.
	if record.Seed == "" {
		return "", 0
	}

	// A node that has not joined the peer set may be long in coming, so it is worth less of a wait.
	if in.expectsStranger() {
		wait = patience / 2
	}

	for _, peer := range in.Peers.Role(in.Role) {
		if peer.Name == in.Node || invited[peer.Name] || in.inView(peer.Name) || leaves(peer) {
			continue
		}

		// A node that is in the peer set says soon what it holds.
		hasSpoken := peer.Facts[FactAddress] != ""
		if !hasSpoken {
			wait = patience
			continue
		}

		first := name == "" || peer.Name < name
		if first && peer.Alive && hasSeed(peer, record.Seed) {
			name = peer.Name
		}
	}

	return name, wait
}

// expectsStranger tells whether a node of the stack has not come to the peer set yet.
func (in Input) expectsStranger() bool {
	for _, name := range in.Expected {
		_, known := in.Peers.Peer(name)
		if !known && in.Peers.Settings[peerset.ForgottenPrefix+name] == "" {
			return true
		}
	}

	return false
}

// hasSeed tells whether a node has the directory that a seed names, and has never started a server in it.
func hasSeed(peer peerset.Peer, seed string) bool {
	return peer.Facts[FactSeed] == seed && Evidence(peer.Facts[FactEvidence]) == EvidenceEmpty
}

func (in Input) alive(name string) bool {
	peer, known := in.Peers.Peer(name)
	return known && peer.Alive
}

// invited is what this node's directory is in the history that another node has begun; zero unless that one says so.
func (in Input) invited() Position {
	record, found, err := recordOf(in.Peers)

	// Without a quorum the record may be an old one: the history may have gone on.
	if err != nil || !found || record.UUID != "" || record.Invited == nil || !in.Peers.Quorum {
		return Position{}
	}

	i := record.Invited
	meant := i.Node == in.Node && i.Incarnation == in.Incarnation
	same := in.Local.Content == ContentPristine && in.Local.Seed != "" && in.Local.Seed == record.Seed

	if !meant || !same || !in.hostWaits(record) {
		return Position{}
	}

	return Position{UUID: i.UUID, Seqno: i.Seqno}
}

// hostWaits tells whether the node that began the history still waits for its guests.
func (in Input) hostWaits(record Record) bool {
	host, known := in.Peers.Peer(record.Node)
	bootstraps := State(host.State) == StateBootstrapping

	return known && host.Alive && host.Incarnation == record.Incarnation && bootstraps
}

// acceptInvitation starts the server of an invited node. It takes no turn: the others are invited after it.
func (d *Driver) acceptInvitation(ctx context.Context, in Input, action Action) error {
	if err := d.prepare(ctx, in, action); err != nil {
		return err
	}

	d.Log.Info("begin together with the others", "position", action.Position.String())

	return d.start(ctx, &startup{state: StateJoining}, d.Unit.Start)
}
