package fleet

import (
	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/roles"
)

// kind is what the nodes of a role are launched as: members of the peer set's consensus, or its clients.
func (f *Fleet) kind(role string) string {
	manifest := f.manifest(role)

	return f.Stack.PeerKind(manifest, f.Manifests)
}

// mayBeMember tells whether a node of a role may be a member of consensus: its role's are, or depend on stack.yaml.
func (f *Fleet) mayBeMember(role string) bool {
	peers := f.manifest(role).Peers

	return peers == roles.Member || peers == roles.Auto
}

// isMember tells whether a node is a member of consensus. What stack.yaml says now may not be what it was launched as:
// the peer set tells that, if it knows the node.
func (f *Fleet) isMember(node, role string, known status.PeerSet) bool {
	if f.manifest(role).Peers != roles.Auto {
		return f.mayBeMember(role)
	}

	for _, peer := range known.Peers {
		if peer.Name == node {
			// A node of an older version tells nobody's kind. That version knew no role whose nodes may be both.
			return peer.Kind != roles.Client
		}
	}

	return f.kind(role) == roles.Member
}

// changedKind tells that a Droplet was launched as the other kind of peer, and is all else that its node is to be.
func (n wantedNode) changedKind(madeOf func(wantedNode) bool) string {
	other := *n.spec
	reason := "peers: it becomes a client of the peer set"

	if other.Peers == "" {
		other.Peers = roles.Client
		reason = "peers: it becomes a member of the peer set"
	} else {
		other.Peers = ""
	}

	n.spec = &other
	if madeOf(n) {
		return reason
	}

	return ""
}
