package galera

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/file"
)

// WipeAfter is how many starts that failed for the data's sake make a joiner give up what the primary component holds
// anyway.
const WipeAfter = 3

// join goes into a primary component that is there.
func (in Input) join() Action {
	if why := in.cannotJoin(); why != "" {
		return waiting(why)
	}

	if why := in.joinsLater(); why != "" {
		return waiting(why)
	}

	action := Action{
		Kind:   Join,
		State:  StateJoining,
		Reason: "join " + list(in.otherPrimaries()),
	}

	if turn := in.Peers.Holder(peerset.LeaseGaleraJoin); turn != "" && turn != in.Node {
		action.State = StateWaiting
		action.Reason = "waits its turn to join: " + turn + " is joining"
	}

	damaged := in.Local.Content == ContentKnown && in.Local.Damage >= WipeAfter

	switch {
	// Nothing of it is of any use, so nothing is waited for.
	case in.Local.Content == ContentTorn:
		action.Wipe = true
	case in.Local.Content == ContentUnreadable, damaged:
		action.Wipe, action.Delay = true, DelayWipe
	}

	return action
}

// cannotJoin tells why this node's data does not let it into the primary component, and an operator must look; "" when
// it does.
func (in Input) cannotJoin() string {
	mine := in.Local.Position
	theirs := in.positionOf(in.otherPrimaries()[0])

	if mine.Named() && theirs.Named() && mine.UUID != theirs.UUID {
		return fmt.Sprintf(
			"this node holds data of another cluster (%s) than the one that runs (%s); replace the node, or "+
				"save the data and wipe it",
			mine,
			theirs,
		)
	}

	if in.Local.Content == ContentKnown && in.ahead(theirs) {
		return fmt.Sprintf(
			"this node's data (%s) is ahead of the primary component (%s) and it cannot join: %s",
			mine,
			theirs,
			in.Local.Trouble,
		)
	}

	return ""
}

// joinsLater tells what this node waits for before it joins; "" when it need not wait.
func (in Input) joinsLater() string {
	if in.BackingOff {
		return in.tryAgain()
	}

	// A start in the middle of their change of view can cost the others the primary component.
	if counting := in.stillCounting(); in.JustEnded && len(counting) > 0 {
		return "waits until " + list(counting) + " no longer counts the server that ended here"
	}

	// If the writer gives its state, its writes may wait for the time of the transfer.
	busy := in.busyDonors()
	if len(busy) > 0 && len(in.otherPrimaries()) > len(busy) {
		return "waits for " + list(busy) + " to have given its state to another node: the writer is spared"
	}

	return ""
}

// ahead tells data that holds what the primary component lacks: it is never wiped, whatever is wrong with it.
func (in Input) ahead(theirs Position) bool {
	return in.Local.Cause == CauseAhead ||
		in.Local.Damage >= WipeAfter && in.Local.Position.Seqno > theirs.Seqno
}

func (in Input) tryAgain() string {
	trouble := cmp.Or(in.Local.Trouble, "see the server's journal")
	return fmt.Sprintf("start %d failed, tries again in a while: %s", in.Local.Failures, trouble)
}

// joinBlindly is what a node with data does while nobody can be asked: try the addresses it remembers. Joining never
// makes a primary component, except the one that all its last members form again by Galera's own pc.recovery.
func (in Input) joinBlindly() Action {
	if in.Local.Content != ContentKnown {
		return waiting("the peer set has no quorum and this node has no data of its own")
	}

	if in.BackingOff {
		return waiting(in.tryAgain())
	}

	return Action{
		Kind:   Join,
		State:  StateWaiting,
		Delay:  DelayBlind,
		Reason: "the peer set has no quorum: join whoever is at the remembered addresses",
	}
}

