package bootstrap_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/peerset"
)

// forgetSet is a peer set that records whom it is told to forget.
type forgetSet struct {
	peerset.Set
	snapshot peerset.Snapshot
	gone     []string
}

func (f *forgetSet) Snapshot() peerset.Snapshot { return f.snapshot }

func (f *forgetSet) Forget(_ context.Context, name string) error {
	f.gone = append(f.gone, name)
	return nil
}

// database is a database node that last reported this position.
func database(name string, alive bool, seqno string) peerset.Peer {
	return peerset.Peer{
		Name:        name,
		Role:        "db",
		Incarnation: 1,
		Alive:       alive,
		Healthy:     true,
		State:       "synced",
		Facts: map[string]string{
			peerset.FactUUID:  "ours",
			peerset.FactSeqno: seqno,
		},
	}
}

func TestForget(t *testing.T) {
	healthy := []peerset.Peer{
		database("db-1", true, "9"),
		database("db-2", true, "9"),
		database("db-3", false, "12"),
	}

	crashed := []peerset.Peer{
		database("db-1", false, "9"),
		database("db-2", false, "9"),
		database("db-3", false, "12"),
	}

	for name, c := range map[string]struct {
		peers    []peerset.Peer
		settings map[string]string
		node     string
		refusal  string
		what     string
	}{
		"a node that is dead, while others serve": {
			peers: healthy,
			node:  "db-3",
			what:  "db-3, role db, incarnation 1",
		},
		"a node that the stack expects and that never came": {
			peers: healthy,
			node:  "db-4",
			what:  "db-4, which never came",
		},
		"a node that nobody knows": {
			peers:   healthy,
			node:    "db-33",
			refusal: "and the stack expects none",
		},
		"a node that is alive, by mistake": {
			peers:   healthy,
			node:    "db-1",
			refusal: "it is alive, and synced",
		},
		"a node that is alive, on purpose": {
			peers: healthy,
			node:  "db-1&force",
			what:  "it is ALIVE, and synced",
		},
		"an incarnation that was replaced by one that lives": {
			peers:    healthy,
			settings: map[string]string{"replaced.db-1": "4"},
			node:     "db-1",
			what:     "incarnation 4 of db-1, which was replaced",
		},
		"a node that has less of the data than another": {
			peers: crashed,
			node:  "db-2",
			what:  "db-2",
		},
		"the node that has the most of the data": {
			peers:   crashed,
			node:    "db-3",
			refusal: "nobody else is known to have as much of the data (ours:12)",
		},
		"the node that has the most of the data, by force": {
			peers: crashed,
			node:  "db-3&force",
			what:  "db-3",
		},
	} {
		t.Run(name, func(t *testing.T) {
			set := &forgetSet{snapshot: peerset.Snapshot{
				Peers:    c.peers,
				Settings: c.settings,
			}}

			agent := bootstrap.New(bootstrap.Config{State: t.TempDir()})
			agent.Among(set, map[string][]string{"db": {"db-1", "db-2", "db-3", "db-4"}})

			for _, method := range []string{http.MethodGet, http.MethodPost} {
				require.Empty(t, set.gone, "to ask does nothing")

				answer := askLocally(agent, method, "/forget?name="+c.node)
				require.Equal(t, c.refusal == "", answer.Code == http.StatusOK, answer.Body)
				require.Contains(t, answer.Body.String(), c.refusal+c.what)
			}

			require.Equal(t, c.refusal == "", len(set.gone) == 1)
		})
	}
}
