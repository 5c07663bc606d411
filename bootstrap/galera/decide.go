package galera

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// Role is the role whose peers are database nodes.
const Role = "db"

// State is the word for what a database node is doing; the peer set and people read it.
type State string

// The states, and the moves between them:
//
//	waiting -> recovering -> waiting -> bootstrapping -> synced <-> donor
//	waiting -> joining -> synced            joining -> waiting (the transfer broke)
//	synced, donor -> non-primary -> synced (reconnected or reformed) | waiting (restarted to join)
//	anything -> stopped (drained)           anything -> waiting (the server went down)
const (
	StateWaiting       State = "waiting"
	StateBootstrapping State = "bootstrapping"
	StateJoining       State = "joining"
	StateSynced        State = "synced"
	StateDonor         State = "donor"
	StateNonPrimary    State = "non-primary"
	StateRecovering    State = "recovering"
	StateStopped       State = "stopped"
)

// Process is what the server's unit does.
type Process string

// A server runs when it answers SQL; before that it is starting, which may take as long as a state transfer.
const (
	ProcessStopped  Process = "stopped"
	ProcessFailed   Process = "failed"
	ProcessStarting Process = "starting"
	ProcessRunning  Process = "running"
	ProcessStopping Process = "stopping"
	ProcessUnseen   Process = "unseen" // the server does not answer, and systemd does not say what its unit does
)

// Content is what the data directory holds while no server runs on it.
type Content string

const (
	ContentPristine Content = "pristine" // as baked: system tables, never started
	ContentBlank    Content = "blank"    // started before, and no history came of it
	ContentTorn     Content = "torn"     // a state transfer began and did not end
	ContentCrashed  Content = "crashed"  // data, with the position still to be recovered
	ContentKnown    Content = "known"    // data at a known position
	// data, and recovery found no position often, for long, for no passing reason
	ContentUnreadable Content = "unreadable"
)

// Wsrep is what the running server says of itself.
type Wsrep struct {
	ClusterStatus string // "Primary", "non-Primary", "Disconnected"
	LocalState    int    // as in Galera: 1 joining, 2 donor, 3 joined, 4 synced
	Views         int64  // primary components that the cluster's history had, this one among them
	Ready         bool
	Size          int
	UUID          string
	Seqno         int64
	Member        string   // the server's own UUID in Galera's views, another with each start
	Evicted       bool     // the server remembers members that were shut out
	Incoming      []string // addresses of the view's database nodes, without ports
	Arbiters      int      // members of the view that have no address for clients: arbitrators
}

// Galera's numbers of a node's state.
const (
	wsrepDonor  = 2
	wsrepJoined = 3
	wsrepSynced = 4
)

func (w Wsrep) primary() bool { return w.ClusterStatus == "Primary" }
func (w Wsrep) synced() bool {
	return w.primary() && w.Ready && w.LocalState == wsrepSynced
}
func (w Wsrep) donor() bool {
	return w.primary() && w.LocalState == wsrepDonor
}

// unwritten tells that nothing was ever written in the cluster: each view takes a number of the history, and so
// does each write. Galera tells the members' addresses before the server knows of their view.
func (w Wsrep) unwritten() bool {
	return w.primary() && w.Views > 0 && w.Seqno == w.Views && w.Size == len(w.Incoming)+w.Arbiters
}

// Local is what the node knows of itself without asking anybody.
type Local struct {
	Process   Process
	Content   Content // of a stopped server's data directory
	Position  Position
	Seed      string    // of a pristine directory: what names it and those that are equal to it
	Wsrep     Wsrep     // of a running server
	Served    bool      // the server answered before and was not seen down since
	Synced    bool      // the server was synced, and in the primary component ever since
	Unread    int       // recoveries of the position that failed, in a row
	Gone      string    // why this incarnation is to take no part any more, as the directory remembers it
	Unseen    string    // why the data directory could not be looked at; Content is empty then
	Failures  int       // starts that failed, in a row, while nothing else changed
	Dismissed bool      // of a node that leaves: no client is left
	Damage    int       // those among them that spoke of the data itself
	Cause     Cause     // of the last failure
	Trouble   string    // the last failure
	Space     Space     // of the data directory's file system; zero when nobody knows
	Short     bool      // there is too little of it to take writes
	Member    string    // in Galera's views, of the server that runs or ran last
	Ended     time.Time // when that was seen to have ended; zero while it was not, or another was started since
}