// join starts the server as a member, in turn with other joiners: a donor serves one at a time, and simultaneous joins
// cost rounds of membership.
func (d *Driver) join(ctx context.Context, in Input, action Action) error {
	// There are no turns without a quorum.
	if !in.Peers.Quorum {
		if err := d.prepare(ctx, in, action); err != nil {
			return err
		}

		return d.start(ctx, &startup{state: StateJoining, unleased: true}, d.Unit.Start)
	}

	if action.Position.Named() {
		return d.acceptInvitation(ctx, in, action)
	}

	// While another joins, the peer set is asked for the turn only now and then.
	turn := in.Peers.Holder(peerset.LeaseGaleraJoin)
	if turn != "" && turn != d.Node && time.Since(d.tried) < d.Times.LeaseTTL/renewals {
		return nil
	}

	d.tried = time.Now()

	err := d.withLease(ctx, peerset.LeaseGaleraJoin, func(ctx context.Context, _ peerset.Lease) error {
		return d.joinInTurn(ctx, action)
	})
	if errors.Is(err, errNotOurs) {
		return nil
	}

	return err
}

// joinInTurn joins if that is still the decision now that this node has the turn.
func (d *Driver) joinInTurn(ctx context.Context, decided Action) error {
	// Much may have changed while the node waited for its turn.
	if err := d.look(ctx); err != nil {
		return err
	}

	in := d.input()
	if again := Decide(in); again.Kind != Join || again.Wipe != decided.Wipe {
		return nil
	}

	if err := d.prepare(ctx, in, decided); err != nil {
		return err
	}

	d.Log.Info("join the cluster", "reason", decided.Reason, "wipe", decided.Wipe)

	begun := &startup{state: StateJoining, donors: in.donors()}
	if err := d.start(ctx, begun, d.Unit.Start); err != nil {
		return err
	}

	return d.waitPublished(ctx)
}

// prepare makes the data directory and the server's addresses ready for a start.
func (d *Driver) prepare(ctx context.Context, in Input, action Action) error {
	// A driver that was told to end, or lost its lease, must not touch the directory any more.
	if err := ctx.Err(); err != nil {
		return err
	}

	if action.Wipe {
		if err := d.wipe(in.Local); err != nil {
			return err
		}
	}

	if err := d.preparePosition(in, action); err != nil {
		return err
	}

	// A node that joins a primary component has no view to form again. In its last one it may have been evicted.
	if action.Kind == Join && len(in.otherPrimaries()) > 0 {
		if err := d.Data.ForgetView(); err != nil {
			return err
		}
	}

	if d.ClusterFile != "" {
		config := []byte(ClusterConfig(in))
		if _, err := file.Write(d.ClusterFile, config, file.Options{Mode: 0o644}); err != nil {
			return err
		}
	}

	// From here on the directory is no longer as it was baked.
	return d.Data.ClearPristine()
}

func (d *Driver) wipe(local Local) error {
	d.Log.Warn("wipe the data directory",
		"content", local.Content,
		"position", local.Position.String(),
		"failures", local.Failures,
		"damage", local.Damage,
		"trouble", local.Trouble,
	)

	return d.Data.Wipe()
}

// preparePosition writes where the server is to start from.
func (d *Driver) preparePosition(in Input, action Action) error {
	bootstrap := action.Kind == Bootstrap
	keeps := in.Local.Content == ContentKnown && !action.Wipe

	// The unit recovers no position before a start: the server takes it from this file.
	if bootstrap || keeps {
		if err := d.Data.SetPosition(in.Local.Position, bootstrap); err != nil {
			return err
		}
	}

	// An invited node declares its untouched directory to be what the new history has reached.
	if action.Kind == Join && action.Position.Named() {
		return d.Data.SetPosition(action.Position, false)
	}

	return nil
}

// ClusterConfig is the part of the server's configuration that changes with the peers: where the others are, and who is
// to give its state.
func ClusterConfig(in Input) string {
	var addresses []string
	for _, peer := range in.Peers.Role(in.Role) {
		if peer.Name != in.Node && peer.Address != "" {
			addresses = append(addresses, peer.Address)
		}
	}

	slices.Sort(addresses)

	var b strings.Builder
	b.WriteString("# Written by hornero-bootstrap before each start of the server.\n[mysqld]\n")
	fmt.Fprintf(&b, "wsrep_cluster_address = gcomm://%s\n", strings.Join(addresses, ","))
	b.WriteString(in.donorLine())

	return b.String()
}
