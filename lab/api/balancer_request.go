package api

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/lab/state"
)

type balancerRequest struct {
	Name                         string        `json:"name"`
	Size                         string        `json:"size"`
	SizeUnit                     int           `json:"size_unit"`
	Type                         string        `json:"type"`
	Region                       string        `json:"region"`
	ForwardingRules              []ruleShape   `json:"forwarding_rules"`
	HealthCheck                  *healthShape  `json:"health_check"`
	StickySessions               *stickyShape  `json:"sticky_sessions"`
	DropletIDs                   []int         `json:"droplet_ids"`
	Tag                          string        `json:"tag"`
	RedirectHTTPToHTTPS          bool          `json:"redirect_http_to_https"`
	EnableProxyProtocol          bool          `json:"enable_proxy_protocol"`
	EnableBackendKeepalive       bool          `json:"enable_backend_keepalive"`
	DisableLetsEncryptDNSRecords *bool         `json:"disable_lets_encrypt_dns_records"`
	HTTPIdleTimeoutSeconds       *int          `json:"http_idle_timeout_seconds"`
	ProjectID                    string        `json:"project_id"`
	VPCUUID                      string        `json:"vpc_uuid"`
	Firewall                     firewallShape `json:"firewall"`
	Network                      string        `json:"network"`
}

const (
	defaultIdleTimeout = 60
	minIdleTimeout     = 30
	maxIdleTimeout     = 600
)

// fill writes the request into a load balancer, with DigitalOcean's defaults for what was left out.
func (b *balancerRequest) fill(d *state.Document, target *state.LoadBalancer) error {
	if err := b.check(); err != nil {
		return err
	}
	if err := b.place(d, target); err != nil {
		return err
	}
	target.Name, target.SizeSlug, target.SizeUnit = b.Name, b.Size, max(b.SizeUnit, 1)
	target.Type, target.Network, target.ProjectID = cmp.Or(b.Type, "REGIONAL"), cmp.Or(b.Network, "EXTERNAL"), b.ProjectID
	target.RedirectToHTTPS, target.ProxyProtocol, target.BackendKeepalive = b.RedirectHTTPToHTTPS, b.EnableProxyProtocol, b.EnableBackendKeepalive
	target.NoLetsEncryptDNS = b.DisableLetsEncryptDNSRecords != nil && *b.DisableLetsEncryptDNSRecords
	target.IdleTimeout = time.Duration(b.idleTimeout()) * time.Second
	target.Allow, target.Deny = b.Firewall.Allow, b.Firewall.Deny
	target.Health, target.Sticky = b.health(), b.sticky()
	for _, rule := range b.ForwardingRules {
		target.Rules = append(target.Rules, rule.completed())
	}
	if err := checkRules(d, target.Rules); err != nil {
		return err
	}
	target.DropletIDs = orEmpty(b.DropletIDs)
	if b.Tag != "" {
		target.Tag = d.UseTags([]string{b.Tag})[0]
	}
	return checkDroplets(d, target.DropletIDs, target.Region)
}

func (b *balancerRequest) check() error {
	switch {
	case !validName(b.Name, ".-"):
		return invalid("name may hold letters, digits, dots and dashes, and not nothing")
	case b.Tag != "" && len(b.DropletIDs) > 0:
		return invalid("droplet_ids and tag can't both be given")
	case b.Type != "" && b.Type != "REGIONAL" && b.Type != "REGIONAL_NETWORK":
		return invalid("the lab has no load balancers of type %s", b.Type)
	case b.Network != "" && b.Network != "EXTERNAL":
		return invalid("the lab has no load balancers on the network %s", b.Network)
	case b.idleTimeout() < minIdleTimeout || b.idleTimeout() > maxIdleTimeout:
		return invalid("http_idle_timeout_seconds must be from %d to %d", minIdleTimeout, maxIdleTimeout)
	}
	if err := b.checkHealth(); err != nil {
		return err
	}
	if b.Tag != "" {
		return checkTags([]string{b.Tag})
	}
	return nil
}

func (b *balancerRequest) idleTimeout() int {
	if b.HTTPIdleTimeoutSeconds == nil || *b.HTTPIdleTimeoutSeconds == 0 {
		return defaultIdleTimeout
	}
	return *b.HTTPIdleTimeoutSeconds
}

// place finds region and VPC, either of which may be left to follow from the other.
func (b *balancerRequest) place(d *state.Document, target *state.LoadBalancer) error {
	vpc := d.DefaultVPC(b.Region)
	if b.VPCUUID != "" {
		vpc = d.VPC(b.VPCUUID)
	}
	if vpc == nil || b.Region != "" && vpc.Region != b.Region {
		return invalid("region is invalid, or the VPC is not in it")
	}
	target.VPC, target.Region = vpc.ID, vpc.Region
	return nil
}