// Input is everything that a decision depends on.
type Input struct {
	Node        string
	Incarnation int
	Founder     bool     // this incarnation's document told it to found the peer set
	Expected    []string // database nodes that the stack is to have
	Local       Local
	Peers       peerset.Snapshot
	Leave       bool // the node is to give up its work
	Parting     bool // it was told so a moment ago: proxies may still send it writes
	BackingOff  bool // the last start failed a moment ago
	JustEnded   bool // the server ended a moment ago: the others may count it still
	Blinded     bool // the peer set lost its quorum under this agent: what looks alive may have died meanwhile
}

// Kind is what to do next.
type Kind string

// The kinds of action.
const (
	Wait      Kind = "wait"      // nothing can be done now
	Serve     Kind = "serve"     // nothing needs to be done
	Watch     Kind = "watch"     // the server is on its way; keep looking
	Recover   Kind = "recover"   // find the position of a crashed server
	Bootstrap Kind = "bootstrap" // begin a new primary component, here
	Conclude  Kind = "conclude"  // first bootstrap: make the users, add the UUID to the record
	Reform    Kind = "reform"    // make the running non-primary component primary
	Join      Kind = "join"      // start and get in by state transfer
	Stop      Kind = "stop"      // stop the server
	Dismiss   Kind = "dismiss"   // end the clients' sessions, each between two of its transactions
)

// Action is a decision: what to do, and why.
type Action struct {
	Kind   Kind
	State  State
	Reason string
	// Settle is how long the same decision must stand before it is acted on: heartbeats that are on their way get in.
	Settle time.Duration
	Wipe   bool // Join: the data directory is of no use and goes first
	// Evidence is what each known database node said; it goes into the record.
	Evidence map[string]string
	// Position is, for Bootstrap, where from, zero for a new history; for Join, what the untouched directory is
	// declared to be.
	Position Position
}

// How long decisions that end an outage must stand. Two heartbeats for evidence; a non-primary component gets
// the time to heal by itself, which Galera does when its members meet again.
const (
	SettleEvidence   = 2 * time.Second
	SettleBlinded    = 8 * time.Second // longer than a dead peer counts as alive once quorum is back
	SettleBlind      = 5 * time.Second
	SettleReform     = 10 * time.Second
	SettleNonPrimary = 20 * time.Second
	SettleWipe       = 30 * time.Second // before data goes that might be wanted if the primary component is lost, too
)

// WipeAfter is how many starts that failed for the data's sake make a joiner give up what the primary component
// holds anyway.
const WipeAfter = 3

// Decide is pure: it looks at the input and says what to do. Inputs are sorted by name; ties go to a running server,
// then to the lowest name.
func Decide(in Input) Action {
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
		if in.Local.Served {
			return Action{
				Kind:   Watch,
				State:  StateWaiting,
				Reason: "the server runs and does not answer",
			}
		}

		return Action{
			Kind:   Watch,
			State:  in.onTheWay(),
			Reason: "the server is starting",
		}

	case ProcessStopping:
		return Action{
			Kind:   Wait,
			State:  StateWaiting,
			Reason: "the server is stopping",
		}

	case ProcessUnseen:
		return refuse("the server does not answer, and systemd does not say why")
	}

	return in.stopped()
}

