package status_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/status"
)

func TestWhatPeopleReadOfThePeerSet(t *testing.T) {
	set := status.PeerSet{
		Founded:   "f",
		Era:       2,
		Leader:    "10.0.0.2:9202",
		Voters:    []string{"10.0.0.2:9202", "10.0.0.9:9202"},
		Peers:     []status.Peer{{Name: "db-2", Address: "10.0.0.2"}},
		Leases:    map[string]string{"writer": "db-2", "galera-join": "db-3"},
		Forgotten: map[string]int{"db-9": 4, "db-8": 0},
	}

	require.Equal(t,
		[]string{"leader db-2; voters db-2, " +
			"10.0.0.9:9202; era 2", "declared gone db-8 #0, db-9 #4", "leases galera-join db-3, writer db-2"},
		set.Lines(),
	)

	require.Equal(t,
		[]string{"leader unknown; voters ; era 0"},
		status.PeerSet{Founded: "f"}.Lines(),
	)

	require.Empty(t, status.PeerSet{}.Lines())
}
