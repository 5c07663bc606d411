package galera

import (
	"context"
	"fmt"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/pause"
)

// A new cluster begins in a directory that is as it was baked, and the other database nodes have the same one.
// As long as nothing was written, whoever has it holds what the cluster holds, and can come in without a state
// transfer, if it declares the number that the history has reached just then: each node that comes in takes the
// next. So the node that began the cluster invites the others one after the other, before it makes the first
// user. Who is late, or has another directory, gets the whole state as ever.

// invite lets those in that have the same directory. It returns when nobody is left who could come.
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

		guest, wait := in.guest(*record, invited, d.Times.Invite)
		came := record.Invited == nil ||
			in.inView(record.Invited.Node) && in.Local.Wsrep.Seqno > record.Invited.Seqno

		switch {
		case !came && time.Since(asked) < d.Times.Invite && in.alive(record.Invited.Node):
		case !blank && time.Since(unwritten) > d.Times.Pause: // a view and its number are not seen at once
			return nil
		case guest == "" && time.Since(began) >= wait:
			return nil

		case guest != "" && blank:
			peer, _ := in.Peers.Peer(guest)
			record.Invited = &Invitation{
				Node:        guest,
				Incarnation: peer.Incarnation,
				UUID:        in.Local.Wsrep.UUID,
				Seqno:       in.Local.Wsrep.Seqno,
			}

			if err := d.rewrite(ctx, lease, *record); err != nil {
				return fmt.Errorf("invite %s: %w", guest, err)
			}

			d.Log.Info("invite a node into the new cluster",
				"peer", guest,
				"seqno", in.Local.Wsrep.Seqno,
			)

			invited[guest], asked = true, time.Now()
		}

		if !pause.For(ctx, min(d.Times.Tick, inviteEvery)) {
			return ctx.Err()
		}
	}
}

// inviteEvery is how often a new cluster looks who has come.
const inviteEvery = 20 * time.Millisecond

// guest returns the first node that can be invited, and how long it is worth waiting for those that cannot yet:
// who has joined the peer set says soon what it holds; who has not may be long in coming.
func (in Input) guest(
	record Record,
	invited map[string]bool,
	patience time.Duration,
) (name string, wait time.Duration) {
	if record.Seed == "" {
		return "", 0
	}

	for _, expected := range in.Expected {
		if _, known := in.Peers.Peer(expected); !known &&
			in.Peers.Settings[peerset.ForgottenPrefix+expected] == "" {
			wait = patience / 2
		}
	}

	for _, peer := range in.Peers.Role(Role) {
		switch {
		case peer.Name == in.Node || invited[peer.Name] || in.inView(peer.Name) || leaves(peer):
		case peer.Facts[FactAddress] == "": // it has not spoken yet
			wait = patience
		case !peer.Alive:

		case peer.Facts[FactSeed] == record.Seed && Evidence(peer.Facts[FactEvidence]) == EvidenceEmpty:
			if name == "" || peer.Name < name {
				name = peer.Name
			}
		}
	}

	return name, wait
}

func (in Input) alive(name string) bool {
	peer, known := in.Peers.Peer(name)
	return known && peer.Alive
}

// invited is what this node's directory is in the history that another node has begun; zero unless that one says so.
func (in Input) invited() Position {
	record, found, err := recordOf(in.Peers)
	if err != nil || !found || record.UUID != "" || record.Invited == nil || !in.Peers.Quorum {
		return Position{}
	}

	i := record.Invited
	ours := in.Local.Content == ContentPristine && in.Local.Seed != "" && in.Local.Seed == record.Seed
	host, known := in.Peers.Peer(record.Node)
	waits := known &&
		host.Alive &&
		host.Incarnation == record.Incarnation &&
		State(host.State) == StateBootstrapping
	if !ours || !waits || i.Node != in.Node || i.Incarnation != in.Incarnation {
		return Position{}
	}

	return Position{
		UUID:  i.UUID,
		Seqno: i.Seqno,
	}
}

// accept starts the server of an invited node. It takes no turn: the others are invited after it.
func (d *Driver) accept(ctx context.Context, in Input, action Action) error {
	if err := d.prepare(ctx, in, action); err != nil {
		return err
	}

	d.Log.Info("begin together with the others", "position", action.Position.String())

	return d.start(ctx, &following{state: StateJoining}, d.Unit.Start)
}
