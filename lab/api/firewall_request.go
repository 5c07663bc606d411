package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/hornero/hornero/lab/state"
)

// firewallRequest is a firewall as it is sent, whole; the sub-resources send a part of it.
type firewallRequest struct {
	Name          string         `json:"name"`
	InboundRules  []inboundRule  `json:"inbound_rules"`
	OutboundRules []outboundRule `json:"outbound_rules"`
	DropletIDs    []int          `json:"droplet_ids"`
	Tags          []string       `json:"tags"`
}

// checkWhole looks at what only a whole firewall has: a name of its own, and rules.
func (b *firewallRequest) checkWhole(d *state.Document, id string) error {
	if !validName(b.Name, ".-") {
		return invalid("name can only contain letters, digits, dots and dashes, and not be blank")
	}

	taken := slices.ContainsFunc(d.Firewalls, func(x state.Firewall) bool {
		return x.Name == b.Name && x.ID != id
	})
	if taken {
		return failure(http.StatusConflict, "duplicate name")
	}

	if len(b.InboundRules)+len(b.OutboundRules) == 0 {
		return invalid("must have at least one rule")
	}

	return nil
}

// addTo adds what is sent to a firewall, and sets it waiting. Tags are made by their use.
func (b *firewallRequest) addTo(d *state.Document, firewall *state.Firewall) error {
	if err := checkTags(b.Tags); err != nil {
		return err
	}

	for _, id := range b.DropletIDs {
		if d.Droplet(id) == nil {
			return invalid("droplet %d is not found", id)
		}
	}

	inbound, outbound, err := b.rules(d)
	if err != nil {
		return err
	}

	// it waits until the follower has put it in force, as on DigitalOcean
	firewall.Status = firewallWaiting
	firewall.DropletIDs = union(firewall.DropletIDs, b.DropletIDs)
	firewall.Tags = union(firewall.Tags, d.UseTags(b.Tags))

	firewall.Inbound = append(firewall.Inbound, inbound...)
	firewall.Outbound = append(firewall.Outbound, outbound...)

	return nil
}

func union[T comparable](some, more []T) []T {
	all := slices.Clone(some)
	for _, one := range more {
		if !slices.Contains(all, one) {
			all = append(all, one)
		}
	}

	return all
}

func (b *firewallRequest) rules(d *state.Document) (inbound, outbound []state.FirewallRule, err error) {
	for _, rule := range b.InboundRules {
		// rules are kept in the form that is shown: Terraform compares what comes back
		checked, err := checkFirewallRule(d, rule.Protocol, rule.Ports, rule.Sources)
		if err != nil {
			return nil, nil, err
		}

		inbound = append(inbound, checked)
	}

	for _, rule := range b.OutboundRules {
		checked, err := checkFirewallRule(d, rule.Protocol, rule.Ports, rule.Destinations)
		if err != nil {
			return nil, nil, err
		}

		outbound = append(outbound, checked)
	}

	return inbound, outbound, nil
}

// checkFirewallRule takes a rule as it is sent. "all" ports come back as "0", and so do those of icmp.
func checkFirewallRule(d *state.Document, protocol, ports string, peers firewallPeers) (state.FirewallRule, error) {
	rule := state.FirewallRule{
		Protocol: strings.ToLower(protocol),
		Ports:    ports,
		Peers: state.FirewallPeers{
			Addresses:       peers.Addresses,
			DropletIDs:      peers.DropletIDs,
			Tags:            peers.Tags,
			LoadBalancerIDs: peers.LoadBalancerUIDs,
			KubernetesIDs:   peers.KubernetesIDs,
		},
	}

	switch rule.Protocol {
	case "icmp":
		// icmp has no ports: DigitalOcean shows 0, and Terraform drift for anything else
		rule.Ports = "0"

	case "tcp", "udp":
		if ports == "all" {
			rule.Ports = "0"
		}

		if _, _, ok := portRange(rule.Ports); !ok {
			return rule, invalid("invalid ports %q: a port, a range as in 8000-9000, or all", ports)
		}

	default:
		return rule, invalid("invalid protocol %q: tcp, udp or icmp", protocol)
	}

	return rule, checkPeers(d, peers)
}

func checkPeers(d *state.Document, peers firewallPeers) error {
	if err := checkTags(peers.Tags); err != nil {
		return err
	}

	for _, address := range peers.Addresses {
		if _, ok := prefixFrom(address); !ok {
			return invalid("invalid address %q", address)
		}
	}

	for _, id := range peers.DropletIDs {
		if d.Droplet(id) == nil {
			return invalid("droplet %d is not found", id)
		}
	}

	for _, id := range peers.LoadBalancerUIDs {
		if d.LoadBalancer(id) == nil {
			return invalid("load balancer %s is not found", id)
		}
	}

	return nil
}
