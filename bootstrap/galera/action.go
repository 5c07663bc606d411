package galera

import (
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// Input is everything that a decision depends on.
type Input struct {
	Node        string
	Role        string // whose peers are the database nodes
	Incarnation int
	Founder     bool     // this incarnation's document told it to found the peer set
	Expected    []string // database nodes that the stack is to have
	Local       Local
	Peers       peerset.Snapshot
	Arbitrators []string // roles whose peers are arbitrators of this database
	Leave       bool     // the node is to give up its work
	DrainGrace  bool     // it was told so a moment ago: proxies may still send it writes
	BackingOff  bool     // the last start failed a moment ago
	JustEnded   bool     // the server ended a moment ago: the others may count it still
	QuorumLost  bool     // the peer set lost its quorum under this agent: what looks alive may have died meanwhile
}

// Kind is what to do next.
type Kind string

// The kinds of action.
const (
	Wait       Kind = "wait"       // nothing can be done now
	Serve      Kind = "serve"      // nothing needs to be done
	Watch      Kind = "watch"      // the server is on its way; keep looking
	Recover    Kind = "recover"    // find the position of a crashed server
	Bootstrap  Kind = "bootstrap"  // begin a new primary component, here
	Conclude   Kind = "conclude"   // first bootstrap: make the users, add the UUID to the record
	Reform     Kind = "reform"     // make the running non-primary component primary
	Join       Kind = "join"       // start and get in by state transfer
	Stop       Kind = "stop"       // stop the server
	Disconnect Kind = "disconnect" // end the clients' sessions, each between two of its transactions
)

// Action is a decision: what to do, and why.
type Action struct {
	Kind   Kind
	State  State
	Reason string
	// Delay is how long the same decision must stand before it is acted on: heartbeats that are on their way get in.
	Delay time.Duration
	Wipe  bool // Join: the data directory is of no use and goes first
	// Evidence is what each known database node said; it goes into the record.
	Evidence map[string]string
	// Position is, for Bootstrap, where from, zero for a new history; for Join, what the untouched directory is
	// declared to be.
	Position Position
}

// Delays of decisions that end an outage. Evidence gets two heartbeats. A non-primary component gets the time to heal
// by itself, which Galera does when its members meet again.
const (
	DelayEvidence   = 2 * time.Second
	DelayQuorumLost = 8 * time.Second // longer than a dead peer counts as alive once quorum is back
	DelayBlind      = 5 * time.Second
	DelayReform     = 10 * time.Second
	DelayNonPrimary = 20 * time.Second
	DelayWipe       = 30 * time.Second // the data might be wanted if the primary component is lost, too
)

func wait(state State, reason string) Action {
	return Action{Kind: Wait, State: state, Reason: reason}
}

// waiting is the decision of a node that has no server and can do nothing now.
func waiting(reason string) Action {
	return wait(StateWaiting, reason)
}
