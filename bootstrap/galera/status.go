package galera

import (
	"maps"
	"strconv"
	"strings"
	"time"
)

// Status is what the node says of itself: to its peers, to health checks, to people.
type Status struct {
	State   State
	Reason  string
	Healthy bool
	Alarm   string // what is wrong with the cluster although the node serves; "" for nothing
	Facts   map[string]string
}

func (s Status) equal(other Status) bool {
	return s.State == other.State &&
		s.Reason == other.Reason &&
		s.Healthy == other.Healthy &&
		s.Alarm == other.Alarm &&
		maps.Equal(s.Facts, other.Facts)
}

// Status returns what the node last said of itself.
func (d *Driver) Status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()

	return d.status
}

// publish reports the node's status when it differs, and logs each transition.
func (d *Driver) publish(in Input, action Action) {
	status := Status{
		State:   action.State,
		Reason:  action.Reason,
		Healthy: Healthy(in, action.State),
		Facts:   d.facts(in, action),
	}

	// The node serves on: whoever got in must not be able to end the service by it, too.
	if who := d.observeStrangers(in); who != "" {
		status.Facts[FactStranger] = who
		status.Alarm = "Galera's view has a member that the peer set does not know: " + who
	}

	d.mu.Lock()
	before := d.status
	d.status = status
	d.mu.Unlock()

	if before.equal(status) {
		return
	}

	// Whether this node may be the writer depends on what it says of itself.
	d.seen.Ring()

	if before.State != status.State {
		d.Log.Info("database node changes state",
			"from", before.State,
			"to", status.State,
			"reason", status.Reason,
		)
	}

	if in.Leave && status.State == StateStopped && in.Local.down() {
		d.endDrain()
	}

	d.Report(status)
}

// endDrain lets Drain return. The status may be published again after that.
func (d *Driver) endDrain() {
	d.mu.Lock()
	defer d.mu.Unlock()

	select {
	case <-d.drained:
	default:
		close(d.drained)
	}
}

func (d *Driver) facts(in Input, action Action) map[string]string {
	local := in.Local
	kind, position := local.evidence()

	facts := map[string]string{
		FactAddress:  d.Address,
		FactEvidence: string(kind),
	}

	// A node about to start has no evidence to give any more: what it holds may change any moment.
	starts := action.Kind == Bootstrap || action.Kind == Join
	if starts && action.Delay == 0 {
		delete(facts, FactEvidence)
	}

	if in.Leave {
		facts[FactLeaving] = "yes"
	}

	if local.Space.Total > 0 {
		facts[FactFree] = d.reportedFree(local.Space)
	}

	if local.Short {
		facts[FactShort] = "yes"
	}

	if local.Seed != "" {
		facts[FactSeed] = local.Seed
	}

	if local.RecoveryFailures > 0 {
		facts[FactReason] = "its data cannot be read: " + short(local.Trouble)
	}

	if position.Named() {
		seqno := d.reportedSeqno(kind, position.Seqno)
		facts[FactUUID] = position.UUID
		facts[FactSeqno] = strconv.FormatInt(seqno, 10)
	}

	if !local.Ended.IsZero() {
		facts[FactEnded] = local.Member
	}

	if local.Process == ProcessRunning {
		maps.Copy(facts, local.Wsrep.facts())
	}

	return facts
}

func (w Wsrep) facts() map[string]string {
	facts := map[string]string{
		FactClusterStatus: w.ClusterStatus,
		FactSize:          strconv.Itoa(w.Size),
		FactState:         strconv.Itoa(w.LocalState),
	}

	if len(w.Incoming) > 0 {
		facts[FactView] = strings.Join(w.Incoming, " ")
	}

	if w.Arbiters > 0 {
		facts[FactArbiters] = strconv.Itoa(w.Arbiters)
	}

	return facts
}

// short keeps what goes to every peer small; the node's own status has the whole.
func short(text string) string {
	const most = 160

	runes := []rune(text)
	if len(runes) <= most {
		return text
	}

	return string(runes[:most]) + "..."
}

// reportedSeqno is refreshed now and then while the node serves, and exact when it counts as evidence.
func (d *Driver) reportedSeqno(kind Evidence, seqno int64) int64 {
	now := time.Now()
	if kind != EvidenceNone || now.Sub(d.seqnoTime) >= d.Times.SeqnoEvery {
		d.seqno, d.seqnoTime = seqno, now
	}

	return d.seqno
}
