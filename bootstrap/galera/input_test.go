package galera_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap/galera"
	"github.com/hornero/hornero/bootstrap/peerset"
)

const (
	ours   = "11111111-1111-1111-1111-111111111111"
	theirs = "22222222-2222-2222-2222-222222222222"
)

// peer is a living database node; facts come in pairs.
func peer(name string, state galera.State, facts ...string) peerset.Peer {
	p := peerset.Peer{
		Name:        name,
		Role:        "db",
		Incarnation: 1,
		Address:     "10.0.0." + name[3:],
		State:       string(state),
		Alive:       true,
		Healthy:     state == galera.StateSynced,
		Facts:       map[string]string{},
	}

	for i := 0; i < len(facts); i += 2 {
		p.Facts[facts[i]] = facts[i+1]
	}

	return p
}

func empty(name string) peerset.Peer {
	return peer(name, galera.StateWaiting, galera.FactEvidence, "empty")
}

func at(name, uuid, seqno string) peerset.Peer {
	return peer(name, galera.StateWaiting,
		galera.FactEvidence, "stopped",
		galera.FactUUID, uuid,
		galera.FactSeqno, seqno,
	)
}

func primary(name, uuid string) peerset.Peer {
	return peer(name, galera.StateSynced, galera.FactUUID, uuid, galera.FactSeqno, "100")
}

func proxy(name, sends string) peerset.Peer {
	return peerset.Peer{
		Name:        name,
		Role:        "proxy",
		Incarnation: 1,
		Alive:       true,
		Healthy:     true,
		Facts:       map[string]string{peerset.FactSendsTo: sends},
	}
}

func dead(p peerset.Peer) peerset.Peer {
	p.Alive = false
	return p
}

func elsewhere(p peerset.Peer) peerset.Peer {
	p.Address = "10.0.0.99"
	return p
}

// invitation is a history that db-1 has begun in directory seed, with a node invited at its third number.
func invitation(t *testing.T, seed, node string, incarnation int) map[string]string {
	return record(t, galera.Record{
		Node:        "db-1",
		Incarnation: 1,
		Seed:        seed,
		Invited: &galera.Invitation{
			Node:        node,
			Incarnation: incarnation,
			UUID:        ours,
			Seqno:       3,
		},
	})
}

func record(t *testing.T, r galera.Record) map[string]string {
	text, err := json.Marshal(r)
	require.NoError(t, err)
	return map[string]string{galera.SettingDecision: string(text)}
}

// in is db-2 of three, stopped and pristine, with quorum and nobody else there.
func in(change ...func(*galera.Input)) galera.Input {
	input := galera.Input{
		Node:        "db-2",
		Role:        "db",
		Arbitrators: []string{"arbitrator"},
		Incarnation: 1,
		Expected:    []string{"db-1", "db-2", "db-3"},
		Local: galera.Local{
			Process: galera.ProcessStopped,
			Content: galera.ContentPristine,
		},
		Peers: peerset.Snapshot{
			Founded:  "one",
			Quorum:   true,
			Leases:   map[string]peerset.Lease{},
			Settings: map[string]string{},
		},
	}

	for _, c := range change {
		c(&input)
	}

	return input
}

type edit = func(*galera.Input)

func peers(list ...peerset.Peer) edit {
	return func(i *galera.Input) { i.Peers.Peers = list }
}

func settings(s map[string]string) edit {
	return func(i *galera.Input) {
		for k, v := range s {
			i.Peers.Settings[k] = v
		}
	}
}

func seed(s string) edit {
	return func(i *galera.Input) { i.Local.Seed = s }
}

func founder(i *galera.Input)  { i.Founder = true }
func noQuorum(i *galera.Input) { i.Peers.Quorum = false }

func inDrainGrace(i *galera.Input) {
	i.Leave, i.DrainGrace = true, true
}

func disconnected(i *galera.Input) { i.Local.Disconnected = true }
func leaving(i *galera.Input)      { i.Leave = true }
func backingOff(i *galera.Input)   { i.BackingOff = true }

func content(c galera.Content) edit {
	return func(i *galera.Input) { i.Local.Content = c }
}

func known(uuid string, seqno int64) edit {
	return func(i *galera.Input) {
		i.Local.Content, i.Local.Position = galera.ContentKnown, galera.Position{UUID: uuid, Seqno: seqno}
	}
}

func failed(times int) edit {
	return func(i *galera.Input) { i.Local.Failures = times }
}

func damaged(times int) edit {
	return func(i *galera.Input) {
		i.Local.Failures = times
		i.Local.Damage = times
		i.Local.Cause = galera.CauseData
	}
}

func running(status string, state int, seqno int64) edit {
	return func(i *galera.Input) {
		i.Local.Process = galera.ProcessRunning

		i.Local.Wsrep = galera.Wsrep{
			ClusterStatus: status,
			LocalState:    state,
			Ready:         status == "Primary",
			Size:          3,
			UUID:          ours,
			Seqno:         seqno,
			Incoming:      []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"},
		}
	}
}

func arbitrated(i *galera.Input) {
	addressless(i)

	i.Peers.Peers = append(i.Peers.Peers, peerset.Peer{
		Name:        "arbitrator-1",
		Role:        "arbitrator",
		Incarnation: 1,
		Alive:       true,
	})
}

func addressless(i *galera.Input) {
	i.Local.Wsrep.Size++
	i.Local.Wsrep.Arbiters = 1
}

func short(i *galera.Input) {
	i.Local.Short, i.Local.Space = true, galera.Space{
		Free:  300 << 20,
		Total: 25 << 30,
	}
}

func crowded(name string) peerset.Peer {
	p := primary(name, ours)
	p.Facts[galera.FactShort] = "yes"
	return p
}

func doing(p galera.Process) edit {
	return func(i *galera.Input) { i.Local.Process = p }
}

func holder(lease, node string) edit {
	return func(i *galera.Input) {
		i.Peers.Leases[lease] = peerset.Lease{
			Name:        lease,
			Holder:      node,
			Incarnation: 1,
			Epoch:       7,
		}
	}
}
