package api_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func TestLoadBalancerRefusals(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for name, c := range map[string]balancerRefusal{
		"both": {
			change: func(r *godo.LoadBalancerRequest) {
				r.DropletIDs = []int{1}
			},
			message: "can't both be given",
		},
		"region": {
			change:  func(r *godo.LoadBalancerRequest) { r.Region = "mars" },
			message: "region",
		},
		"no key": {
			change: func(r *godo.LoadBalancerRequest) {
				r.ForwardingRules[0].EntryProtocol = "https"
			},
			message: "certificate_id",
		},
		"unknown key": {
			change: func(r *godo.LoadBalancerRequest) {
				r.ForwardingRules[0].CertificateID = "x"
			},
			message: "no certificate",
		},
		"port": {
			change: func(r *godo.LoadBalancerRequest) {
				r.ForwardingRules[0].EntryPort = 70000
			},
			message: "ports",
		},
		"protocol": {
			change: func(r *godo.LoadBalancerRequest) {
				r.ForwardingRules[0].EntryProtocol = "gopher"
			},
			message: "protocols",
		},
		"name": {
			change:  func(r *godo.LoadBalancerRequest) { r.Name = "a b" },
			message: "name",
		},
		"path": {
			change: func(r *godo.LoadBalancerRequest) {
				r.HealthCheck = &godo.HealthCheck{Path: "no-slash"}
			},
			message: "health_check.path",
		},
		"path line": {
			change: func(r *godo.LoadBalancerRequest) {
				r.HealthCheck = &godo.HealthCheck{Path: "/x\nbind :1"}
			},
			message: "health_check.path",
		},
	} {
		ask := balancerRequest()
		c.change(ask)

		_, _, err := w.LoadBalancers.Create(ctx, ask)
		refused(t, err, 422, c.message)
		require.Empty(t, w.store.View().LoadBalancers, name)
	}
}

func TestLoadBalancerThatCanNotBeApplied(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.balancers.broken = errBroken

	made, _, err := w.LoadBalancers.Create(ctx, balancerRequest())
	require.NoError(t, err)

	w.eventually("errored", func() bool {
		got, _, err := w.LoadBalancers.Get(ctx, made.ID)
		require.NoError(t, err)

		return got.Status == "errored"
	})
}

// balancerRefusal is a change of a request that makes it one to be refused, and a part of the message.
type balancerRefusal struct {
	message string
	change  func(*godo.LoadBalancerRequest)
}

func nameAndTypeRefusals() []balancerRefusal {
	return []balancerRefusal{
		{
			message: "name must start with",
			change:  func(r *godo.LoadBalancerRequest) { r.Name = "-a" },
		},
		{
			message: "end with no dash",
			change:  func(r *godo.LoadBalancerRequest) { r.Name = "a-" },
		},
		{
			message: "not be longer than 255",
			change: func(r *godo.LoadBalancerRequest) {
				r.Name = strings.Repeat("a", 256)
			},
		},

		{
			message: "type must be one of REGIONAL, REGIONAL_NETWORK, GLOBAL",
			change:  func(r *godo.LoadBalancerRequest) { r.Type = "LOCAL" },
		},
		{
			message: "the lab has no load balancers of type GLOBAL",
			change:  func(r *godo.LoadBalancerRequest) { r.Type = "GLOBAL" },
		},
		{
			message: "for load balancers of type GLOBAL",
			change: func(r *godo.LoadBalancerRequest) {
				r.GLBSettings = &godo.GLBSettings{TargetProtocol: "http"}
			},
		},
		{
			message: "for load balancers of type GLOBAL",
			change: func(r *godo.LoadBalancerRequest) {
				r.TargetLoadBalancerIDs = []string{"x"}
			},
		},
		{
			message: "for load balancers of type GLOBAL",
			change: func(r *godo.LoadBalancerRequest) {
				r.Domains = []*godo.LBDomain{{Name: "a.example"}}
			},
		},

		{
			message: "network must be one of EXTERNAL, INTERNAL",
			change:  func(r *godo.LoadBalancerRequest) { r.Network = "SECRET" },
		},
		{
			message: "an internal load balancer has no public address",
			change:  func(r *godo.LoadBalancerRequest) { r.NetworkStack, r.Network = "DUALSTACK", "INTERNAL" },
		},
		{
			message: "network_stack must be one of",
			change:  func(r *godo.LoadBalancerRequest) { r.NetworkStack = "IPV6" },
		},
		{
			message: "BYOIP",
			change:  func(r *godo.LoadBalancerRequest) { r.IP = "203.0.113.42" },
		},
		{
			message: "subnet_uuid",
			change:  func(r *godo.LoadBalancerRequest) { r.VPCSubnetUUID = "x" },
		},
		{
			message: "tls_cipher_policy must be one of DEFAULT, STRONG",
			change:  func(r *godo.LoadBalancerRequest) { r.TLSCipherPolicy = "WEAK" },
		},
		{
			message: "algorithm must be one of",
			change:  func(r *godo.LoadBalancerRequest) { r.Algorithm = "random" },
		},
	}
}

