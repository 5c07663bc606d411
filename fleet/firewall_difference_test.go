package fleet

// In the package itself, as difference_test.go: forms that the lab's API does not give back.

import (
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

// readFirewall is a firewall as the API gives it back, in its own words and order.
func readFirewall() godo.Firewall {
	inbound := func(protocol, ports string, sources godo.Sources) godo.InboundRule {
		return godo.InboundRule{
			Protocol:  protocol,
			PortRange: ports,
			Sources:   &sources,
		}
	}

	outbound := func(protocol, ports string, addresses ...string) godo.OutboundRule {
		return godo.OutboundRule{
			Protocol:     protocol,
			PortRange:    ports,
			Destinations: &godo.Destinations{Addresses: addresses},
		}
	}

	return godo.Firewall{
		Name:   "hornero-x-shop",
		Status: "succeeded",
		Tags:   []string{"hornero:x:role:shop"},
		InboundRules: []godo.InboundRule{
			inbound("tcp", "22", godo.Sources{Addresses: []string{"203.0.113.7/32", "2001:DB8:0::/48"}}),
			inbound("tcp", "80", godo.Sources{Tags: []string{"Hornero:x:role:b"}}),
			inbound("tcp", "80", godo.Sources{Tags: []string{"hornero:x:role:a"}}),
			inbound("icmp", "0", godo.Sources{Tags: []string{"hornero:x"}}),
			inbound("tcp", "81", godo.Sources{}),
		},
		OutboundRules: []godo.OutboundRule{
			outbound("udp", "0", "::/0", "0.0.0.0/0"),
			outbound("icmp", "", "0.0.0.0/0", "::/0"),
			outbound("tcp", "0", "0.0.0.0/0", "::/0"),
		},
	}
}

func TestCompareFirewall(t *testing.T) {
	t.Parallel()

	open := doors{}
	open.at(22).Addresses = []string{"2001:db8::/48", "203.0.113.7"}
	open.at(80).Tags = []string{"hornero:x:role:a", "hornero:x:role:b"}

	want := wantedFirewall{
		name:    "hornero-x-shop",
		target:  "hornero:x:role:shop",
		inbound: open.rules("hornero:x"),
	}

	refused := godo.Sources{
		Addresses: []string{"10.0.0.0/8"},
	}
	refusal := godo.InboundRule{
		Protocol:  "tcp",
		PortRange: "80",
		Action:    godo.FirewallRuleActionDeny,
		Sources:   &refused,
	}

	for name, c := range map[string]struct {
		change func(*godo.Firewall)
		want   []string
	}{
		"the API writes as it likes": {
			change: func(*godo.Firewall) {},
		},
		"not in force yet": {
			change: func(is *godo.Firewall) { is.Status = "waiting" },
		},
		"not in force": {
			change: func(is *godo.Firewall) { is.Status = "failed" },
			want:   []string{"it could not be put in force"},
		},
		"somebody is refused": {
			change: func(is *godo.Firewall) { is.InboundRules = append(is.InboundRules, refusal) },
			want:   []string{"refusal of port 80 from 10.0.0.0/8 -> nobody"},
		},
		"others": {
			change: func(is *godo.Firewall) {
				is.InboundRules[0].Protocol = "udp"
				is.InboundRules[3].Sources = &godo.Sources{
					DropletIDs:       []int{7},
					LoadBalancerUIDs: []string{"b"},
					KubernetesIDs:    []string{"k"},
				}
			},
			want: []string{
				"icmp from Droplet 7, cluster k, load balancer b -> tag hornero:x",
				"port 22 from nobody -> 2001:db8::/48, 203.0.113.7",
				"udp port 22 from 2001:db8::/48, 203.0.113.7 -> nobody",
			},
		},
	} {
		is := readFirewall()
		c.change(&is)
		require.Equal(t, c.want, compareFirewall(want, is), name)
	}
}
