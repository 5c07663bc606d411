package galera

import (
	"encoding/json"
	"fmt"
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
	// Seed names the untouched directory in which a new history begins; "" for none.
	Seed    string      `json:"seed,omitempty"`
	Invited *Invitation `json:"invited,omitempty"`
	Time    time.Time   `json:"time"`
}

func recordOf(snapshot peerset.Snapshot) (record Record, found bool, err error) {
	text := snapshot.Settings[SettingDecision]
	if text == "" {
		return Record{}, false, nil
	}

	if err := json.Unmarshal([]byte(text), &record); err != nil {
		return Record{}, false, fmt.Errorf("read setting %s: %w", SettingDecision, err)
	}

	return record, true, nil
}

func (r Record) encode() (string, error) {
	text, err := json.Marshal(r)
	return string(text), err
}
