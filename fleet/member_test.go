package fleet

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// ofBothKinds is a fleet with so many members, and with nodes that are members or clients.
func ofBothKinds(members int) *Fleet {
	manifests := map[string]*roles.Manifest{
		"store": {Peers: roles.Member},
		"gate":  {Peers: roles.Auto},
		"shop":  {Peers: roles.Client},
	}

	groups := []stack.Group{
		{
			Name:  "store",
			Role:  "store",
			Count: members,
		},
		{
			Name:  "gate",
			Role:  "gate",
			Count: 2,
		},
	}

	return &Fleet{Config: Config{
		Manifests: manifests,
		Stack: &stack.Stack{
			Name:  "x",
			Nodes: groups,
		},
	}}
}

// gate is the peer set with a gate of a kind.
func gate(kind string) status.PeerSet {
	return status.PeerSet{
		Founded: "f",
		Quorum:  true,
		Voters:  []string{"a", "b", "c"},
		Peers: []status.Peer{{
			Name: "gate-1",
			Kind: kind,
		}},
	}
}

func TestWhatANodeIsThePeerSetKnows(t *testing.T) {
	t.Parallel()

	few, many := ofBothKinds(3), ofBothKinds(5)

	// Between `up` beginning and its last replacement stack.yaml says what is not so yet.
	for _, f := range []*Fleet{few, many} {
		require.True(t, f.isMember("gate-1", "gate", gate(roles.Member)))
		require.False(t, f.isMember("gate-1", "gate", gate(roles.Client)))
		require.True(t, f.isMember("gate-1", "gate", gate("")), "from a node of an older version")

		require.True(t, f.isMember("store-1", "store", status.PeerSet{}))
		require.False(t, f.isMember("shop-1", "shop", status.PeerSet{}))
		require.False(t, f.isMember("x", "unknown", status.PeerSet{}))
	}

	require.True(t, few.isMember("gate-2", "gate", gate(roles.Client)), "not there yet: as stack.yaml says")
	require.False(t, many.isMember("gate-2", "gate", gate(roles.Member)))
}

// Who is in a peer set that was founded proves that none is to be founded, if it is a member.
func TestAClientIsNoReasonToFoundNothing(t *testing.T) {
	t.Parallel()

	f := ofBothKinds(5)

	said := func(kind string, tags ...string) answer {
		a := answer{
			member: member{
				Node: "gate-1",
				Role: "gate",
			},
			status: status.Status{PeerSet: gate(kind)},
		}
		a.member.Droplet.Tags = tags

		return a
	}

	require.False(t, f.hasFounder(said(roles.Client)))
	require.True(t, f.hasFounder(said(roles.Member)), "stack.yaml has changed since")
	require.True(t, f.hasFounder(said(roles.Client, "hornero:x:founded")))

	missing := []stack.Node{
		{
			Name: "gate-1",
			Role: "gate",
		},
		{
			Name: "store-1",
			Role: "store",
		},
	}

	name, err := f.founder(nil, missing)
	require.NoError(t, err)
	require.Equal(t, "store-1", name, "a client cannot found")

	name, err = ofBothKinds(3).founder(nil, missing)
	require.NoError(t, err)
	require.Equal(t, "gate-1", name)
}

// Only members can agree on anything: a client that answers is none of those that must be left.
func TestClientsDoNotCountWhenAMemberIsTakenAway(t *testing.T) {
	t.Parallel()

	f := ofBothKinds(3)

	said := func(kind, role, node string) answer {
		return answer{
			member: member{
				Node: node,
				Role: role,
			},
			status: status.Status{
				Healthy: true,
				PeerSet: gate(kind),
			},
		}
	}

	answers := func(kind string) []answer {
		return []answer{
			said(kind, "store", "store-1"),
			said(kind, "store", "store-2"),
			said(kind, "gate", "gate-1"),
			said(kind, "shop", "shop-1"),
			said(kind, "shop", "shop-2"),
		}
	}

	leave := func(kind string) error {
		return f.checkLeave(
			"store-1",
			"store",
			answers(kind),
			gate(kind),
		)
	}
	require.NoError(t, leave(roles.Member))
	require.ErrorIs(t, leave(roles.Client), ErrUnsafe)

	// What takes a client away takes nothing of consensus.
	known := gate(roles.Client)
	known.Voters = []string{
		"a",
		"b",
		"c",
		"d",
		"e",
	}
	more := append(
		answers(roles.Client),
		said(roles.Client, "gate", "gate-2"),
	)
	require.NoError(t, ofBothKinds(5).checkLeave("gate-1", "gate", more, known))
}
