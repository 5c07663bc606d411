package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// ErrFirewall means that a role's ports are not what a firewall can have.
var ErrFirewall = errors.New("no firewall can be made of the ports")

const (
	// firewallTags is how many tags DigitalOcean takes in one place of a firewall (its documentation, "Limits").
	firewallTags = 5
	// firewallRules is how many rules a firewall may have, inbound and outbound together (the same page).
	firewallRules = 50
)

// everybody is every address of the internet.
func everybody() []string { return []string{"0.0.0.0/0", "::/0"} }

// wantedFirewall is the firewall of a role as it would be made now.
type wantedFirewall struct {
	name    string
	target  string // the tag of the role's Droplets
	inbound []godo.InboundRule
	// balancers are the names of load balancers by their numbers: only a name tells a person which is meant.
	balancers map[string]string
}

// request is the whole firewall: the API replaces all of it.
func (w wantedFirewall) request() *godo.FirewallRequest {
	return &godo.FirewallRequest{
		Name:          w.name,
		Tags:          []string{w.target},
		InboundRules:  w.inbound,
		OutboundRules: outbound(),
	}
}

// tags are all that the firewall names.
func (w wantedFirewall) tags() []string {
	all := []string{w.target}
	for _, rule := range w.inbound {
		all = append(all, rule.Sources.Tags...)
	}

	return all
}

// outbound lets everything out. No manifest says what its role asks for, and nodes need the API, name servers, time
// servers and whatever their applications call.
func outbound() []godo.OutboundRule {
	var rules []godo.OutboundRule

	for _, protocol := range []string{"icmp", "tcp", "udp"} {
		rule := godo.OutboundRule{
			Protocol:     protocol,
			Destinations: &godo.Destinations{Addresses: everybody()},
		}
		if protocol != "icmp" {
			rule.PortRange = "all"
		}

		rules = append(rules, rule)
	}

	return rules
}

// door is a port of a role.
type door struct {
	port     int
	protocol string // tcp or udp
}

// doors are who may reach each port of a role.
type doors map[door]*godo.Sources

func (d doors) at(port int) *godo.Sources { return d.of(door{port, "tcp"}) }

func (d doors) of(one door) *godo.Sources {
	if d[one] == nil {
		d[one] = &godo.Sources{}
	}

	return d[one]
}

// compareDoors sorts by port.
func compareDoors(a, b door) int {
	return cmp.Or(
		cmp.Compare(a.port, b.port),
		cmp.Compare(a.protocol, b.protocol),
	)
}

// reaches are the doors that a load balancer comes by: what its rules go to, and what it checks.
func reaches(rules []godo.ForwardingRule, check *godo.HealthCheck) []door {
	var all []door

	for _, rule := range rules {
		one := door{rule.TargetPort, "tcp"}
		if rule.TargetProtocol == stack.ProtocolUDP {
			one.protocol = stack.ProtocolUDP
		}

		all = append(all, one)
	}

	if check != nil {
		all = append(all, door{check.Port, "tcp"})
	}

	return all
}

// wall makes the firewalls of all roles.
type wall struct {
	fleet     *Fleet
	roles     []string // that have nodes, or are to have
	balanced  []balanced
	balancers map[string]string // numbers by the load balancers' names
}

