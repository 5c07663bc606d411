package fleet

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// balancerRequest is a load balancer of stack.yaml as the API is asked for it, whole: what a request leaves out falls
// back to its default. It has neither the number of a network nor of a certificate.
func (f *Fleet) balancerRequest(b balanced) *godo.LoadBalancerRequest {
	return &godo.LoadBalancerRequest{
		Name:   f.balancerName(b.Name),
		Region: f.Stack.Region,

		// Nodes get it when they are healthy, and the operator may keep it from one.
		Tag:             f.trafficTag(b.Balancer),
		SizeUnit:        uint32(cmp.Or(b.Size, stack.DefaultBalancerSize)),
		Type:            b.kind(),
		ForwardingRules: slices.Clone(b.forward),
		HealthCheck:     b.healthCheck(),
		StickySessions:  b.sticky(),

		RedirectHttpToHttps:    b.Redirect,
		EnableProxyProtocol:    b.ProxyProtocol,
		EnableBackendKeepalive: b.Keepalive,

		// The API's own default points names at the load balancer as soon as it has the certificate.
		DisableLetsEncryptDNSRecords: godo.PtrTo(b.Certificate == nil || !b.Certificate.DNSRecords),

		HTTPIdleTimeoutSeconds: b.idle(),
		Firewall:               b.firewall(),
		Network:                strings.ToUpper(cmp.Or(b.Network, stack.NetworkExternal)),
		NetworkStack:           b.networkStack(),
		TLSCipherPolicy:        strings.ToUpper(cmp.Or(b.Ciphers, stack.CiphersDefault)),
	}
}

func (b balanced) kind() string {
	if b.Type == stack.TypeNetwork {
		return godo.LoadBalancerTypeRegionalNetwork
	}

	return godo.LoadBalancerTypeRegional
}

func (b balanced) networkStack() string {
	if b.DualStack {
		return godo.LoadBalancerNetworkStackDualstack
	}

	return godo.LoadBalancerNetworkStackIPv4
}

// idle is how many seconds a load balancer waits for a connection's next byte.
func (b balanced) idle() *uint64 {
	seconds := uint64(cmp.Or(b.Idle, b.serve.Timeout, roles.DefaultServeTimeout).Seconds())
	return &seconds
}

func (b balanced) sticky() *godo.StickySessions {
	if b.Sticky == nil {
		return &godo.StickySessions{Type: "none"}
	}

	return &godo.StickySessions{
		Type:             "cookies",
		CookieName:       b.Sticky.Cookie,
		CookieTtlSeconds: int(b.Sticky.TTL.Seconds()),
	}
}

func (b balanced) firewall() *godo.LBFirewall {
	return &godo.LBFirewall{
		Allow: sources(b.Allow),
		Deny:  sources(b.Deny),
	}
}

// sources are addresses and networks as the firewall of a load balancer takes them.
func sources(list []string) []string {
	var all []string

	for _, text := range list {
		if _, err := netip.ParseAddr(text); err == nil {
			all = append(all, godo.IPSourceFirewall(text))
		} else {
			all = append(all, godo.CIDRSourceFirewall(text))
		}
	}

	return all
}

// healthCheck is how a load balancer finds out which nodes serve. Unless stack.yaml names another check it asks each
// node's bootstrap.
func (b balanced) healthCheck() *godo.HealthCheck {
	said := stack.BalancerHealth{}
	if b.Health != nil {
		said = *b.Health
	}

	check := &godo.HealthCheck{
		Protocol:               stack.ProtocolHTTP,
		Port:                   roles.HealthPort,
		Path:                   "/healthz",
		CheckIntervalSeconds:   int(cmp.Or(said.Interval, stack.DefaultBalancerInterval).Seconds()),
		ResponseTimeoutSeconds: int(cmp.Or(said.Timeout, stack.DefaultBalancerTimeout).Seconds()),
		UnhealthyThreshold:     cmp.Or(said.Unhealthy, stack.DefaultBalancerThreshold),
		HealthyThreshold:       cmp.Or(said.Healthy, stack.DefaultBalancerThreshold),
	}

	if said.Own() {
		check.Protocol = cmp.Or(said.Protocol, stack.ProtocolHTTP)
		check.Port = cmp.Or(said.Port, b.servedPort())
		check.Path = cmp.Or(said.Path, "/")
	}

	if check.Protocol == stack.ProtocolTCP {
		check.Path = ""
	}

	// The API's own default is to begin checks as the traffic begins; only what the traffic goes to understands that.
	if b.ProxyProtocol {
		check.ProxyProtocol = godo.PtrTo(slices.ContainsFunc(b.forward, func(rule godo.ForwardingRule) bool {
			return rule.TargetPort == check.Port
		}))
	}

	return check
}

// servedPort is where a check asks that names no port.
func (b balanced) servedPort() int {
	if len(b.forward) > 0 {
		return b.forward[0].TargetPort
	}

	return b.serve.Port
}

// admissionTime is how long a load balancer may take to send to a node: as many checks as it wants good answers, the
// last of which may take its whole time.
func (b balanced) admissionTime() time.Duration {
	check := b.healthCheck()
	seconds := check.CheckIntervalSeconds*check.HealthyThreshold + check.ResponseTimeoutSeconds

	return time.Duration(seconds) * time.Second
}

// noticeTime is how long a load balancer may take to see that a node drains; none where its check does not see that.
func (b balanced) noticeTime() time.Duration {
	if b.Health.Own() {
		return 0
	}

	check := b.healthCheck()
	seconds := check.CheckIntervalSeconds*check.UnhealthyThreshold + check.ResponseTimeoutSeconds

	return time.Duration(seconds) * time.Second
}

// endsTLS tells whether a rule needs a certificate.
func endsTLS(rule godo.ForwardingRule) bool {
	switch rule.EntryProtocol {
	case stack.ProtocolHTTPS, stack.ProtocolHTTP2, stack.ProtocolHTTP3:
		return !rule.TlsPassthrough
	}

	return false
}

// withCertificate are rules of which those that need one have a certificate.
func withCertificate(rules []godo.ForwardingRule, certificate *godo.Certificate) []godo.ForwardingRule {
	rules = slices.Clone(rules)

	for i := range rules {
		if endsTLS(rules[i]) {
			rules[i].CertificateID = idOf(certificate)
		}
	}

	return rules
}
