package fleet

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/digitalocean/godo"
)

func compareFirewalls(want wanted, have found) []Difference {
	var all []Difference

	for _, firewall := range want.firewalls {
		one := Difference{
			Kind: KindFirewall,
			Name: firewall.name,
			By:   up,
		}

		at := slices.IndexFunc(have.firewalls, func(is godo.Firewall) bool { return is.Name == firewall.name })
		if at < 0 {
			one.Action = ActionCreate
			one.Reason = "it is not there"
			all = append(all, one)

			continue
		}

		if reasons := compareFirewall(firewall, have.firewalls[at]); len(reasons) > 0 {
			one.Action = ActionChange
			one.Reason = strings.Join(reasons, "; ")
			all = append(all, one)
		}
	}

	for _, firewall := range have.goneFirewalls {
		all = append(all, Difference{
			Kind:   KindFirewall,
			Name:   firewall.Name,
			Action: ActionRemove,
			Reason: "neither stack.yaml nor a node has its role any more",
			By:     up,
		})
	}

	return all
}

// compareFirewall tells what is otherwise, both sides in the same words: the API writes rules in its own way and order.
func compareFirewall(want wantedFirewall, is godo.Firewall) []string {
	var reasons []string

	target := targetText(is.Tags, is.DropletIDs)
	if wish := targetText([]string{want.target}, nil); target != wish {
		reasons = append(reasons, changed("target", target, wish))
	}

	ends := farEnds{balancers: want.balancers}
	reasons = append(reasons, differ("from", ends.inbound(is.InboundRules), ends.inbound(want.inbound))...)
	reasons = append(reasons, differ("to", ends.outbound(is.OutboundRules), ends.outbound(outbound()))...)

	if is.Status == firewallFailed {
		reasons = append(reasons, "it could not be put in force")
	}

	return reasons
}

func targetText(tags []string, droplets []int) string {
	texts := set(tags)
	for _, id := range droplets {
		texts = append(texts, fmt.Sprintf("Droplet %d", id))
	}

	return cmp.Or(strings.Join(texts, ", "), "none")
}

// openings are who may pass, by what is opened to them. Rules add up, so that one port has one line.
type openings map[string][]string

// differ tells which openings are others; word stands before who may pass.
func differ(word string, is, want openings) []string {
	var reasons []string

	all := maps.Clone(is)
	maps.Copy(all, want)

	for _, what := range slices.Sorted(maps.Keys(all)) {
		from := cmp.Or(strings.Join(set(is[what]), ", "), "nobody")
		to := cmp.Or(strings.Join(set(want[what]), ", "), "nobody")

		if from != to {
			reasons = append(reasons, changed(what+" "+word, from, to))
		}
	}

	return reasons
}

// farEnds puts those who may pass in words.
type farEnds struct {
	balancers map[string]string // names by number
}

func (e farEnds) inbound(rules []godo.InboundRule) openings {
	all := openings{}

	for _, rule := range rules {
		if rule.Sources != nil {
			what := portText(rule.Protocol, rule.PortRange, rule.Action)
			all[what] = append(all[what], e.texts(*rule.Sources)...)
		}
	}

	return all
}

func (e farEnds) outbound(rules []godo.OutboundRule) openings {
	all := openings{}

	for _, rule := range rules {
		if rule.Destinations != nil {
			what := "outbound " + portText(rule.Protocol, rule.PortRange, rule.Action)
			all[what] = append(all[what], e.texts(godo.Sources(*rule.Destinations))...)
		}
	}

	return all
}

func (e farEnds) texts(sources godo.Sources) []string {
	var texts []string

	for _, address := range sources.Addresses {
		texts = append(texts, addressText(address))
	}

	for _, tag := range sources.Tags {
		texts = append(texts, "tag "+strings.ToLower(tag)) // the API takes two spellings for one tag
	}

	for _, id := range sources.LoadBalancerUIDs {
		texts = append(texts, "load balancer "+cmp.Or(e.balancers[id], id))
	}

	for _, id := range sources.DropletIDs {
		texts = append(texts, fmt.Sprintf("Droplet %d", id))
	}

	for _, id := range sources.KubernetesIDs {
		texts = append(texts, "cluster "+id)
	}

	return texts
}

// addressText is one text for an address, with and without its whole mask.
func addressText(text string) string {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		if address, err := netip.ParseAddr(text); err == nil {
			return address.String()
		}

		return text
	}

	if prefix.IsSingleIP() {
		return prefix.Addr().String()
	}

	return prefix.Masked().String()
}

// portText is one text for what a rule opens: "all" is written and "0" is read back, and icmp has no ports.
func portText(protocol, ports string, action godo.FirewallRuleAction) string {
	text := strings.ToLower(protocol)

	switch {
	case text == "icmp":
	case slices.Contains([]string{"", "0", "all", "1-65535"}, ports):
		text = "all " + text
	case text == "tcp":
		text = "port " + ports
	default:
		text += " port " + ports
	}

	if action == godo.FirewallRuleActionDeny {
		return "refusal of " + text
	}

	return text
}
