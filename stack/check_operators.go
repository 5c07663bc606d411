package stack

import (
	"fmt"
	"net/netip"
)

// operators checks who may log in. Without the key everybody may try.
func (c *check) operators(s *Stack) {
	const key = "operator_addresses"
	if !c.doc.Has(key) {
		return
	}

	// Nobody could reach a node, `hornero up` included.
	if len(s.OperatorAddresses) == 0 {
		c.add(key, "must name the addresses that may reach port 22, as in [203.0.113.7, 198.51.100.0/24]; remove it "+
			"when everybody may")

		return
	}

	c.addresses(key, s.OperatorAddresses)
}

// clients checks who uses the stack's services and is no node of it.
func (c *check) clients(s *Stack) {
	const key = "client_addresses"
	if !c.doc.Has(key) {
		return
	}

	if len(s.ClientAddresses) == 0 {
		c.add(key, "must name addresses, as in [10.108.16.0/20]; remove it when there are no clients")
	}

	c.addresses(key, s.ClientAddresses)
}

// addresses checks a list of addresses and networks.
func (c *check) addresses(key string, list []string) {
	first := map[netip.Prefix]int{}

	for i, text := range list {
		path := fmt.Sprintf("%s[%d]", key, i)

		prefix, problem := operatorPrefix(text)
		if problem != "" {
			c.add(path, "%s", problem)
			continue
		}

		if before, twice := first[prefix]; twice {
			c.add(path, "%q is there already, as %s[%d]; remove one", text, key, before)
		} else {
			first[prefix] = i
		}
	}
}

// operatorPrefix reads an address or a network, and says what is wrong with it.
func operatorPrefix(text string) (prefix netip.Prefix, problem string) {
	address, err := netip.ParseAddr(text)
	if err == nil {
		prefix = netip.PrefixFrom(address, address.BitLen())
	} else {
		prefix, err = netip.ParsePrefix(text)
		address = prefix.Addr()
	}

	single := prefix.IsSingleIP()

	switch {
	case err != nil || address.Zone() != "" || address.Is4In6():
		return prefix, fmt.Sprintf(
			"must be an address or a network, as in 203.0.113.7, 198.51.100.0/24 or 2001:db8::/48, got %q",
			text,
		)

	case prefix.Masked() != prefix:
		return prefix, fmt.Sprintf(
			"%q is an address inside of a network; write %s for the network, or %s for the address alone",
			text,
			prefix.Masked(),
			address,
		)

	case single && address.IsUnspecified(), address.IsLoopback(), address.IsMulticast(), address.IsLinkLocalUnicast():
		return prefix, fmt.Sprintf("nobody reaches a Droplet from %q; write the address that you have on the "+
			"internet, as in 203.0.113.7", text)
	}

	return prefix, ""
}
