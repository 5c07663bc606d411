package bootstrap

import (
	"errors"
	"io/fs"
	"net/http"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/internal/metrics"
)

// counters are what this agent counts itself. docs/monitoring.md lists all metrics; a test holds the list and
// these to each other.
type counters struct {
	reports     *metrics.Vec
	applies     *metrics.Vec
	written     *metrics.Vec
	tasks       *metrics.Vec
	transitions *metrics.Vec
	moves       *metrics.Vec
}

// setter sets one value of a metric, with its labels' values.
type setter = func(value float64, labels ...string)

// register makes the agent's own metrics.
//
// A driver's or a check's own metric is one line where it is born, with Env.Metrics or Agent.Metrics:
//
//	drift := a.Metrics.Gauge("hornero_drift_files", "Files of the image that are not as baked.")
//	drift.Set(3)
func (a *Agent) register() {
	m := a.Metrics
	a.counted = newCounters(m)
	m.Process(a.start)

	m.Read("hornero_build_info", "Always 1: what this bootstrap and its image are.",
		[]string{"version", "goversion", "release"},
		func(set setter) {
			set(1, a.Version, runtime.Version(), a.Release)
		})

	m.ReadCounter("hornero_refused_total", "What was tried at this node's doors and not allowed.",
		[]string{"reason"},
		func(set setter) {
			counts := a.refused.byReason()

			// All reasons are series from the start, so that an alert sees the first refusal as a change.
			for _, reason := range peerset.Reasons {
				set(float64(counts[reason]), reason)
			}
		})

	a.registerNode(m)
	a.registerExpiry(m)
	a.registerCertificates(m)
	a.registerReservedIP(m)
	a.registerPeerSet(m)
}

func newCounters(m *metrics.Registry) counters {
	c := counters{
		reports: m.Counter(
			"hornero_reports_total",
			"Heartbeats sent to the peer set: ok, failed, evicted.",
			"result",
		),
		applies: m.Counter(
			"hornero_template_applies_total",
			"Rounds of rendering all templates: ok, failed.",
			"result",
		),
		written: m.Counter(
			"hornero_template_files_written_total",
			"Files that a template changed.",
		),
		tasks: m.Counter(
			"hornero_task_runs_total",
			"Runs of the role's tasks on this node: ok, failed.",
			"task", "result",
		),
		moves: m.Counter(
			"hornero_reserved_ip_moves_total",
			"Changes of the stack's reserved IP that this node began: ok, failed.",
			"result",
		),
		transitions: m.Counter(
			"hornero_state_transitions_total",
			"Changes of the role's own state.",
			"from", "to",
		),
	}

	// An alert on a rate needs the first failure to be a change, not a new series.
	for _, result := range []string{"ok", "failed"} {
		c.reports.Add(0, result)
		c.applies.Add(0, result)
	}

	return c
}

func (a *Agent) registerNode(m *metrics.Registry) {
	m.Read("hornero_node_info", "Always 1: which node this is.",
		[]string{"stack", "node", "role", "incarnation"},
		func(set setter) {
			s := a.Status()
			set(1, s.Stack, s.Node, s.Role, strconv.Itoa(s.Incarnation))
		})

	m.Read("hornero_phase", "1 for the phase that the agent is in.",
		[]string{"phase"},
		func(set setter) {
			now := a.Status().Phase
			for _, phase := range phases {
				set(oneIf(phase == now), phase)
			}
		})

	m.Read("hornero_phase_end_seconds", "When each phase was over, from the agent's start.",
		[]string{"phase"},
		func(set setter) {
			for phase, seconds := range a.Status().Marks {
				set(seconds, phase)
			}
		})

	m.Read("hornero_healthy", "1 when /healthz says so.", nil, func(set setter) {
		set(oneIf(a.Status().Healthy))
	})

	m.Read("hornero_alarm", "1 while something is wrong beside the node's own work.", nil, func(set setter) {
		set(oneIf(a.Status().Alarm != ""))
	})

	m.Read("hornero_draining", "1 when the node gives its work up.", nil, func(set setter) {
		set(oneIf(a.Status().Draining))
	})

	m.Read("hornero_drift_files", "Files that are not as they were baked or written.", nil, func(set setter) {
		set(float64(a.watch.status().DriftFiles))
	})

	m.Read("hornero_state", "1 for the role's own state.", []string{"state"}, func(set setter) {
		if state := a.Status().State; state != "" {
			set(1, state)
		}
	})
}

// phases are all that a node can be in.
var phases = []string{PhaseFinding, PhaseJoining, PhaseConfiguring, PhaseServing, PhaseRefused}

