package stack

import "net/netip"

// reserved checks the reserved IP. Whether the account has it is for the cloud to say.
func (c *check) reserved(s *Stack) {
	if !c.doc.Has("reserved_ip") {
		return
	}

	// The key is there and holds nothing: YAML's null.
	if s.ReservedIP == nil {
		c.add("reserved_ip", "must name the role that holds it and the address, as in {nodes: %s, address: "+
			"203.0.113.9}; remove it when there is to be none", c.example(mayHold))

		return
	}

	if c.need("reserved_ip.nodes", "the role whose nodes hold it, as in nodes: "+c.example(mayHold)) {
		c.reservedIPRole(s)
	}

	const example = "an address of the account, as in address: 203.0.113.9; `hornero reserved-ip create` reserves one"
	if !c.need("reserved_ip.address", example) {
		return
	}

	address, err := netip.ParseAddr(s.ReservedIP.Address)
	if err != nil || !address.Is4() {
		c.add("reserved_ip.address", "must be an IPv4 address of the account, as in 203.0.113.9, got %q; "+
			"`hornero reserved-ip create` reserves one", s.ReservedIP.Address)
	}
}

// reservedIPRole checks that the nodes that are to hold the reserved IP can.
func (c *check) reservedIPRole(s *Stack) {
	role := s.ReservedIP.Nodes

	if manifest := c.roles[role]; manifest != nil && !mayHold(manifest) {
		c.add("reserved_ip.nodes", "nodes of role %s serve nothing at a reserved IP, else their manifest would "+
			"say reserved_ip; write nodes: %s", role, c.example(mayHold))
	}

	c.usedRole("reserved_ip.nodes", role, s, mayHold)
}
