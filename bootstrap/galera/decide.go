package galera

import (
	"fmt"
	"slices"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// Decide is pure: it looks at the input and says what to do. Inputs are sorted by name; ties go to a running server,
// then to the lowest name.
func Decide(in Input) Action {
	// An incarnation that is gone takes part in nothing, whatever else is the case.
	if why := in.gone(); why != "" {
		return in.retire(why)
	}

	if in.Leave {
		return in.leave()
	}

	switch in.Local.Process {
	case ProcessRunning:
		return in.running()

	case ProcessStarting:
		// systemd calls it active, and it answered before: it hangs.
		if in.Local.Served {
			return Action{Kind: Watch, State: StateWaiting, Reason: "the server runs and does not answer"}
		}

		return Action{Kind: Watch, State: in.startingState(), Reason: "the server is starting"}

	case ProcessStopping:
		return waiting("the server is stopping")
	case ProcessUnknown:
		return waiting("the server does not answer, and systemd does not say why")
	}

	return in.stopped()
}

// running decides for a server that answers.
func (in Input) running() Action {
	w := in.Local.Wsrep
	if !w.primary() {
		return in.nonPrimary()
	}

	record, found, err := recordOf(in.Peers)
	if err != nil {
		return waiting(err.Error())
	}

	// Nobody can be served before there are users.
	if found && record.UUID == "" {
		return in.inNewCluster(record)
	}

	state := in.serving()

	// A server that has yet to receive its state says nothing of its history.
	serves := state == StateSynced || state == StateDonor

	if serves && w.foreignTo(record) {
		reason := fmt.Sprintf(
			"the server runs a history of its own (%s) beside the stack's (%s): somebody began it by hand; "+
				"replace the node",
			w.UUID,
			record.UUID,
		)

		return Action{Kind: Stop, State: StateWaiting, Reason: reason}
	}

	switch state {
	case StateSynced:
		return Action{Kind: Serve, State: state, Reason: in.syncedReason()}
	case StateDonor:
		return Action{Kind: Serve, State: state, Reason: "gives its state to a joining node"}
	}

	return Action{Kind: Watch, State: state, Reason: "catches up with the primary component"}
}

func (in Input) syncedReason() string {
	reason := fmt.Sprintf("in a primary component of %d", in.Local.Wsrep.Size)
	if in.Local.Short {
		reason += fmt.Sprintf("; its disk is nearly full, %s are free", in.Local.Space)
	}

	return reason
}

// serving is the state of a running server, from its own words.
func (in Input) serving() State {
	w := in.Local.Wsrep

	// A donor that gave its state is "joined" to Galera until it has caught up.
	catchesUp := w.LocalState == wsrepJoined && in.Local.Synced

	switch {
	case in.Local.Process != ProcessRunning:
		return in.startingState()
	case !w.primary():
		return StateNonPrimary
	case w.synced():
		return StateSynced
	case w.donor(), catchesUp:
		return StateDonor
	default:
		return StateJoining
	}
}

func (in Input) startingState() State {
	record, found, _ := recordOf(in.Peers)
	if found && in.mine(record) && record.UUID == "" {
		return StateBootstrapping
	}

	return StateJoining
}

func (in Input) mine(record Record) bool {
	return record.Node == in.Node && record.Incarnation == in.Incarnation
}

// inNewCluster decides for a member of a cluster without users. The node that began the cluster makes them. When
// Galera's view is without that node, every member of the view may make them.
func (in Input) inNewCluster(record Record) Action {
	if in.mine(record) || !in.inView(record.Node) {
		return Action{
			Kind:   Conclude,
			State:  StateBootstrapping,
			Reason: "the new cluster is up: make its users, record its UUID",
		}
	}

	return wait(StateJoining, "in the new cluster; "+record.Node+" is to make its users")
}

// nonPrimary decides for a server that runs outside the primary component.
func (in Input) nonPrimary() Action {
	// Galera brings a server back whose members meet again. A server that is out for longer has to join anew.
	if others := in.otherPrimaries(); len(others) > 0 {
		return Action{
			Kind:  Stop,
			State: StateNonPrimary,
			Delay: DelayNonPrimary,
			Reason: "outside the primary component of " + list(others) +
				"; starts anew to join it if it does not get back by itself",
		}
	}

	if !in.Peers.Quorum {
		return wait(StateNonPrimary,
			"outside the primary component, and the peer set has no quorum to form it again")
	}

	verdict := in.weigh()
	if verdict.refusal != "" {
		return wait(StateNonPrimary, "outside the primary component: "+verdict.refusal)
	}

	position := verdict.position.String()
	if verdict.best != in.Node {
		return wait(StateNonPrimary,
			"outside the primary component; "+verdict.best+" is to form it again ("+position+")")
	}

	return Action{
		Kind:     Reform,
		State:    StateNonPrimary,
		Delay:    DelayReform,
		Position: verdict.position,
		Evidence: verdict.evidence,
		Reason:   "no primary component is left and this node has the most advanced data: " + position,
	}
}

// stopped decides for a node whose server is down.
func (in Input) stopped() Action {
	content := in.Local.Content
	if content == "" {
		return waiting("cannot tell what the data directory holds: " + in.Local.InspectError)
	}

	// Data that cannot be read is not given up before others hold it for certain.
	if content == ContentCrashed || content == ContentUnreadable && !in.replaceable() {
		return in.recover()
	}

	if len(in.otherPrimaries()) > 0 {
		return in.join()
	}

	// A new cluster says nowhere that it is primary before its users are made.
	if position := in.invited(); position.Named() {
		return Action{
			Kind:     Join,
			State:    StateJoining,
			Position: position,
			Reason:   "begins together with the others",
		}
	}

	// Nobody can say who else has data: a bootstrap is out of the question.
	if !in.Peers.Quorum {
		return in.joinBlindly()
	}

	return in.bootstrap()
}

// recover finds out how far crashed data got, again and again: a full disk is emptied some day, a lock is let go.
func (in Input) recover() Action {
	if in.Local.RecoveryFailures > 0 && in.BackingOff {
		return wait(StateRecovering, fmt.Sprintf(
			"cannot find out how far the data got; recovery %d failed, tries again in a while: %s",
			in.Local.RecoveryFailures,
			in.Local.Trouble,
		))
	}

	return Action{Kind: Recover, State: StateRecovering, Reason: "find out how far the data got"}
}

// replaceable tells whether the data of this node is not needed even if one more node is lost: two others are in the
// primary component, and not both are giving their state away.
func (in Input) replaceable() bool {
	others := in.otherPrimaries()

	return len(others) > 1 && slices.ContainsFunc(others, func(name string) bool {
		peer, _ := in.Peers.Peer(name)
		return State(peer.State) == StateSynced
	})
}

// bootstrap decides when no primary component is known and the peer set can be asked.
func (in Input) bootstrap() Action {
	verdict := in.weigh()

	switch {
	case verdict.refusal != "":
		return waiting(verdict.refusal)
	case verdict.best != in.Node:
		return waiting(fmt.Sprintf("%s is to bootstrap (%s)", verdict.best, verdict.position))
	case in.BackingOff:
		return waiting(in.tryAgain())
	}

	action := Action{
		Kind:     Bootstrap,
		State:    StateBootstrapping,
		Position: verdict.position,
		Evidence: verdict.evidence,
	}

	// Nobody can be missed where nobody ever had data, so a new history begins at once.
	if !verdict.position.Named() {
		action.Reason = "begin a new history: no database node has data and none ever had"
		return action
	}

	// A peer set that has just its quorum back shows the dead as alive for a while.
	action.Delay = DelayEvidence
	if in.QuorumLost {
		action.Delay = DelayQuorumLost
	}

	action.Reason = "every database node has reported and this one has the most advanced data: " +
		verdict.position.String()

	return action
}

// otherPrimaries returns the names of the other database nodes that are in the primary component and can give their
// state, sorted.
func (in Input) otherPrimaries() []string {
	// What a peer set without a quorum shows may be long over.
	if !in.Peers.Quorum {
		return nil
	}

	var names []string
	for _, peer := range in.Peers.Role(in.Role) {
		if peer.Name != in.Node && peer.Alive && inPrimary(peer) {
			names = append(names, peer.Name)
		}
	}

	return names
}

func inPrimary(peer peerset.Peer) bool {
	state := State(peer.State)
	return state == StateSynced || state == StateDonor
}

func (in Input) positionOf(name string) Position {
	peer, _ := in.Peers.Peer(name)
	return factPosition(peer)
}
