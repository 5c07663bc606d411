package status

// Recovery is what `hornero-bootstrap recover --dry-run --json` prints: what this node holds of the peer set,
// and whether that may be all that goes on.
type Recovery struct {
	Node      string   `json:"node"`
	Era       int      `json:"era"`   // how often the peer set was rebuilt
	Term      uint64   `json:"term"`  // of the last entry of its log
	Index     uint64   `json:"index"` // 0: it has no copy
	Role      string   `json:"role"`  // voter, stand-by or spare, as it last wrote down
	Quorum    bool     `json:"quorum"`
	Voters    []string `json:"voters"`    // dqlite's addresses, as this node last knew them
	Answering []string `json:"answering"` // those of them that answer now, this node counted
	Refused   string   `json:"refused"`   // why nothing may be rebuilt from here; empty when it may
	Steps     []string `json:"steps"`     // what would be done
}

// Newer tells whether this node's part is more advanced than another's.
func (r Recovery) Newer(other Recovery) bool {
	// Terms and indexes of different eras cannot be compared: they are not of one log.
	if r.Era != other.Era {
		return r.Era > other.Era
	}

	// Raft's rule: a later term wins over a longer log.
	if r.Term != other.Term {
		return r.Term > other.Term
	}

	return r.Index > other.Index
}
