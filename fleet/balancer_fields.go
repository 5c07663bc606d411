package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/digitalocean/godo"
)

// balancerField is a field of a load balancer that stack.yaml says something of.
type balancerField struct {
	Name  string // in the API's request
	what  string // in stack.yaml, or near to it
	fixed bool   // the API never changes it
	text  func(*godo.LoadBalancerRequest) string
}

const sizeField = "SizeUnit"

// defaultIdle is what the API fills in where nobody said how long a load balancer waits for an answer.
const defaultIdle = 60

// balancerFields are compared one after the other, both sides in the same words: the API fills in what nobody said.
func balancerFields() []balancerField {
	return slices.Concat(trafficFields(), visitorFields(), fixedFields())
}

// trafficFields say what goes where.
func trafficFields() []balancerField {
	return []balancerField{
		{
			Name: "Tag",
			what: "target",
			text: func(r *godo.LoadBalancerRequest) string {
				return cmp.Or(r.Tag, "none")
			},
		},

		{
			Name: "ForwardingRules",
			what: "rules",
			text: func(r *godo.LoadBalancerRequest) string {
				return rulesText(r.ForwardingRules)
			},
		},

		{
			Name: "HealthCheck",
			what: "health check",
			text: func(r *godo.LoadBalancerRequest) string {
				return healthText(r.HealthCheck)
			},
		},

		{
			Name: "HTTPIdleTimeoutSeconds",
			what: "idle time",
			text: func(r *godo.LoadBalancerRequest) string {
				return idleText(r.HTTPIdleTimeoutSeconds)
			},
		},

		{
			Name: "StickySessions",
			what: "sticky",
			text: func(r *godo.LoadBalancerRequest) string {
				return stickyText(r.StickySessions)
			},
		},

		{
			Name: "EnableProxyProtocol",
			what: "proxy_protocol",
			text: func(r *godo.LoadBalancerRequest) string {
				return onOff(r.EnableProxyProtocol)
			},
		},

		{
			Name: "EnableBackendKeepalive",
			what: "keepalive",
			text: func(r *godo.LoadBalancerRequest) string {
				return onOff(r.EnableBackendKeepalive)
			},
		},

		{
			Name: sizeField,
			what: "size",
			text: func(r *godo.LoadBalancerRequest) string {
				return fmt.Sprint(unitsOf(r))
			},
		},
	}
}

// visitorFields say who is let in, and how.
func visitorFields() []balancerField {
	return []balancerField{
		{
			Name: "RedirectHttpToHttps",
			what: "redirect",
			text: func(r *godo.LoadBalancerRequest) string {
				return onOff(r.RedirectHttpToHttps)
			},
		},

		{
			Name: "Firewall",
			what: "firewall",
			text: func(r *godo.LoadBalancerRequest) string {
				return wallText(r.Firewall)
			},
		},

		{
			Name: "TLSCipherPolicy",
			what: "ciphers",
			text: func(r *godo.LoadBalancerRequest) string {
				return word(r.TLSCipherPolicy, "default")
			},
		},

		{
			Name: "DisableLetsEncryptDNSRecords",
			what: "certificate.dns_records",
			text: func(r *godo.LoadBalancerRequest) string {
				disabled := r.DisableLetsEncryptDNSRecords
				return onOff(disabled == nil || !*disabled)
			},
		},
	}
}

func fixedFields() []balancerField {
	return []balancerField{
		{
			Name:  "Type",
			what:  "type",
			fixed: true,
			text: func(r *godo.LoadBalancerRequest) string {
				return cmp.Or(strings.TrimPrefix(word(r.Type, "regional"), "regional_"), "regional")
			},
		},

		{
			Name:  "Network",
			what:  "network",
			fixed: true,
			text: func(r *godo.LoadBalancerRequest) string {
				return word(r.Network, "external")
			},
		},

		{
			Name:  "NetworkStack",
			what:  "dual_stack",
			fixed: true,
			text: func(r *godo.LoadBalancerRequest) string {
				return onOff(r.NetworkStack == godo.LoadBalancerNetworkStackDualstack)
			},
		},
	}
}

// word is one of the API's words as stack.yaml has it.
func word(text, otherwise string) string { return strings.ToLower(cmp.Or(text, otherwise)) }

// unitsOf is a load balancer's size, also where an old name says it.
func unitsOf(request *godo.LoadBalancerRequest) uint32 {
	named := map[string]uint32{
		"lb-small":  1,
		"lb-medium": 3,
		"lb-large":  6,
	}

	return max(request.SizeUnit, named[request.SizeSlug], 1)
}

func rulesText(rules []godo.ForwardingRule) string {
	rules = slices.Clone(rules)
	slices.SortFunc(rules, func(a, b godo.ForwardingRule) int {
		return cmp.Or(
			cmp.Compare(a.EntryPort, b.EntryPort),
			cmp.Compare(a.EntryProtocol, b.EntryProtocol),
		)
	})

	var texts []string

	for _, rule := range rules {
		text := fmt.Sprintf("%s:%d to %s:%d", rule.EntryProtocol, rule.EntryPort, rule.TargetProtocol, rule.TargetPort)
		if rule.TlsPassthrough {
			text += " (TLS passed on)"
		}

		texts = append(texts, text)
	}

	return "[" + strings.Join(texts, ", ") + "]"
}

func healthText(check *godo.HealthCheck) string {
	if check == nil {
		return "none"
	}

	text := fmt.Sprintf("%s:%d%s every %d s (waits %d s, bad after %d, good after %d)",
		check.Protocol,
		check.Port,
		check.Path,
		check.CheckIntervalSeconds,
		check.ResponseTimeoutSeconds,
		check.UnhealthyThreshold,
		check.HealthyThreshold,
	)

	if check.ProxyProtocol != nil && *check.ProxyProtocol {
		text += " by the PROXY protocol"
	}

	return text
}

func idleText(seconds *uint64) string {
	if seconds == nil || *seconds == 0 {
		return fmt.Sprintf("%d s", defaultIdle)
	}

	return fmt.Sprintf("%d s", *seconds)
}

func stickyText(sessions *godo.StickySessions) string {
	if sessions == nil || sessions.Type != "cookies" {
		return "off"
	}

	return fmt.Sprintf("cookie %s for %d s", sessions.CookieName, sessions.CookieTtlSeconds)
}

func wallText(wall *godo.LBFirewall) string {
	if wall == nil {
		wall = &godo.LBFirewall{}
	}

	list := func(sources []string, otherwise string) string {
		return cmp.Or(strings.Join(set(sources), " "), otherwise)
	}

	return "allows " + list(wall.Allow, "all") + ", denies " + list(wall.Deny, "none")
}
