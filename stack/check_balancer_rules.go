package stack

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hornero/hornero/roles"
)

// balancerRules checks the rules that are written out, and all of them together.
func (c *check) balancerRules(path string, balancer Balancer) {
	if c.doc.Has(path+".rules") && len(balancer.Rules) == 0 {
		c.add(path+".rules", "must hold at least one, as in - {protocol: http, port: 80}")
	}

	ports := map[string]string{} // what has which port already
	claim := func(at string, port int, datagrams bool) {
		key := fmt.Sprintf("%d %v", port, datagrams)
		if by, twice := ports[key]; twice && port != 0 {
			c.add(at, "%d is taken by %s; give each rule a port of its own", port, by)
		} else {
			ports[key] = at
		}
	}

	claim(path+".http", balancer.HTTP, false)

	if balancer.HTTPS != balancer.HTTP {
		claim(path+".https", balancer.HTTPS, false)
	}

	http3 := ""

	for i, rule := range balancer.Rules {
		at := fmt.Sprintf("%s.rules[%d]", path, i)
		if c.taken[at] {
			continue
		}

		c.balancerRule(at, rule)
		claim(at+".port", rule.Port, rule.Datagrams())

		if rule.Protocol != ProtocolHTTP3 {
			continue
		}

		if http3 != "" {
			c.add(at+".protocol", "http3 is there already, as %s; a load balancer takes one", http3)
		}

		http3 = at

		if _, found := balancer.Listens(Rule.Secure); !found {
			c.add(at+".protocol", "http3 needs a rule of https or http2 beside it: visitors begin there; add "+
				"- {protocol: https, port: %d}", rule.Port)
		}
	}

	if balancer.Type == TypeNetwork {
		c.networkRules(path, balancer)
	}
}

// targetProtocols are the protocols that a rule may speak to nodes in.
func targetProtocols(rule Rule) []string {
	switch rule.Protocol {
	case ProtocolHTTP:
		return []string{ProtocolHTTP, ProtocolHTTPS, ProtocolHTTP2}

	case ProtocolHTTPS, ProtocolHTTP2:
		if rule.Passthrough {
			return []string{rule.Protocol}
		}

		return []string{ProtocolHTTP, ProtocolHTTPS, ProtocolHTTP2}

	case ProtocolHTTP3:
		return []string{ProtocolHTTP}
	}

	return []string{rule.Protocol}
}

func (c *check) balancerRule(path string, rule Rule) {
	if c.need(path+".protocol", "what visitors speak, as in protocol: https") {
		c.oneOf(path+".protocol", rule.Protocol, ruleProtocols())
	}

	if c.need(path+".port", "the port that visitors come to, as in port: 443") {
		c.port(path+".port", rule.Port)
	}

	c.port(path+".target_port", rule.TargetPort)

	// What it may be depends on what is not known.
	if c.taken[path+".protocol"] {
		return
	}

	if rule.Passthrough && !rule.Secure() {
		c.add(path+".passthrough", "TLS is passed through for https and http2 only, not for %s", rule.Protocol)
		return
	}

	if targets := targetProtocols(rule); c.doc.Has(path+".to") && !slices.Contains(targets, rule.To) {
		with := ""
		if rule.Passthrough {
			with = " with passthrough"
		}

		c.add(path+".to", "a rule of %s%s goes to %s, got %q",
			rule.Protocol, with, strings.Join(targets, ", "), rule.To)
	}
}

// ruleServed checks that a rule goes to something that the role serves.
func (c *check) ruleServed(path string, balancer Balancer, rule Rule, manifest *roles.Manifest) {
	named := rule.Serves != ""

	if named && rule.TargetPort != 0 {
		c.add(path+".target_port", "cannot stand beside serves, which has a port; remove one of them")
		return
	}

	// A port of one's own need not be in the manifest, and the manifest knows no datagrams.
	if !named && (rule.TargetPort != 0 || rule.Protocol == ProtocolUDP) {
		return
	}

	if named && rule.Protocol == ProtocolUDP {
		c.add(path+".serves", "no role says that it serves udp; write target_port: %d instead", rule.Port)
		return
	}

	if named {
		c.served(path+".serves", rule.Serves, manifest, rule.ReadsHTTP())
		return
	}

	c.inherited(path, balancer, rule, manifest)
}

// inherited checks that a rule that says nothing itself goes to something, by what its load balancer says. Whether that
// is there at all is checked there.
func (c *check) inherited(path string, balancer Balancer, rule Rule, manifest *roles.Manifest) {
	serve, found := manifest.Balanced(balancer.Serves)

	if !found && balancer.Serves != "" || found && (serve.HTTP() || !rule.ReadsHTTP()) {
		return
	}

	var known []string
	for _, serve := range manifest.Serves {
		if serve.HTTP() || !rule.ReadsHTTP() {
			known = append(known, serve.Name)
		}
	}

	c.add(path, "goes to nothing that role %s serves; write serves, one of %s, or target_port",
		manifest.Name, strings.Join(known, ", "))
}

// networkRules checks what a load balancer that passes packets on cannot do.
func (c *check) networkRules(path string, balancer Balancer) {
	for key, port := range map[string]int{".http": balancer.HTTP, ".https": balancer.HTTPS} {
		if port != 0 {
			c.add(path+key, "a load balancer of type network passes tcp and udp on; write rules, as in "+
				"- {protocol: tcp, port: %d, target_port: %d}", port, port)
		}
	}

	for i, rule := range balancer.Rules {
		at := fmt.Sprintf("%s.rules[%d]", path, i)

		if rule.Protocol != ProtocolTCP && rule.Protocol != ProtocolUDP {
			c.add(at+".protocol", "a load balancer of type network passes tcp and udp on, not %q", rule.Protocol)
		}

		if rule.TargetPort != 0 && rule.TargetPort != rule.Port {
			c.add(at+".target_port", "a load balancer of type network changes no port: must be %d, got %d",
				rule.Port, rule.TargetPort)
		}

		if c.roles[balancer.Nodes] != nil && !c.taken[path+".nodes"] {
			c.samePort(at, balancer, rule)
		}
	}
}

// samePort checks that what a rule goes to has the port that visitors come to.
func (c *check) samePort(path string, balancer Balancer, rule Rule) {
	name := rule.Serves
	if name == "" {
		name = balancer.Serves
	}

	serve, found := c.roles[balancer.Nodes].Balanced(name)
	if found && rule.TargetPort == 0 && rule.Protocol == ProtocolTCP && serve.Port != rule.Port {
		c.add(path+".port", "a load balancer of type network changes no port: must be %d, that of %s, got %d",
			serve.Port, serve.Name, rule.Port)
	}
}