func (in Input) leave() Action {
	switch in.Local.Process {
	case ProcessStopped, ProcessFailed:
		return Action{
			Kind:   Wait,
			State:  StateStopped,
			Reason: "drained",
		}

	case ProcessStopping:
		return Action{
			Kind:   Wait,
			State:  StateStopped,
			Reason: "draining: the server is stopping",
		}
	}

	writer := in.Peers.Leases[peerset.LeaseWriter]
	if (writer.Holder == "" || writer.Holder == in.Node) && in.hasSuccessor() {
		return Action{
			Kind:   Wait,
			State:  in.serving(),
			Reason: "draining: another node is to take the writes first",
		}
	}

	if in.Parting && in.Local.Wsrep.synced() && in.hasSuccessor() {
		if senders := in.senders(); len(senders) > 0 {
			return Action{
				Kind:   Wait,
				State:  in.serving(),
				Reason: "draining: " + list(senders) + " is to send the writes elsewhere first",
			}
		}

		if !in.Local.Dismissed {
			return Action{
				Kind:   Dismiss,
				State:  in.serving(),
				Reason: "draining: the clients' transactions come to their end",
			}
		}
	}

	return Action{
		Kind:   Stop,
		State:  StateStopped,
		Reason: "draining",
	}
}

// senders returns the proxies that say that they send their writes here: what is under way there would break off.
func (in Input) senders() []string {
	var names []string
	for _, peer := range in.Peers.Peers {
		if in.Peers.Quorum && peer.Alive && peer.Facts[peerset.FactSendsTo] == in.Node {
			names = append(names, peer.Name)
		}
	}

	return names
}

// hasSuccessor tells whether another node of the primary component stays and can take the writes: two that
// leave at once must not wait for each other.
func (in Input) hasSuccessor() bool {
	return slices.ContainsFunc(in.otherPrimaries(), func(name string) bool {
		peer, _ := in.Peers.Peer(name)
		return !leaves(peer)
	})
}

func leaves(peer peerset.Peer) bool {
	return peer.Draining || peer.Facts[FactLeaving] != ""
}

// serving is the state of a running server, from its own words.
func (in Input) serving() State {
	switch w := in.Local.Wsrep; {
	case in.Local.Process != ProcessRunning:
		return in.onTheWay()
	case !w.primary():
		return StateNonPrimary
	case w.synced():
		return StateSynced
	case w.donor(), w.LocalState == wsrepJoined && in.Local.Synced:
		return StateDonor // a donor that gave its state is "joined" until it has caught up
	default:
		return StateJoining
	}
}

func (in Input) onTheWay() State {
	if record, found, _ := recordOf(in.Peers); found && in.mine(record) && record.UUID == "" {
		return StateBootstrapping
	}

	return StateJoining
}

func (in Input) mine(record Record) bool {
	return record.Node == in.Node && record.Incarnation == in.Incarnation
}

func (in Input) running() Action {
	w := in.Local.Wsrep
	if !w.primary() {
		return in.nonPrimary()
	}

	record, found, err := recordOf(in.Peers)
	if err != nil {
		return refuse(err.Error())
	}

	if found && record.UUID == "" {
		return in.begun(record)
	}

	state := in.serving()

	if serves := state == StateSynced || state == StateDonor; serves && w.otherThan(record) {
		return Action{
			Kind:  Stop,
			State: StateWaiting,
			Reason: fmt.Sprintf(
				"the server runs a history of its own (%s) beside the stack's (%s): somebody began it by hand; "+
					"replace the node",
				w.UUID,
				record.UUID,
			),
		}
	}

	switch state {
	case StateSynced:
		reason := fmt.Sprintf("in a primary component of %d", w.Size)
		if in.Local.Short {
			reason += fmt.Sprintf("; its disk is nearly full, %s are free", in.Local.Space)
		}

		return Action{
			Kind:   Serve,
			State:  state,
			Reason: reason,
		}

	case StateDonor:
		return Action{
			Kind:   Serve,
			State:  state,
			Reason: "gives its state to a joining node",
		}
	}

	return Action{
		Kind:   Watch,
		State:  state,
		Reason: "catches up with the primary component",
	}
}

// otherThan tells a history that is not the recorded one, which never becomes another.
func (w Wsrep) otherThan(record Record) bool {
	running := Position{UUID: w.UUID}
	return running.Named() && record.UUID != "" && w.UUID != record.UUID
}

