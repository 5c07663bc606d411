package machine_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/machine"
)

func route(to, link string) machine.HostRoute {
	return machine.HostRoute{To: netip.MustParsePrefix(to), Link: link}
}

func rangeOfAnotherLab(public string) machine.HostRoute {
	return machine.HostRoute{To: netip.MustParsePrefix(public), Lab: true}
}

func routes(all ...machine.HostRoute) machine.HostNetwork {
	return machine.HostNetwork{Routes: all}
}

func TestARangeThatThisComputerUsesIsFound(t *testing.T) {
	gateway := route("0.0.0.0/0", "eth0")
	gateway.Gateways = []netip.Addr{netip.MustParseAddr("198.51.100.1")}

	address := netip.MustParseAddr
	host := func(addresses ...netip.Addr) machine.HostNetwork {
		return machine.HostNetwork{Addresses: addresses}
	}
	resolver := func(servers ...netip.Addr) machine.HostNetwork {
		return machine.HostNetwork{NameServers: servers}
	}

	for name, c := range map[string]struct {
		network machine.HostNetwork
		want    string
	}{
		"nothing there": {
			network: machine.HostNetwork{},
		},
		"the default route": {
			network: routes(route("0.0.0.0/0", "eth0"), route("::/0", "eth0")),
		},
		"the default route of a VPN": {
			network: routes(route("0.0.0.0/1", "tun0"), route("128.0.0.0/1", "tun0")),
		},
		"a route beside it": {
			network: routes(route("198.51.101.0/24", "eth0"), route("127.0.0.0/8", "lo")),
		},
		"the same route": {
			network: routes(route("198.51.100.0/24", "eth0")),
			want:    "route 198.51.100.0/24 over eth0",
		},
		"a wider route": {
			network: routes(route("198.51.96.0/20", "eth0")),
			want:    "route 198.51.96.0/20 over eth0",
		},
		"a route inside": {
			network: routes(route("198.51.100.128/25", "wg0")),
			want:    "route 198.51.100.128/25 over wg0",
		},
		"a route to nowhere": {
			network: routes(route("198.51.100.0/24", "")),
			want:    "route 198.51.100.0/24",
		},
		"an IPv6 route": {
			network: routes(route("2001:db8::/32", "eth0")),
			want:    "route 2001:db8::/32 over eth0",
		},
		"the gateway of the default route": {
			network: routes(gateway),
			want:    "gateway 198.51.100.1 of route 0.0.0.0/0",
		},
		"another lab": {
			network: routes(rangeOfAnotherLab("198.51.100.0/24")),
			want:    "range 198.51.100.0/24 of another lab",
		},
		"another lab that runs": {
			network: routes(route("198.51.100.0/24", "hr0"), rangeOfAnotherLab("198.51.100.0/24")),
			want:    "range 198.51.100.0/24 of another lab",
		},
		"another lab that publishes at the same addresses": {
			network: routes(rangeOfAnotherLab("203.51.100.0/24")),
			want:    "range 203.51.100.0/24 of another lab by 127.51.100.0/24, where both publish their load balancers",
		},
		"another lab beside it": {
			network: routes(rangeOfAnotherLab("198.18.3.0/24"), rangeOfAnotherLab("10.108.0.0/20")),
		},
		"an address": {
			network: host(address("192.0.2.1"), address("198.51.100.77")),
			want:    "address 198.51.100.77",
		},
		"an IPv6 address": {
			network: host(address("2001:db8:c633:6400::9")),
			want:    "address 2001:db8:c633:6400::9",
		},
		"an address of loopback": {
			network: host(address("127.0.0.1"), address("127.51.100.9")),
			want:    "address 127.51.100.9",
		},
		"a name server": {
			network: resolver(address("192.0.2.53"), address("198.51.100.53")),
			want:    "name server 198.51.100.53",
		},
		"a name server of loopback": {
			network: resolver(address("127.51.100.53")),
			want:    "name server 127.51.100.53",
		},
	} {
		t.Run(name, func(t *testing.T) {
			public := netip.MustParsePrefix("198.51.100.0/24")
			ipv6 := netip.MustParsePrefix("2001:db8:c633:6400::/64")
			require.Equal(t, c.want, c.network.Overlap(public, ipv6))
		})
	}
}

func TestNameServersAreReadFromResolvConf(t *testing.T) {
	require.Equal(t,
		[]netip.Addr{
			netip.MustParseAddr("127.0.0.53"),
			netip.MustParseAddr("fe80::1"),
			netip.MustParseAddr("2001:db8::53"),
		},
		machine.NameServers([]byte("# nameserver 192.0.2.1\nsearch example.com\nnameserver 127.0.0.53\n"+
			"options edns0\nnameserver fe80::1%eth0\n nameserver\t2001:db8::53\nnameserver\nnameserver none\n")),
	)
}
