package galera

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
	ProcessUnknown  Process = "unknown" // the server does not answer, and systemd does not say what its unit does
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