// begun is what a member of a cluster without users does: the one that began it makes them. Galera's quorum
// tells when that one is not in the cluster any more; whoever is makes them then.
func (in Input) begun(record Record) Action {
	if in.mine(record) || !in.inView(record.Node) {
		return Action{
			Kind:   Conclude,
			State:  StateBootstrapping,
			Reason: "the new cluster is up: make its users, record its UUID",
		}
	}

	return Action{
		Kind:   Wait,
		State:  StateJoining,
		Reason: "in the new cluster; " + record.Node + " is to make its users",
	}
}

func (in Input) nonPrimary() Action {
	if others := in.otherPrimaries(); len(others) > 0 {
		return Action{
			Kind:   Stop,
			State:  StateNonPrimary,
			Settle: SettleNonPrimary,
			Reason: "outside the primary component of " + list(others) +
				"; starts anew to join it if it does not get back by itself",
		}
	}

	if !in.Peers.Quorum {
		return Action{
			Kind:   Wait,
			State:  StateNonPrimary,
			Reason: "outside the primary component, and the peer set has no quorum to form it again",
		}
	}

	verdict := in.weigh()
	if verdict.refusal != "" {
		return Action{
			Kind:   Wait,
			State:  StateNonPrimary,
			Reason: "outside the primary component: " + verdict.refusal,
		}
	}

	if verdict.best != in.Node {
		return Action{
			Kind:  Wait,
			State: StateNonPrimary,
			Reason: fmt.Sprintf(
				"outside the primary component; %s is to form it again (%s)",
				verdict.best,
				verdict.position,
			),
		}
	}

	return Action{
		Kind:     Reform,
		State:    StateNonPrimary,
		Settle:   SettleReform,
		Position: verdict.position,
		Evidence: verdict.evidence,
		Reason: "no primary component is left and this node has the most advanced data: " +
			verdict.position.String(),
	}
}

func (in Input) stopped() Action {
	if in.Local.Content == "" {
		return refuse("cannot tell what the data directory holds: " + in.Local.Unseen)
	}

	if in.Local.Content == ContentCrashed || in.Local.Content == ContentUnreadable && !in.replaceable() {
		return in.recover()
	}

	if len(in.otherPrimaries()) > 0 {
		return in.join()
	}

	if position := in.invited(); position.Named() {
		return Action{
			Kind:     Join,
			State:    StateJoining,
			Position: position,
			Reason:   "begins together with the others",
		}
	}

	if !in.Peers.Quorum {
		return in.blind()
	}

	return in.bootstrap()
}