func sizeAndFirewallRefusals() []balancerRefusal {
	return []balancerRefusal{
		{
			message: "size must be one of lb-small, lb-medium, lb-large",
			change:  func(r *godo.LoadBalancerRequest) { r.SizeSlug = "lb-huge" },
		},
		{
			message: "size_unit must be from 1 to 200",
			change:  func(r *godo.LoadBalancerRequest) { r.SizeUnit = 201 },
		},
		{
			message: "mutually exclusive",
			change: func(r *godo.LoadBalancerRequest) {
				r.SizeUnit, r.SizeSlug = 2, "lb-large"
			},
		},

		{
			message: "from 30 to 600",
			change: func(r *godo.LoadBalancerRequest) {
				r.HTTPIdleTimeoutSeconds = godo.PtrTo(uint64(29))
			},
		},
		{
			message: "from 30 to 600",
			change: func(r *godo.LoadBalancerRequest) {
				r.HTTPIdleTimeoutSeconds = godo.PtrTo(uint64(601))
			},
		},

		{
			message: "firewall.allow",
			change: func(r *godo.LoadBalancerRequest) {
				r.Firewall = &godo.LBFirewall{Allow: []string{"192.0.2.1"}}
			},
		},
		{
			message: "firewall.deny",
			change: func(r *godo.LoadBalancerRequest) {
				r.Firewall = &godo.LBFirewall{Deny: []string{"cidr:192.0.2.1"}}
			},
		},
		{
			message: "'ip:1.2.3.4' or 'cidr:1.2.0.0/16'",
			change: func(r *godo.LoadBalancerRequest) {
				r.Firewall = &godo.LBFirewall{Deny: []string{"ip:x }\nbind"}}
			},
		},
	}
}

// ruleRefusals are of a request whose first rule is changed; key is a certificate.
func ruleRefusals(key string) []balancerRefusal {
	rule := func(entry, target string, change ...func(*godo.ForwardingRule)) func(*godo.LoadBalancerRequest) {
		return func(r *godo.LoadBalancerRequest) {
			r.ForwardingRules[0].EntryProtocol = entry
			r.ForwardingRules[0].TargetProtocol = target

			for _, c := range change {
				c(&r.ForwardingRules[0])
			}
		}
	}

	keyed := func(r *godo.ForwardingRule) { r.CertificateID = key }
	through := func(r *godo.ForwardingRule) { r.TlsPassthrough = true }

	return []balancerRefusal{
		{
			message: "needs one for https or http2 beside it",
			change:  rule("http3", "http", keyed),
		},
		{
			message: "http3 not as target_protocol",
			change:  rule("http3", "https", keyed),
		},
		{
			message: "one forwarding rule for http3",
			change: func(r *godo.LoadBalancerRequest) {
				rule("http3", "http", keyed)(r)
				r.ForwardingRules = append(r.ForwardingRules, r.ForwardingRules[0])
				r.ForwardingRules[1].EntryPort++
			},
		},
		{
			message: "the other must be set to udp",
			change:  rule("udp", "tcp"),
		},
		{
			message: "the other must be set to udp",
			change:  rule("http", "udp"),
		},
		{
			message: "tcp on both sides",
			change:  rule("tcp", "http"),
		},
		{
			message: "must be for https, http2 or http3",
			change:  rule("http", "http", keyed),
		},
		{
			message: "https or http2 on both sides",
			change:  rule("https", "http", through),
		},
		{
			message: "https or http2 on both sides",
			change:  rule("http", "http", through),
		},
		{
			message: "not both",
			change:  rule("https", "https", through, keyed),
		},
		{
			message: "routes tcp and udp only",
			change:  func(r *godo.LoadBalancerRequest) { r.Type = "REGIONAL_NETWORK" },
		},
	}
}

func healthAndStickyRefusals() []balancerRefusal {
	health := func(change func(*godo.HealthCheck)) func(*godo.LoadBalancerRequest) {
		return func(r *godo.LoadBalancerRequest) {
			r.HealthCheck = &godo.HealthCheck{}
			change(r.HealthCheck)
		}
	}

	sticky := func(kind, name string, ttl int) func(*godo.LoadBalancerRequest) {
		return func(r *godo.LoadBalancerRequest) {
			r.StickySessions = &godo.StickySessions{
				Type:             kind,
				CookieName:       name,
				CookieTtlSeconds: ttl,
			}
		}
	}

	return []balancerRefusal{
		{
			message: "health_check.protocol",
			change:  health(func(h *godo.HealthCheck) { h.Protocol = "udp" }),
		},
		{
			message: "health_check.port",
			change:  health(func(h *godo.HealthCheck) { h.Port = 65536 }),
		},
		{
			message: "check_interval_seconds must be from 3",
			change:  health(func(h *godo.HealthCheck) { h.CheckIntervalSeconds = 2 }),
		},
		{
			message: "response_timeout_seconds must be from 3",
			change:  health(func(h *godo.HealthCheck) { h.ResponseTimeoutSeconds = 301 }),
		},
		{
			message: "thresholds must be from 2 to 10",
			change:  health(func(h *godo.HealthCheck) { h.HealthyThreshold = 11 }),
		},
		{
			message: "thresholds must be from 2 to 10",
			change:  health(func(h *godo.HealthCheck) { h.UnhealthyThreshold = 1 }),
		},
		{
			message: "sticky_sessions.type must be",
			change:  sticky("source", "", 0),
		},
		{
			message: "cookie_name must be from 2 to 40",
			change:  sticky("cookies", "", 60),
		},
		{
			message: "cookie_name must be from 2 to 40",
			change:  sticky("cookies", "a b", 60),
		},
		{
			message: "cookie_ttl_seconds must be at least 1",
			change:  sticky("cookies", "NODE", 0),
		},
	}
}

func TestLoadBalancerIsRefused(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()

	key, _, err := w.Certificates.Create(ctx, certificate(t, "full.example"))
	require.NoError(t, err)

	refusals := slices.Concat(
		nameAndTypeRefusals(),
		sizeAndFirewallRefusals(),
		ruleRefusals(key.ID),
		healthAndStickyRefusals(),
	)

	for _, c := range refusals {
		ask := balancerRequest()
		c.change(ask)

		_, _, err := w.LoadBalancers.Create(ctx, ask)
		refused(t, err, 422, c.message)
	}

	require.Empty(t, w.store.View().LoadBalancers)
}
