package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
	"unicode"

	"github.com/hornero/hornero/bootstrap/peerset"
)

// Limits on what a node may say. A certificate entitles to speak, not to fill the store or to write
// configuration lines.
const (
	maxBody   = 64 << 10 // a report with all its facts is under 4 KiB
	maxAnswer = 4 << 20  // a snapshot of a hundred nodes is under 1 MiB
	maxName   = 128      // of a lease, a setting, a state
	maxReason = 4 << 10
	maxFacts  = 64
	factBytes = 16 << 10    // of all facts together: a snapshot has those of every node
	maxValue  = 4 << 10     // of a setting: a role may have a hundred
	shortest  = time.Second // a shorter lease than this is everybody's
	longest   = 10 * time.Minute
)

type holdRequest struct {
	Lease string        `json:"lease"`
	TTL   time.Duration `json:"ttl"`
}

type holdAnswer struct {
	Lease peerset.Lease `json:"lease"`
	Held  bool          `json:"held"`
}

type seizeRequest struct {
	Lease  string `json:"lease"`
	Epoch  int64  `json:"epoch"` // at which the caller saw it
	Reason string `json:"reason"`
}

type putRequest struct {
	Key   string        `json:"key"`
	Value string        `json:"value"`
	Fence peerset.Lease `json:"fence"`
}

// news says that the sender, a member, changed something; what, everybody reads for himself.
type news struct{}

// beats are heartbeats that the sender, a member, got: names and incarnations.
type beats map[string]int

// read reads one JSON object and nothing after it, and checks it. A key that this version does not know is from
// a newer one and is passed over.
func read(from io.Reader, body any) error {
	decoder := json.NewDecoder(from)

	if err := decoder.Decode(body); err != nil {
		return err
	}

	// A second object would be dropped silently.
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the first object")
	}

	switch body := body.(type) {
	case *peerset.Join:
		return checkJoin(*body)
	case *peerset.Report:
		return checkReport(*body)
	case *holdRequest:
		return body.check()
	case *seizeRequest:
		return body.check()
	case *peerset.Lease:
		return checkName("name", body.Name)
	case *putRequest:
		return body.check()
	case *peerset.Note:
		return checkNote(*body)
	case *news, *beats:
		return nil
	}

	return fmt.Errorf("no check for %T", body)
}

// checkJoin holds what ends in the configuration files of other nodes to what it is to be.
func checkJoin(join peerset.Join) error {
	if address, err := netip.ParseAddr(join.Address); err != nil || address.Zone() != "" {
		return fmt.Errorf("address: must be an IP address, got %q", join.Address)
	}
	if join.Kind != peerset.KindMember && join.Kind != peerset.KindClient {
		return fmt.Errorf("kind: must be member or client, got %q", join.Kind)
	}

	return nil
}

func checkReport(report peerset.Report) error {
	if len(report.Facts) > maxFacts {
		return fmt.Errorf("facts: must be at most %d, got %d", maxFacts, len(report.Facts))
	}

	size := 0

	for name, value := range report.Facts {
		size += len(name) + len(value)
	}

	if size > factBytes {
		return fmt.Errorf("facts: must be at most %d bytes, got %d", factBytes, size)
	}
	if report.State == "" {
		// A node that has just joined has no state yet.
		return nil
	}

	return checkName("state", report.State)
}

func checkNote(note peerset.Note) error {
	if len(note.Text) > maxReason {
		return fmt.Errorf("text: must be at most %d bytes, got %d", maxReason, len(note.Text))
	}

	// Events are printed on operators' terminals: no control character may pass.
	for _, r := range note.Text {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("text: must be printable, got %q", note.Text)
		}
	}

	return checkName("kind", note.Kind)
}

func (r holdRequest) check() error {
	if r.TTL < shortest || r.TTL > longest {
		return fmt.Errorf("ttl: must be from %s to %s, got %s", shortest, longest, r.TTL)
	}

	return checkName("lease", r.Lease)
}

func (r seizeRequest) check() error {
	if len(r.Reason) > maxReason {
		return fmt.Errorf("reason: must be at most %d bytes, got %d", maxReason, len(r.Reason))
	}

	return checkName("lease", r.Lease)
}

func (r putRequest) check() error {
	if err := checkName("key", r.Key); err != nil {
		return err
	}
	if len(r.Value) > maxValue {
		return fmt.Errorf("value: must be at most %d bytes, got %d", maxValue, len(r.Value))
	}

	return checkName("fence.name", r.Fence.Name)
}

func checkName(path, name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("%s: must have 1 to %d bytes, got %d", path, maxName, len(name))
	}

	// Names end in logs and configuration files of other nodes: a line's end would begin a line of the caller's.
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%s: must be printable, got %q", path, name)
		}
	}

	return nil
}
