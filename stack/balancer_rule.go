package stack

import (
	"cmp"
	"slices"
)

// Rule is a forwarding rule of a load balancer: what it listens for, and where that goes.
type Rule struct {
	Protocol string `yaml:"protocol"`
	Port     int    `yaml:"port"`
	// To is the protocol that nodes are spoken to in; empty: http where the load balancer reads requests, else the
	// same.
	To string `yaml:"to"`
	// Serves names what of the role's `serves` it goes to; empty: what the load balancer's own says.
	Serves string `yaml:"serves"`
	// TargetPort is the nodes' port; 0: that of what is served, for udp the rule's own.
	TargetPort int `yaml:"target_port"`
	// Passthrough leaves TLS to the nodes.
	Passthrough bool `yaml:"passthrough"`
}

// The protocols of rules.
const (
	ProtocolHTTP  = "http"
	ProtocolHTTPS = "https"
	ProtocolHTTP2 = "http2"
	ProtocolHTTP3 = "http3"
	ProtocolTCP   = "tcp"
	ProtocolUDP   = "udp"
)

func ruleProtocols() []string {
	return []string{ProtocolHTTP, ProtocolHTTPS, ProtocolHTTP2, ProtocolHTTP3, ProtocolTCP, ProtocolUDP}
}

// AllRules are the load balancer's rules, those of its short forms first. Each says what nodes are spoken to in.
func (b Balancer) AllRules() []Rule {
	var rules []Rule

	if b.HTTP != 0 {
		rules = append(rules, Rule{Protocol: ProtocolHTTP, Port: b.HTTP})
	}

	if b.HTTPS != 0 {
		rules = append(rules, Rule{Protocol: ProtocolHTTPS, Port: b.HTTPS})
	}

	rules = append(rules, b.Rules...)

	for i := range rules {
		rules[i].To = cmp.Or(rules[i].To, rules[i].spoken())
		rules[i].Serves = cmp.Or(rules[i].Serves, b.Serves)

		if rules[i].Protocol == ProtocolUDP {
			rules[i].TargetPort = cmp.Or(rules[i].TargetPort, rules[i].Port)
		}
	}

	return rules
}

// spoken is the protocol that nodes are spoken to in where nothing says it.
func (r Rule) spoken() string {
	if r.ReadsHTTP() {
		return ProtocolHTTP
	}

	return r.Protocol
}

// ReadsHTTP tells whether the load balancer itself reads the requests: it can add headers and cookies to them.
func (r Rule) ReadsHTTP() bool {
	return !r.Passthrough && r.Protocol != ProtocolTCP && r.Protocol != ProtocolUDP
}

// Secure tells whether visitors come by TLS over TCP.
func (r Rule) Secure() bool {
	return r.Protocol == ProtocolHTTPS || r.Protocol == ProtocolHTTP2
}

// EndsTLS tells whether the load balancer needs a certificate for the rule.
func (r Rule) EndsTLS() bool {
	return r.Secure() && !r.Passthrough || r.Protocol == ProtocolHTTP3
}

// Datagrams tells whether the rule listens for UDP: another may have the same port for TCP.
func (r Rule) Datagrams() bool {
	return r.Protocol == ProtocolUDP || r.Protocol == ProtocolHTTP3
}

// EndsTLS tells whether any rule of the load balancer needs a certificate.
func (b Balancer) EndsTLS() bool {
	return slices.ContainsFunc(b.AllRules(), Rule.EndsTLS)
}

// ReadsHTTP tells whether the load balancer reads the requests of any rule.
func (b Balancer) ReadsHTTP() bool {
	return slices.ContainsFunc(b.AllRules(), Rule.ReadsHTTP)
}

// Listens finds the load balancer's first rule that is as asked for.
func (b Balancer) Listens(fits func(Rule) bool) (Rule, bool) {
	rules := b.AllRules()

	at := slices.IndexFunc(rules, fits)
	if at < 0 {
		return Rule{}, false
	}

	return rules[at], true
}