// wantedFirewalls are the firewalls of the roles of stack.yaml, in its order, and of those whose nodes run on: their
// rules follow the others' until they are gone. A load balancer that is not there yet has its name for its number.
func (f *Fleet) wantedFirewalls(have []godo.LoadBalancer, members []member) ([]wantedFirewall, error) {
	all, err := f.allBalanced()
	if err != nil {
		return nil, err
	}

	w := wall{
		fleet:     f,
		roles:     f.walledRoles(members),
		balanced:  all,
		balancers: map[string]string{},
	}
	names := map[string]string{}

	for _, b := range all {
		name := f.balancerName(b.Name)
		id := name

		if balancer, there := f.balancerNamed(have, b.Name); there {
			id = balancer.ID
		}

		w.balancers[b.Name] = id
		names[id] = name
	}

	// One that stack.yaml dropped is told by its name, too, unless a person would take it for its successor.
	for _, balancer := range have {
		if !slices.Contains(slices.Collect(maps.Values(names)), balancer.Name) {
			names[balancer.ID] = balancer.Name
		}
	}

	var wanted []wantedFirewall

	for _, role := range w.roles {
		open := w.doorsOf(role)
		f.keepOpen(open, role, have, members)
		inbound := open.rules(f.tag())

		if number := len(inbound) + len(outbound()); number > firewallRules {
			return nil, fmt.Errorf("%w of role %s: they come to %d rules, and DigitalOcean allows %d; declare fewer "+
				"ports in its role.yaml, or from fewer roles", ErrFirewall, role, number, firewallRules)
		}

		wanted = append(wanted, wantedFirewall{
			name:      f.firewallName(role),
			target:    f.tag("role", role),
			inbound:   inbound,
			balancers: names,
		})
	}

	return wanted, nil
}

// keepOpen lets load balancers go on that send to a role and shall not any more: they are turned or removed later, and
// the last look at the firewalls shuts them out.
func (f *Fleet) keepOpen(open doors, role string, have []godo.LoadBalancer, members []member) {
	for _, balancer := range have {
		sends := slices.ContainsFunc(members, func(m member) bool {
			return m.Role == role && slices.Contains(m.Droplet.Tags, balancer.Tag)
		})

		if !sends || f.isBalanced(balancer.Name, role) {
			continue
		}

		for _, one := range reaches(balancer.ForwardingRules, balancer.HealthCheck) {
			sources := open.of(one)
			sources.LoadBalancerUIDs = append(sources.LoadBalancerUIDs, balancer.ID)
		}
	}
}

// isBalanced tells whether stack.yaml has a load balancer of a name in the account send to a role.
func (f *Fleet) isBalanced(name, role string) bool {
	return slices.ContainsFunc(f.Stack.AllBalancers(), func(b stack.Balancer) bool {
		return f.balancerName(b.Name) == name && b.Nodes == role
	})
}

// walledRoles are the roles of stack.yaml, and those of nodes that are there all the same.
func (f *Fleet) walledRoles(members []member) []string {
	var all []string

	add := func(role string) {
		if !slices.Contains(all, role) && f.Manifests[role] != nil {
			all = append(all, role)
		}
	}

	for _, node := range f.Stack.All() {
		add(node.Role)
	}

	for _, m := range members {
		add(m.Role)
	}

	return all
}

// doorsOf are the ports of a role's nodes: what its manifest declares, and what every image has.
func (w wall) doorsOf(role string) doors {
	manifest := w.fleet.manifest(role)
	open := doors{}

	for _, port := range slices.Concat(w.fleet.manifest(roles.Common).Ports, manifest.Ports) {
		for _, from := range port.From {
			w.allow(open.at(port.Port), role, from)
		}
	}

	// A manifest need not declare what it serves: who watches the role asks there.
	for _, serve := range manifest.Serves {
		if open[door{serve.Port, "tcp"}] == nil {
			w.allow(open.at(serve.Port), role, roles.FromWatchers)
		}
	}

	// A load balancer of stack.yaml reaches what it points at, whatever the manifest says of the port.
	for _, b := range w.balanced {
		if b.Nodes != role {
			continue
		}

		for _, one := range reaches(b.forward, b.healthCheck()) {
			sources := open.of(one)
			sources.LoadBalancerUIDs = append(sources.LoadBalancerUIDs, w.balancers[b.Name])
		}
	}

	return open
}