func (a *Agent) registerReservedIP(m *metrics.Registry) {
	m.Read("hornero_reserved_ip_active", "1 when the stack's reserved IP reaches this node.",
		[]string{"address"},
		func(set setter) {
			if s := a.Status().ReservedIP; s != nil {
				set(oneIf(s.Active), s.Address)
			}
		})

	m.Read("hornero_reserved_ip_able",
		"1 when the API lets this node move the stack's reserved IP, as far as it knows.",
		[]string{"address"},
		func(set setter) {
			if s := a.Status().ReservedIP; s != nil {
				set(oneIf(s.Problem == ""), s.Address)
			}
		})
}

// readPeerSet reads something of the peer set as this node knows it; nothing before it has joined.
func (a *Agent) readPeerSet(read func(peerset.Snapshot, setter)) func(setter) {
	return func(set setter) {
		if peers := a.peerSet(); peers != nil {
			read(peers.Snapshot(), set)
		}
	}
}

func (a *Agent) registerPeerSet(m *metrics.Registry) {
	for name, metric := range map[string]struct {
		help   string
		labels []string
		read   func(peerset.Snapshot, setter)
	}{
		"hornero_peer_set_quorum": {
			help: "1 when what this node knows of the peer set is fresh.",
			read: func(s peerset.Snapshot, set setter) {
				set(oneIf(s.Quorum))
			},
		},
		"hornero_peer_set_generation": {
			help: "Changes of the peer set so far.",
			read: func(s peerset.Snapshot, set setter) {
				set(float64(s.Generation))
			},
		},
		"hornero_peer_set_voters": {
			help: "Members that vote.",
			read: func(s peerset.Snapshot, set setter) {
				set(float64(len(s.Voters)))
			},
		},
		"hornero_peer_set_leader": {
			help:   "Always 1: dqlite's address of the leader.",
			labels: []string{"address"},
			read: func(s peerset.Snapshot, set setter) {
				if s.Leader != "" {
					set(1, s.Leader)
				}
			},
		},
		"hornero_peer_set_peer_alive": {
			help:   "1 for a node whose heartbeat was seen lately.",
			labels: []string{"node", "role"},
			read: func(s peerset.Snapshot, set setter) {
				for _, peer := range s.Peers {
					set(oneIf(peer.Alive), peer.Name, peer.Role)
				}
			},
		},
		"hornero_peer_set_peer_healthy": {
			help:   "1 for a node that is alive and serves.",
			labels: []string{"node", "role"},
			read: func(s peerset.Snapshot, set setter) {
				for _, peer := range s.Peers {
					set(oneIf(peer.Alive && peer.Healthy), peer.Name, peer.Role)
				}
			},
		},
		"hornero_lease_epoch": {
			help:   "The epoch of each lease, with who holds it.",
			labels: []string{"lease", "holder"},
			read: func(s peerset.Snapshot, set setter) {
				for _, lease := range s.Leases {
					set(float64(lease.Epoch), lease.Name, lease.Holder)
				}
			},
		},
		"hornero_lease_held": {
			help:   "1 for each lease that this node holds.",
			labels: []string{"lease"},
			read: func(s peerset.Snapshot, set setter) {
				self := a.self()

				for _, lease := range s.Leases {
					if lease.Holder == self.Name && lease.Incarnation == self.Incarnation {
						set(1, lease.Name)
					}
				}
			},
		},
	} {
		m.Read(name, metric.help, metric.labels, a.readPeerSet(metric.read))
	}

	m.Read("hornero_peer_set_store_bytes", "What this member's part of the store takes on its disk.",
		nil,
		func(set setter) {
			// A client has no store.
			if size := folderSize(filepath.Join(a.State, "dqlite")); size > 0 {
				set(float64(size))
			}
		})
}

// folderSize is what a folder's files take, in bytes.
func folderSize(path string) int64 {
	var size int64

	_ = filepath.WalkDir(path, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			// dqlite may remove a segment while it is looked at.
			if info, err := entry.Info(); err == nil {
				size += info.Size()
			}
		}

		return nil
	})

	return size
}

// oneIf is a condition as a metric's value.
func oneIf(value bool) float64 {
	if value {
		return 1
	}

	return 0
}

func (a *Agent) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", metrics.ContentType)
	if err := a.Metrics.Write(w); err != nil {
		a.Log.Debug("serve metrics", "err", err)
	}
}

// resultOf is a label's value for how something ended.
func resultOf(err error) string {
	if err != nil {
		return "failed"
	}

	return "ok"
}

// resultOfReport tells an eviction apart: no retry helps against it.
func resultOfReport(err error) string {
	if errors.Is(err, peerset.ErrEvicted) {
		return "evicted"
	}

	return resultOf(err)
}
