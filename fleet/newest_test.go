package fleet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/status"
)

func TestNewest(t *testing.T) {
	t.Parallel()

	said := func(writer string, quorum bool, era int, generation uint64) status.PeerSet {
		return status.PeerSet{
			Founded:    "f",
			Quorum:     quorum,
			Era:        era,
			Generation: generation,
			Writer:     writer,
		}
	}

	for name, all := range map[string][]status.PeerSet{
		"a quorum before a generation": {
			said("old", false, 0, 900),
			said("new", true, 0, 7),
		},
		"an era before a generation": {
			said("old", true, 0, 900),
			said("new", true, 1, 7),
			said("old", true, 0, 901),
		},
		"the later generation": {
			said("old", false, 0, 7),
			said("new", false, 0, 8),
			said("old", false, 0, 6),
		},
		"of equals the first": {
			said("new", true, 1, 7),
			said("old", true, 1, 7),
		},
		"one that joined": {
			{},
			said("new", false, 0, 0),
			{},
		},
	} {
		require.Equal(t, "new", fleet.Newest(all...).Writer, name)
	}
}
