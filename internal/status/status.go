// Package status owns the wire shape of a node's own account of itself, which the agent serves and the fleet reads.
// It holds types only.
package status

// Status is what `hornero-bootstrap status --json` prints.
type Status struct {
	Stack       string  `json:"stack"`
	Node        string  `json:"node"`
	Role        string  `json:"role"`
	Incarnation int     `json:"incarnation"`
	Address     string  `json:"address"` // in the VPC
	Phase       string  `json:"phase"`   // finding, joining, configuring, serving, refused
	State       string  `json:"state"`   // the role's own word: synced, donor, joining, serving, ...
	Healthy     bool    `json:"healthy"`
	Reason      string  `json:"reason"` // why it is where it is; what it waits for
	Writer      bool    `json:"writer"` // holds the writer lease
	Draining    bool    `json:"draining"`
	PeerSet     PeerSet `json:"peer_set"`
	// Marks are the seconds from the agent's start to each phase's end.
	Marks map[string]float64 `json:"marks"`
}

// PeerSet is the peer set as this node last knew it.
type PeerSet struct {
	Founded    string   `json:"founded"` // id of the founding; empty when this node never joined one
	Generation uint64   `json:"generation"`
	Quorum     bool     `json:"quorum"`
	Leader     string   `json:"leader"`
	Voters     []string `json:"voters"`
	Writer     string   `json:"writer"` // holder of the writer lease
	Peers      []Peer   `json:"peers"`
	// Forgotten are the nodes that were declared gone, with their incarnation; 0 for one that never registered.
	Forgotten map[string]int `json:"forgotten,omitempty"`
}

// Peer is one node of the peer set.
type Peer struct {
	Name        string            `json:"name"`
	Role        string            `json:"role"`
	Incarnation int               `json:"incarnation"`
	Address     string            `json:"address"`
	State       string            `json:"state"`
	Healthy     bool              `json:"healthy"`
	Alive       bool              `json:"alive"`
	Facts       map[string]string `json:"facts,omitempty"`
}