// allow lets in whom a manifest names.
func (w wall) allow(sources *godo.Sources, role, from string) {
	f := w.fleet

	switch from {
	case roles.FromSelf:
		sources.Tags = append(sources.Tags, f.tag("role", role))

	case roles.FromWatchers, roles.FromProxies, roles.FromArbitrators:
		w.allowWatchers(sources, role, roles.DriverOf(from))

	case roles.FromClients:
		sources.Addresses = append(sources.Addresses, f.Stack.ClientAddresses...)

	case roles.FromLoadBalancer:
		for _, b := range w.balanced {
			if b.Nodes == role {
				sources.LoadBalancerUIDs = append(sources.LoadBalancerUIDs, w.balancers[b.Name])
			}
		}

	case roles.FromOperator:
		sources.Addresses = append(sources.Addresses, operators(f.Stack)...)

	case roles.FromPeers:
		// All Droplets of the stack, also those that are not members yet: they come here to join.
		sources.Tags = append(sources.Tags, f.tag())

	case roles.FromReservedIP:
		// A firewall does not tell addresses of one Droplet apart; the role listens at the reserved one only.
		if f.Stack.MayHoldReservedIP(role) {
			sources.Addresses = append(sources.Addresses, everybody()...)
		}

	case roles.FromVisitors:
		w.allowVisitors(sources, role)

	default:
		if slices.Contains(w.roles, from) {
			sources.Tags = append(sources.Tags, f.tag("role", from))
		}
	}
}

// allowWatchers lets the nodes of other roles in that watch a role: all of them, or those that are run by a driver.
func (w wall) allowWatchers(sources *godo.Sources, role, driver string) {
	f := w.fleet

	for _, other := range w.roles {
		manifest := f.manifest(other)
		watches := slices.Contains(f.Stack.Watched(manifest), role)

		// Its own nodes are "self".
		if other != role && watches && (driver == "" || driver == manifest.Driver) {
			sources.Tags = append(sources.Tags, f.tag("role", other))
		}
	}
}

// allowVisitors lets everybody in, or the load balancer that stands before the role.
func (w wall) allowVisitors(sources *godo.Sources, role string) {
	balanced := slices.ContainsFunc(w.balanced, func(b balanced) bool { return b.Nodes == role })

	if balanced && !w.fleet.Stack.MayHoldReservedIP(role) {
		w.allow(sources, role, roles.FromLoadBalancer)
		return
	}

	sources.Addresses = append(sources.Addresses, everybody()...)
}

// operators are the addresses that may log in.
func operators(s *stack.Stack) []string {
	if len(s.OperatorAddresses) == 0 {
		return everybody()
	}

	return s.OperatorAddresses
}

// rules are the inbound rules, by port; a port that nobody may reach has none. Within the stack nodes may ping: that
// tells an operator who is cut off from whom.
func (d doors) rules(stackTag string) []godo.InboundRule {
	rules := []godo.InboundRule{{
		Protocol: "icmp",
		Sources:  &godo.Sources{Tags: []string{stackTag}},
	}}

	for _, one := range slices.SortedFunc(maps.Keys(d), compareDoors) {
		for _, sources := range split(*d[one]) {
			rules = append(rules, godo.InboundRule{
				Protocol:  one.protocol,
				PortRange: strconv.Itoa(one.port),
				Sources:   &sources,
			})
		}
	}

	return rules
}

// split makes as many as are needed of what one rule may not hold: rules add up.
func split(sources godo.Sources) []godo.Sources {
	sources.Addresses = set(sources.Addresses)
	sources.LoadBalancerUIDs = set(sources.LoadBalancerUIDs)

	var all []godo.Sources

	for tags := range slices.Chunk(set(sources.Tags), firewallTags) {
		all = append(all, godo.Sources{Tags: tags})
	}

	sources.Tags = nil

	switch {
	case len(sources.Addresses)+len(sources.LoadBalancerUIDs) == 0:
		return all
	case len(all) == 0:
		return []godo.Sources{sources}
	}

	all[0].Addresses = sources.Addresses
	all[0].LoadBalancerUIDs = sources.LoadBalancerUIDs

	return all
}

// set sorts, and drops what is there twice.
func set(items []string) []string {
	items = slices.Clone(items)
	slices.Sort(items)

	return slices.Compact(items)
}
