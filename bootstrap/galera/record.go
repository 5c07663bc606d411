package galera

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// SettingDecision is the key of the bootstrap record among the peer set's settings.
const SettingDecision = peerset.SettingDecision

// Record is the decision to bootstrap: written to the store before it is acted on. A record without a UUID is the
// intent to begin a new history; the node that wrote it adds the UUID once its server has one.
type Record struct {
	UUID        string            `json:"uuid"`
	Epoch       int64             `json:"epoch"`
	Node        string            `json:"node"`
	Incarnation int               `json:"incarnation"`
	Seqno       int64             `json:"seqno"`
	Evidence    map[string]string `json:"evidence"` // by node: what it said
	// names the untouched directory in which a new history begins; "" for none
	Seed    string      `json:"seed,omitempty"`
	Invited *Invitation `json:"invited,omitempty"`
	Time    time.Time   `json:"time"`
}

func recordOf(snapshot peerset.Snapshot) (Record, bool, error) {
	text := snapshot.Settings[SettingDecision]
	if text == "" {
		return Record{}, false, nil
	}

	var record Record

	if err := json.Unmarshal([]byte(text), &record); err != nil {
		return Record{}, false, fmt.Errorf("read setting %s: %w", SettingDecision, err)
	}

	return record, true, nil
}

// Invitation asks a node whose directory is the same as the one in which the history began to come in before
// anything is written: what it holds is what the cluster holds, and nothing needs to be copied.
type Invitation struct {
	Node        string `json:"node"`
	Incarnation int    `json:"incarnation"`
	UUID        string `json:"uuid"`
	Seqno       int64  `json:"seqno"`
}

func (r Record) encode() (string, error) {
	text, err := json.Marshal(r)
	return string(text), err
}

// Facts that a database node reports about itself.
const (
	FactUUID          = peerset.FactUUID
	FactSeqno         = peerset.FactSeqno
	FactEvidence      = "galera.evidence"
	FactClusterStatus = "galera.cluster_status"
	FactSize          = "galera.size"
	FactState         = "galera.state"
	FactAddress       = "galera.address"
	FactLeaving       = peerset.FactLeaving
	FactFree          = "galera.free"   // space on the disk, for people; refreshed now and then
	FactShort         = "galera.short"  // there is too little of it to take writes
	FactReason        = "galera.reason" // why there is no evidence
	FactArbiters      = "galera.arbiters"
	FactSeed          = "galera.seed"  // of a directory that is as it was baked
	FactView          = "galera.view"  // addresses of the database nodes in the server's view
	FactEnded         = "galera.ended" // the member of Galera's view that this node's server was; it has ended
)

// Evidence is what a node that is in no primary component can say about its data.
type Evidence string

// Kinds of evidence. A node that starts, joins or serves gives none: what it has may change any moment.
const (
	EvidenceNone       Evidence = ""
	EvidenceEmpty      Evidence = "empty"       // it never had data
	EvidenceTorn       Evidence = "torn"        // a half-finished state transfer: nothing usable
	EvidenceStopped    Evidence = "stopped"     // the server is down at a known position
	EvidenceNonPrimary Evidence = "non-primary" // the server runs outside the primary component, at a known position
	EvidenceUnreadable Evidence = "unreadable"  // there is data, and no position could be recovered from it
)

func (e Evidence) positioned() bool {
	return e == EvidenceStopped || e == EvidenceNonPrimary
}

// testimony is one node's evidence, as the peer set holds it.
type testimony struct {
	name     string
	kind     Evidence
	position Position
	reason   string // why it has nothing to say, if it says
}

// missing names a node whose evidence is missing, with the reason that it gave.
func (t testimony) missing() string {
	switch {
	case t.reason != "":
		return t.name + " (" + t.reason + ")"
	case t.kind == EvidenceUnreadable:
		return t.name + " (its data cannot be read)"
	}

	return t.name
}

func (t testimony) String() string {
	if t.kind.positioned() {
		return string(t.kind) + " at " + t.position.String()
	}

	return string(t.kind)
}

func list(names []string) string {
	return strings.Join(names, ", ")
}
