package metadata

import "net/netip"

// wire is /metadata/v1.json, as DigitalOcean's own client decodes it.
type wire struct {
	DropletID  int                        `json:"droplet_id"`
	Hostname   string                     `json:"hostname"`
	UserData   string                     `json:"user_data,omitempty"`
	VendorData string                     `json:"vendor_data"`
	PublicKeys []string                   `json:"public_keys"`
	Region     string                     `json:"region"`
	Tags       []string                   `json:"tags"`
	Interfaces map[string][]wireInterface `json:"interfaces"`
	DNS        wireDNS                    `json:"dns"`
	FloatingIP wireReserved               `json:"floating_ip"`
	ReservedIP wireReserved               `json:"reserved_ip"`
	Features   map[string]bool            `json:"features"`
}

type wireInterface struct {
	MAC    string       `json:"mac"`
	Type   string       `json:"type"`
	IPv4   *wireAddress `json:"ipv4,omitempty"`
	IPv6   *wireIPv6    `json:"ipv6,omitempty"`
	Anchor *wireAddress `json:"anchor_ipv4,omitempty"`
}

type wireAddress struct {
	Address string `json:"ip_address"`
	Netmask string `json:"netmask"`
	Gateway string `json:"gateway"`
}

type wireIPv6 struct {
	Address string `json:"ip_address"`
	CIDR    int    `json:"cidr"`
	Gateway string `json:"gateway"`
}

type wireDNS struct {
	Nameservers []string `json:"nameservers"`
}

type wireReserved struct {
	IPv4 wireActive `json:"ipv4"`
}

type wireActive struct {
	Active  bool   `json:"active"`
	Address string `json:"ip_address,omitempty"`
}

func document(info Info) wire {
	// Floating IP is the old name of a reserved IP: DigitalOcean shows it under both.
	reserved := wireReserved{wireActive{
		Active:  info.ReservedIP.IsValid(),
		Address: text(info.ReservedIP),
	}}

	// The lab gives a Droplet its addresses before it boots instead of by DHCP.
	d := wire{
		DropletID:  info.ID,
		Hostname:   info.Hostname,
		UserData:   info.UserData,
		VendorData: info.VendorData,
		PublicKeys: list(info.PublicKeys),
		Region:     info.Region,
		Tags:       list(info.Tags),
		DNS:        wireDNS{texts(info.Resolvers)},
		Interfaces: map[string][]wireInterface{},
		FloatingIP: reserved,
		ReservedIP: reserved,
		Features:   map[string]bool{"dhcp_enabled": false},
	}

	for _, feature := range info.Features {
		d.Features[feature] = true
	}

	for kind, one := range map[string]Interface{
		"public":  info.Public,
		"private": info.Private,
	} {
		if one.Address.IsValid() {
			d.Interfaces[kind] = []wireInterface{{
				MAC:  one.MAC,
				Type: kind,
				IPv4: wireAddressOf(
					one.Address,
					one.Gateway,
				),
				IPv6:   wireIPv6Of(one),
				Anchor: wireAddressOf(one.Anchor, netip.Addr{}),
			}}
		}
	}

	return d
}

func wireIPv6Of(one Interface) *wireIPv6 {
	if !one.IPv6.IsValid() {
		return nil
	}

	return &wireIPv6{
		Address: one.IPv6.Addr().String(),
		CIDR:    one.IPv6.Bits(),
		Gateway: text(one.GatewayIPv6),
	}
}

func wireAddressOf(prefix netip.Prefix, gateway netip.Addr) *wireAddress {
	if !prefix.IsValid() {
		return nil
	}

	// The lab's gateways are the first address of their network.
	if !gateway.IsValid() {
		gateway = gatewayOf(prefix)
	}

	return &wireAddress{
		Address: prefix.Addr().String(),
		Netmask: netmask(prefix),
		Gateway: text(gateway),
	}
}

// list is never null in JSON.
func list(values []string) []string {
	if values == nil {
		return []string{}
	}

	return values
}
