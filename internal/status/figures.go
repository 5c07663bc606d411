package status

// Figures are what a node's driver measures of its server. They change all the time, so that peers are not told.
type Figures struct {
	// Transfer changes while the state of another node moves into this one; empty while none does.
	Transfer string `json:"transfer,omitempty"`
	// PausedNanoseconds is for how long replication has stood still for a member that lags behind, since the server's
	// start.
	PausedNanoseconds int64 `json:"paused_nanoseconds,omitempty"`
	// PausesAsked is how often this node asked for that, since its server's start.
	PausesAsked int64 `json:"pauses_asked,omitempty"`
}
