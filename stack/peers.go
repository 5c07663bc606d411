package stack

import "github.com/hornero/hornero/roles"

// EnoughMembers is how many nodes of roles that are members a stack has to have for those of roles.Auto to be clients.
// Three of them vote and the others stand by: one takes a lost voter's place within seconds. A stack of three
// database nodes has no other members than its proxies to stand by.
const EnoughMembers = 5

// PeerKind is what the nodes of a role are in the peer set, by stack.yaml as it stands.
func (s *Stack) PeerKind(manifest *roles.Manifest, manifests map[string]*roles.Manifest) string {
	if manifest.Peers != roles.Auto {
		return manifest.Peers
	}

	members := 0

	for _, group := range s.Nodes {
		role, known := manifests[group.Role]

		if known && role.Peers == roles.Member {
			members += group.Count
		}
	}

	if members >= EnoughMembers {
		return roles.Client
	}

	return roles.Member
}

// mostOf is the most that the nodes of a role may be in the peer set. It does not change with the number of nodes: what
// depends on that stands in a node's certificate, so that no other node has to be made anew.
func mostOf(manifest *roles.Manifest) string {
	if manifest.Peers == roles.Auto {
		return roles.Member
	}

	return manifest.Peers
}
