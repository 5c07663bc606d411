package api

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/hornero/hornero/lab/state"
)

// The protocols of forwarding rules that are asked for by name here.
const (
	protocolHTTP  = "http"
	protocolHTTPS = "https"
	protocolHTTP2 = "http2"
	protocolHTTP3 = "http3" // kept and shown; what is run serves no HTTP/3
	protocolTCP   = "tcp"
	protocolUDP   = "udp"
)

// completed is the rule as the load balancer keeps it: protocols in lower case, the target like the entry.
func (r ruleShape) completed() state.Rule {
	rule := state.Rule(r)
	rule.EntryProtocol = strings.ToLower(rule.EntryProtocol)
	rule.TargetProtocol = cmp.Or(strings.ToLower(rule.TargetProtocol), rule.EntryProtocol)
	rule.TargetPort = cmp.Or(rule.TargetPort, rule.EntryPort)

	return rule
}

// checkRules looks at all the rules of a load balancer of that type.
func checkRules(d *state.Document, kind string, rules []state.Rule) error {
	if len(rules) == 0 {
		return invalid("a load balancer needs at least one forwarding rule")
	}

	taken := map[state.Rule]bool{}

	for _, rule := range rules {
		if err := checkRule(d, rule); err != nil {
			return err
		}

		// a network load balancer forwards packets and looks into none
		datagrams := rule.EntryProtocol == protocolUDP
		if kind == networkBalancer && !datagrams && rule.EntryProtocol != protocolTCP {
			return invalid(
				"a load balancer of type %s routes tcp and udp only, not %s",
				networkBalancer,
				rule.EntryProtocol,
			)
		}

		// what listens on a port: one rule may have it for TCP and another for UDP
		listener := state.Rule{
			EntryPort:     rule.EntryPort,
			EntryProtocol: protocolTCP,
		}
		if datagrams || rule.EntryProtocol == protocolHTTP3 {
			listener.EntryProtocol = protocolUDP
		}

		if taken[listener] {
			return invalid("two forwarding rules take entry_port %d", rule.EntryPort)
		}

		taken[listener] = true
	}

	return checkHTTP3(rules)
}

// checkHTTP3 looks at what HTTP/3 wants besides: clients begin with HTTP over TCP, and are told there that it is
// offered.
func checkHTTP3(rules []state.Rule) error {
	number, begun := 0, false

	for _, rule := range rules {
		switch rule.EntryProtocol {
		case protocolHTTP3:
			number++
		case protocolHTTPS, protocolHTTP2:
			begun = true
		}
	}

	switch {
	case number > 1:
		return invalid("a load balancer takes one forwarding rule for http3")
	case number == 1 && !begun:
		return invalid("a forwarding rule for http3 needs one for https or http2 beside it")
	}

	return nil
}

func validPort(port int) bool { return port >= 1 && port <= maxPort }

func checkRule(d *state.Document, rule state.Rule) error {
	known := []string{protocolHTTP, protocolHTTPS, protocolHTTP2, protocolTCP, protocolUDP}
	bothKnown := slices.Contains(known, rule.EntryProtocol) && slices.Contains(known, rule.TargetProtocol)
	validPorts := validPort(rule.EntryPort) && validPort(rule.TargetPort)

	switch {
	case rule.EntryProtocol == protocolHTTP3 && rule.TargetProtocol == protocolHTTP && validPorts:
		return checkRuleTLS(d, rule)

	case !bothKnown:
		return invalid(
			"a forwarding rule's protocols must be http, https, http2, http3, tcp or udp (http3 not as " +
				"target_protocol)",
		)

	case !validPorts:
		return invalid("a forwarding rule's ports must be from 1 to 65535")

	// nothing translates between datagrams and streams
	case (rule.EntryProtocol == protocolUDP) != (rule.TargetProtocol == protocolUDP):
		return invalid("if you set the entry_protocol or the target_protocol to udp, the other must be set to udp")
	case (rule.EntryProtocol == protocolTCP) != (rule.TargetProtocol == protocolTCP):
		return invalid("a forwarding rule is tcp on both sides or on neither")
	}

	return checkRuleTLS(d, rule)
}

// checkRuleTLS looks at who ends the TLS of a rule: the load balancer, with a certificate, or the Droplets.
func checkRuleTLS(d *state.Document, rule state.Rule) error {
	secure := slices.Contains([]string{protocolHTTPS, protocolHTTP2, protocolHTTP3}, rule.EntryProtocol)
	certificate := d.Certificate(rule.CertificateID)

	switch {
	case secure && rule.CertificateID == "" && !rule.TLSPassthrough:
		return invalid("a forwarding rule for %s needs a certificate_id or tls_passthrough", rule.EntryProtocol)

	case rule.CertificateID != "" && rule.TLSPassthrough:
		return invalid("a forwarding rule takes a certificate_id or tls_passthrough, not both")
	case rule.CertificateID != "" && certificate == nil:
		return invalid("there is no certificate %s", rule.CertificateID)

	case rule.CertificateID != "" && !secure:
		return invalid(
			"a forwarding rule with a certificate_id must be for https, http2 or http3, not %s",
			rule.EntryProtocol,
		)

	case rule.TLSPassthrough && (!secure || rule.TargetProtocol != rule.EntryProtocol):
		return invalid("a forwarding rule with tls_passthrough must be https or http2 on both sides")
	}

	return nil
}

type forwardingRules struct {
	ForwardingRules []ruleShape `json:"forwarding_rules"`
}

func (s *Server) addBalancerRules(r *http.Request) (*reply, error) {
	var body forwardingRules
	return s.changeBalancer(r, &body, func(d *state.Document, balancer *state.LoadBalancer) error {
		if len(body.ForwardingRules) == 0 {
			return invalid("forwarding_rules must hold at least one rule")
		}

		before := balancer.Rules

		// the rules are checked together with the old ones: two may want one port
		rules := slices.Clone(balancer.Rules)

		for _, rule := range body.ForwardingRules {
			rules = append(rules, rule.completed())
		}

		if err := checkRules(d, balancer.Type, rules); err != nil {
			return err
		}

		balancer.Rules = rules
		nameBalancer(d, *balancer, before)

		return nil
	})
}

func (s *Server) removeBalancerRules(r *http.Request) (*reply, error) {
	var body forwardingRules
	return s.changeBalancer(r, &body, func(d *state.Document, balancer *state.LoadBalancer) error {
		if len(body.ForwardingRules) == 0 {
			return invalid("forwarding_rules must hold at least one rule")
		}

		for _, gone := range body.ForwardingRules {
			// DeleteFunc works in place, and the old list is still needed to compare
			kept := slices.DeleteFunc(slices.Clone(balancer.Rules), gone.names)
			if len(kept) == len(balancer.Rules) {
				return invalid(
					"the load balancer has no forwarding rule for %s on entry_port %d",
					gone.EntryProtocol,
					gone.EntryPort,
				)
			}

			balancer.Rules = kept
		}

		// DigitalOcean refuses a load balancer without rules
		if len(balancer.Rules) == 0 {
			return invalid("a load balancer needs at least one forwarding rule")
		}

		return nil
	})
}

// names tells whether a rule that was sent to be removed is this one: what listens tells them apart.
func (r ruleShape) names(rule state.Rule) bool {
	return rule.EntryPort == r.EntryPort && strings.EqualFold(rule.EntryProtocol, r.EntryProtocol)
}