func (b *balancerRequest) health() state.HealthCheck {
	asked := healthShape{}
	if b.HealthCheck != nil {
		asked = *b.HealthCheck
	}
	check := state.HealthCheck{
		Protocol: cmp.Or(strings.ToLower(asked.Protocol), "http"), Port: cmp.Or(asked.Port, 80), Path: asked.Path,
		Interval: time.Duration(cmp.Or(asked.CheckIntervalSeconds, 10)) * time.Second, Timeout: time.Duration(cmp.Or(asked.ResponseTimeoutSeconds, 5)) * time.Second,
		Healthy: cmp.Or(asked.HealthyThreshold, 3), Unhealthy: cmp.Or(asked.UnhealthyThreshold, 5),
	}
	if check.Protocol != "tcp" {
		check.Path = cmp.Or(check.Path, "/")
	}
	return check
}

func (b *balancerRequest) checkHealth() error {
	check := b.health()
	switch {
	case !slices.Contains([]string{"http", "https", "tcp"}, check.Protocol):
		return invalid("health_check.protocol must be http, https or tcp")
	case check.Port < 1 || check.Port > 65535:
		return invalid("health_check.port must be from 1 to 65535")
	case check.Path != "" && !strings.HasPrefix(check.Path, "/"), strings.ContainsAny(check.Path, " \t\r\n\"'\\#"):
		return invalid("health_check.path must begin with / and hold no white space, quote or #")
	case check.Interval < 3*time.Second || check.Interval > 300*time.Second:
		return invalid("health_check.check_interval_seconds must be from 3 to 300")
	case check.Timeout < 3*time.Second || check.Timeout > 300*time.Second:
		return invalid("health_check.response_timeout_seconds must be from 3 to 300")
	case check.Healthy < 2 || check.Healthy > 10, check.Unhealthy < 2 || check.Unhealthy > 10:
		return invalid("health_check's thresholds must be from 2 to 10")
	}
	return nil
}

func (b *balancerRequest) sticky() state.Sticky {
	if b.StickySessions == nil || b.StickySessions.Type != "cookies" {
		return state.Sticky{Type: "none"}
	}
	return state.Sticky{Type: "cookies", Cookie: cmp.Or(b.StickySessions.CookieName, "DO-LB"), TTL: cmp.Or(b.StickySessions.CookieTTLSeconds, 300)}
}

// completed is the rule as the load balancer keeps it: protocols in lower case, the target like the entry.
func (r ruleShape) completed() state.Rule {
	rule := state.Rule(r)
	rule.EntryProtocol = strings.ToLower(rule.EntryProtocol)
	rule.TargetProtocol = cmp.Or(strings.ToLower(rule.TargetProtocol), rule.EntryProtocol)
	rule.TargetPort = cmp.Or(rule.TargetPort, rule.EntryPort)
	return rule
}

func checkRules(d *state.Document, rules []state.Rule) error {
	if len(rules) == 0 {
		return invalid("a load balancer needs at least one forwarding rule")
	}
	ports := map[int]bool{}
	for _, rule := range rules {
		if err := checkRule(d, rule); err != nil {
			return err
		}
		if ports[rule.EntryPort] {
			return invalid("two forwarding rules take entry_port %d", rule.EntryPort)
		}
		ports[rule.EntryPort] = true
	}
	return nil
}

func checkRule(d *state.Document, rule state.Rule) error {
	known := []string{"http", "https", "http2", "tcp"}
	secure := rule.EntryProtocol == "https" || rule.EntryProtocol == "http2"
	switch {
	case !slices.Contains(known, rule.EntryProtocol) || !slices.Contains(known, rule.TargetProtocol):
		return invalid("a forwarding rule's protocols must be http, https, http2 or tcp")
	case rule.EntryPort < 1 || rule.EntryPort > 65535 || rule.TargetPort < 1 || rule.TargetPort > 65535:
		return invalid("a forwarding rule's ports must be from 1 to 65535")
	case (rule.EntryProtocol == "tcp") != (rule.TargetProtocol == "tcp"):
		return invalid("a forwarding rule is tcp on both sides or on neither")
	case secure && rule.CertificateID == "" && !rule.TLSPassthrough:
		return invalid("a forwarding rule for %s needs a certificate_id or tls_passthrough", rule.EntryProtocol)
	case rule.CertificateID != "" && rule.TLSPassthrough:
		return invalid("a forwarding rule takes a certificate_id or tls_passthrough, not both")
	case rule.CertificateID != "" && d.Certificate(rule.CertificateID) == nil:
		return invalid("there is no certificate %s", rule.CertificateID)
	}
	return nil
}

func checkDroplets(d *state.Document, ids []int, inRegion string) error {
	for _, id := range ids {
		if droplet := d.Droplet(id); droplet == nil || droplet.Region != inRegion {
			return invalid("there is no Droplet %d in the region %s", id, inRegion)
		}
	}
	return nil
}