// recover finds out how far crashed data got, again and again: a full disk is emptied some day, a lock is let go.
func (in Input) recover() Action {
	if in.Local.Unread > 0 && in.BackingOff {
		reason := fmt.Sprintf(
			"cannot find out how far the data got; recovery %d failed, tries again in a while: %s",
			in.Local.Unread,
			in.Local.Trouble,
		)

		return Action{
			Kind:   Wait,
			State:  StateRecovering,
			Reason: reason,
		}
	}

	return Action{
		Kind:   Recover,
		State:  StateRecovering,
		Reason: "find out how far the data got",
	}
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

// join goes into a primary component that is there.
func (in Input) join() Action {
	others := in.otherPrimaries()
	theirs := in.positionOf(others[0])
	mine := in.Local.Position
	if mine.Named() && theirs.Named() && mine.UUID != theirs.UUID {
		return refuse(fmt.Sprintf(
			"this node holds data of another cluster (%s) than the one that runs (%s); replace the node, or "+
				"save the data and wipe it",
			mine,
			theirs,
		))
	}

	if in.Local.Content == ContentKnown && in.ahead(theirs) {
		return refuse(fmt.Sprintf(
			"this node's data (%s) is ahead of the primary component (%s) and it cannot join: %s",
			mine,
			theirs,
			in.Local.Trouble,
		))
	}

	if in.BackingOff {
		return Action{
			Kind:   Wait,
			State:  StateWaiting,
			Reason: in.tryAgain(),
		}
	}

	if counting := in.counting(); in.JustEnded && len(counting) > 0 {
		return Action{
			Kind:   Wait,
			State:  StateWaiting,
			Reason: "waits until " + list(counting) + " no longer counts the server that ended here",
		}
	}

	if busy := in.busy(); len(busy) > 0 && len(others) > len(busy) {
		return Action{
			Kind:   Wait,
			State:  StateWaiting,
			Reason: "waits for " + list(busy) + " to have given its state to another node: the writer is spared",
		}
	}

	action := Action{
		Kind:   Join,
		State:  StateJoining,
		Reason: "join " + list(others),
	}

	if turn := in.Peers.Holder(peerset.LeaseGaleraJoin); turn != "" && turn != in.Node {
		action.State = StateWaiting
		action.Reason = "waits its turn to join: " + turn + " is joining"
	}

	switch in.Local.Content {
	case ContentTorn:
		action.Wipe = true
	case ContentUnreadable:
		action.Wipe, action.Settle = true, SettleWipe

	case ContentKnown:
		if in.Local.Damage >= WipeAfter {
			action.Wipe, action.Settle = true, SettleWipe
		}
	}

	return action
}

// ahead tells data that holds what the primary component lacks: it is never wiped, whatever is wrong with it.
func (in Input) ahead(theirs Position) bool {
	return in.Local.Cause == CauseAhead ||
		in.Local.Damage >= WipeAfter && in.Local.Position.Seqno > theirs.Seqno
}

func (in Input) tryAgain() string {
	return fmt.Sprintf(
		"start %d failed, tries again in a while: %s",
		in.Local.Failures,
		cmp.Or(in.Local.Trouble, "see the server's journal"),
	)
}

// blind is what a node with data does while nobody can be asked: try the addresses it remembers. Joining never makes
// a primary component, except the one that all its last members form again by Galera's own pc.recovery.
func (in Input) blind() Action {
	if in.Local.Content != ContentKnown {
		return Action{
			Kind:   Wait,
			State:  StateWaiting,
			Reason: "the peer set has no quorum and this node has no data of its own",
		}
	}

	if in.BackingOff {
		return Action{
			Kind:   Wait,
			State:  StateWaiting,
			Reason: in.tryAgain(),
		}
	}

	return Action{
		Kind:   Join,
		State:  StateWaiting,
		Settle: SettleBlind,
		Reason: "the peer set has no quorum: join whoever is at the remembered addresses",
	}
}

// bootstrap decides when no primary component is known and the peer set can be asked.
func (in Input) bootstrap() Action {
	verdict := in.weigh()
	switch {
	case verdict.refusal != "":
		return refuse(verdict.refusal)

	case verdict.best != in.Node:
		return Action{
			Kind:   Wait,
			State:  StateWaiting,
			Reason: fmt.Sprintf("%s is to bootstrap (%s)", verdict.best, verdict.position),
		}

	case in.BackingOff:
		return Action{
			Kind:   Wait,
			State:  StateWaiting,
			Reason: in.tryAgain(),
		}
	}

	action := Action{
		Kind:     Bootstrap,
		State:    StateBootstrapping,
		Position: verdict.position,
		Evidence: verdict.evidence,
	}
	if !verdict.position.Named() {
		action.Reason = "begin a new history: no database node has data and none ever had"
		return action
	}

	action.Settle = SettleEvidence
	if in.Blinded {
		action.Settle = SettleBlinded
	}

	action.Reason = "every database node has reported and this one has the most advanced data: " +
		verdict.position.String()

	return action
}

func refuse(reason string) Action {
	return Action{
		Kind:   Wait,
		State:  StateWaiting,
		Reason: reason,
	}
}

// otherPrimaries returns the names of the other database nodes that are in the primary component and can give their
// state, sorted.
func (in Input) otherPrimaries() []string {
	var names []string
	for _, peer := range in.Peers.Role(Role) {
		if peer.Name != in.Node && peer.Alive && in.Peers.Quorum && inPrimary(peer) {
			names = append(names, peer.Name)
		}
	}

	return names
}

func inPrimary(peer peerset.Peer) bool {
	return State(peer.State) == StateSynced || State(peer.State) == StateDonor
}

func (in Input) positionOf(name string) Position {
	peer, _ := in.Peers.Peer(name)
	return factPosition(peer)
}
