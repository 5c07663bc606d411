package api

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/lab/state"
)

type balancerRequest struct {
	Name                         string          `json:"name"`
	Size                         string          `json:"size"`
	SizeUnit                     int             `json:"size_unit"`
	Type                         string          `json:"type"`
	Algorithm                    string          `json:"algorithm"`
	Region                       string          `json:"region"`
	IP                           string          `json:"ip"`
	ForwardingRules              []ruleShape     `json:"forwarding_rules"`
	HealthCheck                  *healthShape    `json:"health_check"`
	StickySessions               *stickyShape    `json:"sticky_sessions"`
	DropletIDs                   []int           `json:"droplet_ids"`
	Tag                          string          `json:"tag"`
	Tags                         []string        `json:"tags"`
	RedirectHTTPToHTTPS          bool            `json:"redirect_http_to_https"`
	EnableProxyProtocol          bool            `json:"enable_proxy_protocol"`
	EnableBackendKeepalive       bool            `json:"enable_backend_keepalive"`
	DisableLetsEncryptDNSRecords *bool           `json:"disable_lets_encrypt_dns_records"`
	HTTPIdleTimeoutSeconds       *int            `json:"http_idle_timeout_seconds"`
	ProjectID                    string          `json:"project_id"`
	VPCUUID                      string          `json:"vpc_uuid"`
	SubnetUUID                   string          `json:"subnet_uuid"`
	Firewall                     firewallShape   `json:"firewall"`
	Network                      string          `json:"network"`
	NetworkStack                 string          `json:"network_stack"`
	TLSCipherPolicy              string          `json:"tls_cipher_policy"`
	Domains                      json.RawMessage `json:"domains"`
	GLBSettings                  json.RawMessage `json:"glb_settings"`
	TargetLoadBalancerIDs        []string        `json:"target_load_balancer_ids"`
	ValidateOnly                 bool            `json:"validate_only"`
}

// The words that fields of a load balancer take.
const (
	regionalBalancer = "REGIONAL"
	networkBalancer  = "REGIONAL_NETWORK"
	globalBalancer   = "GLOBAL"
	externalNetwork  = "EXTERNAL"
	internalNetwork  = "INTERNAL"
	ipv4Only         = "IPV4"
	dualStack        = "DUALSTACK" // kept and shown; what is run has no IPv6
	defaultCiphers   = "DEFAULT"
	roundRobin       = "round_robin"
)

// StrongCiphers is the policy of load balancers that offer only the strongest ciphers of TLS.
const StrongCiphers = "STRONG"

const (
	defaultIdleTimeout  = 60
	minIdleTimeout      = 30
	maxIdleTimeout      = 600
	maxBalancerName     = 255
	maxBalancerNodes    = 200
	maxBalancerDroplets = 10
	minCookieName       = 2
	maxCookieName       = 40
)

// balancerSizes are the old sizes, in nodes.
func balancerSizes() map[string]int {
	return map[string]int{
		"lb-small":  1,
		"lb-medium": 3,
		"lb-large":  6,
	}
}

// keep takes over from the load balancer that is replaced what the request leaves out and what can't be changed.
func (b *balancerRequest) keep(balancer state.LoadBalancer) {
	// a PUT replaces all else, but clients leave out what can't be changed
	b.VPCUUID = cmp.Or(b.VPCUUID, balancer.VPC)
	b.Network = cmp.Or(b.Network, balancer.Network)
	b.Type = cmp.Or(b.Type, balancer.Type)
	b.NetworkStack = cmp.Or(b.NetworkStack, balancer.NetworkStack)
	b.IP = "" // only a new load balancer can be asked for with an address
}

// fill writes the request into a load balancer, with DigitalOcean's defaults for what was left out.
func (b *balancerRequest) fill(d *state.Document, target *state.LoadBalancer) error {
	if err := b.check(); err != nil {
		return err
	}

	if err := b.place(d, target); err != nil {
		return err
	}

	target.Name = b.Name
	target.SizeSlug = b.Size

	// the old size slugs mean a number of nodes
	target.SizeUnit = max(b.SizeUnit, balancerSizes()[b.Size], 1)
	target.Type = cmp.Or(strings.ToUpper(b.Type), regionalBalancer)
	target.Network = cmp.Or(strings.ToUpper(b.Network), externalNetwork)

	target.NetworkStack = cmp.Or(strings.ToUpper(b.NetworkStack), ipv4Only)

	target.RedirectToHTTPS = b.RedirectHTTPToHTTPS
	target.ProxyProtocol = b.EnableProxyProtocol
	target.BackendKeepalive = b.EnableBackendKeepalive
	target.NoLetsEncryptDNS = b.DisableLetsEncryptDNSRecords != nil && *b.DisableLetsEncryptDNSRecords
	target.IdleTimeout = time.Duration(b.idleTimeout()) * time.Second

	target.Allow = b.Firewall.Allow
	target.Deny = b.Firewall.Deny
	target.TLSCipherPolicy = cmp.Or(b.TLSCipherPolicy, defaultCiphers)
	target.Health = b.health()
	target.Sticky = b.sticky()

	for _, rule := range b.ForwardingRules {
		target.Rules = append(target.Rules, rule.completed())
	}

	if err := checkRules(d, target.Type, target.Rules); err != nil {
		return err
	}

	target.DropletIDs = sortedIDs(b.DropletIDs)

	if b.Tag != "" {
		// DigitalOcean makes a tag by its first use, in its first spelling
		target.Tag = d.UseTags([]string{b.Tag})[0]
	}

	return checkDroplets(d, *target, target.DropletIDs)
}

// sortedIDs are ids in order, each once.
func sortedIDs(ids []int) []int {
	sorted := slices.Clone(orEmpty(ids))

	// Compact drops neighbours only
	slices.Sort(sorted)

	return slices.Compact(sorted)
}

// check looks at what can be told from the request alone. The first error that it finds is the answer.
func (b *balancerRequest) check() error {
	checks := []func() error{
		b.checkName,
		b.checkTags,
		b.checkEnums,
		b.checkIdleTimeout,
		b.checkAbsent,
		b.checkSize,
		b.checkHealth,
		b.checkSticky,
		b.checkFirewall,
	}

	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}

	return nil
}

func (b *balancerRequest) checkName() error {
	valid := validName(b.Name, ".-") &&
		len(b.Name) <= maxBalancerName &&
		!strings.ContainsAny(b.Name[:1], ".-") &&
		!strings.HasSuffix(b.Name, "-")

	if !valid {
		return invalid(
			"name must start with a letter or digit, hold letters, digits, dots and dashes only, end with no dash, "+
				"and not be longer than %d characters",
			maxBalancerName,
		)
	}

	return nil
}

func (b *balancerRequest) checkTags() error {
	// the tag decides which Droplets are behind it: a list beside it would never count
	if b.Tag != "" && len(b.DropletIDs) > 0 {
		return invalid("droplet_ids and tag can't both be given")
	}

	tags := slices.Clone(b.Tags)
	if b.Tag != "" {
		tags = append(tags, b.Tag)
	}

	return checkTags(tags)
}

// checkEnums looks at the fields that take one of a few words; what is left out has a default.
func (b *balancerRequest) checkEnums() error {
	fields := []struct {
		name, value string
		known       []string
	}{
		{
			name:  "type",
			value: strings.ToUpper(b.Type),
			known: []string{regionalBalancer, networkBalancer, globalBalancer},
		},
		{
			name:  "network",
			value: strings.ToUpper(b.Network),
			known: []string{externalNetwork, internalNetwork},
		},
		{
			name:  "network_stack",
			value: strings.ToUpper(b.NetworkStack),
			known: []string{ipv4Only, dualStack},
		},
		{
			name:  "tls_cipher_policy",
			value: b.TLSCipherPolicy,
			known: []string{defaultCiphers, StrongCiphers},
		},
		{
			name:  "algorithm",
			value: b.Algorithm,
			known: []string{roundRobin, "least_connections"},
		},
	}

	for _, field := range fields {
		if field.value != "" && !slices.Contains(field.known, field.value) {
			return invalid("%s must be one of %s", field.name, strings.Join(field.known, ", "))
		}
	}

	return nil
}

func (b *balancerRequest) checkIdleTimeout() error {
	if b.idleTimeout() < minIdleTimeout || b.idleTimeout() > maxIdleTimeout {
		return invalid("http_idle_timeout_seconds must be from %d to %d", minIdleTimeout, maxIdleTimeout)
	}

	return nil
}

// checkAbsent refuses what DigitalOcean has and the lab does not.
func (b *balancerRequest) checkAbsent() error {
	switch {
	case strings.EqualFold(b.Type, globalBalancer):
		return invalid("the lab has no load balancers of type %s", globalBalancer)

	case given(b.Domains) || given(b.GLBSettings) || len(b.TargetLoadBalancerIDs) > 0:
		return invalid(
			"domains, glb_settings and target_load_balancer_ids are for load balancers of type %s, and the lab has "+
				"none of these",
			globalBalancer,
		)

	case strings.EqualFold(b.NetworkStack, dualStack) && strings.EqualFold(b.Network, internalNetwork):
		return invalid("network_stack %s: an internal load balancer has no public address", dualStack)
	case b.IP != "":
		return invalid("ip: the lab takes no addresses of your own (BYOIP)")
	case b.SubnetUUID != "":
		return invalid("subnet_uuid: the lab's VPCs have no subnets")
	}

	return nil
}

// given tells whether a field holds anything: clients send null, [] and {} for nothing.
func given(field json.RawMessage) bool {
	return !slices.Contains([]string{"", "null", "[]", "{}"}, string(field))
}

// checkSize takes a number of nodes or an old size. It takes both when they agree: clients send back what they read.
func (b *balancerRequest) checkSize() error {
	nodes, known := balancerSizes()[b.Size]
	switch {
	case b.Size != "" && !known:
		return invalid("size must be one of lb-small, lb-medium, lb-large")
	case b.SizeUnit < 0 || b.SizeUnit > maxBalancerNodes:
		return invalid("size_unit must be from 1 to %d", maxBalancerNodes)
	case known && b.SizeUnit != 0 && b.SizeUnit != nodes:
		return invalid("size and size_unit are mutually exclusive: %s is %d", b.Size, nodes)
	}

	return nil
}

func (b *balancerRequest) idleTimeout() int {
	// godo sends 0 for a value that was not given
	if b.HTTPIdleTimeoutSeconds == nil || *b.HTTPIdleTimeoutSeconds == 0 {
		return defaultIdleTimeout
	}

	return *b.HTTPIdleTimeoutSeconds
}

// place finds region and VPC. Either may be left out, and then follows from the other.
func (b *balancerRequest) place(d *state.Document, target *state.LoadBalancer) error {
	vpc := d.DefaultVPC(b.Region)
	if b.VPCUUID != "" {
		vpc = d.VPC(b.VPCUUID)
	}

	// a load balancer reaches its Droplets over their VPC, which is in one region
	if vpc == nil || b.Region != "" && vpc.Region != b.Region {
		return invalid("region is invalid, or the VPC is not in it")
	}

	target.VPC = vpc.ID
	target.Region = vpc.Region

	return nil
}

// health is the health check as asked for, with DigitalOcean's defaults.
func (b *balancerRequest) health() state.HealthCheck {
	asked := healthShape{}
	if b.HealthCheck != nil {
		asked = *b.HealthCheck
	}

	interval := cmp.Or(asked.CheckIntervalSeconds, 10)
	timeout := cmp.Or(asked.ResponseTimeoutSeconds, 5)

	check := state.HealthCheck{
		Protocol:      cmp.Or(strings.ToLower(asked.Protocol), "http"),
		Port:          cmp.Or(asked.Port, 80),
		Path:          cmp.Or(asked.Path, "/"),
		Interval:      time.Duration(interval) * time.Second,
		Timeout:       time.Duration(timeout) * time.Second,
		Healthy:       cmp.Or(asked.HealthyThreshold, 3),
		Unhealthy:     cmp.Or(asked.UnhealthyThreshold, 5),
		ProxyProtocol: asked.ProxyProtocol,
	}

	// a TCP check asks for no path
	if check.Protocol == protocolTCP {
		check.Path = ""
	}

	return check
}

func (b *balancerRequest) checkHealth() error {
	check := b.health()
	switch {
	case !slices.Contains([]string{"http", "https", protocolTCP}, check.Protocol):
		return invalid("health_check.protocol must be http, https or tcp")
	case check.Port < 1 || check.Port > maxPort:
		return invalid("health_check.port must be from 1 to 65535")

	// the path is written into HAProxy's configuration: white space would begin another word
	case check.Path != "" && !strings.HasPrefix(check.Path, "/"), !printable(check.Path):
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

// printable tells whether a text can stand in HAProxy's configuration as it is.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"'\#`, r)
	})
}

func (b *balancerRequest) sticky() state.Sticky {
	// left out means none: a PUT without them turns them off
	if b.StickySessions == nil || b.StickySessions.Type != "cookies" {
		return state.Sticky{Type: "none"}
	}

	return state.Sticky{
		Type:   "cookies",
		Cookie: b.StickySessions.CookieName,
		TTL:    b.StickySessions.CookieTTLSeconds,
	}
}

func (b *balancerRequest) checkSticky() error {
	if b.StickySessions == nil {
		return nil
	}

	asked := *b.StickySessions

	// the name ends up in HAProxy's configuration and in a header
	nameFits := len(asked.CookieName) >= minCookieName &&
		len(asked.CookieName) <= maxCookieName &&
		validName(asked.CookieName, "!$%&*+-.^_|~")

	switch {
	case !slices.Contains([]string{"", "none", "cookies"}, asked.Type):
		return invalid("sticky_sessions.type must be cookies or none")
	case asked.Type != "cookies":
		return nil

	case !nameFits:
		return invalid(
			"sticky_sessions.cookie_name must be from %d to %d characters that a cookie's name can hold",
			minCookieName,
			maxCookieName,
		)

	case asked.CookieTTLSeconds < 1:
		return invalid("sticky_sessions.cookie_ttl_seconds must be at least 1")
	}

	return nil
}

// validSource tells whether a text is the address or the network that a rule of a load balancer's firewall is for.
func validSource(kind, source string) bool {
	var err error

	switch kind {
	case "ip":
		_, err = netip.ParseAddr(source)
	case "cidr":
		_, err = netip.ParsePrefix(source)
	default:
		return false
	}

	return err == nil
}

func (b *balancerRequest) checkFirewall() error {
	lists := map[string][]string{
		"allow": b.Firewall.Allow,
		"deny":  b.Firewall.Deny,
	}

	for field, rules := range lists {
		for _, rule := range rules {
			kind, source, _ := strings.Cut(rule, ":")
			if !validSource(kind, source) {
				return invalid("firewall.%s: %q must be in the form 'ip:1.2.3.4' or 'cidr:1.2.0.0/16'", field, rule)
			}
		}
	}

	return nil
}

// checkDroplets looks whether these Droplets can be behind a load balancer.
func checkDroplets(d *state.Document, balancer state.LoadBalancer, ids []int) error {
	// DigitalOcean's limit is for lists only; a tag may have more
	if len(ids) > maxBalancerDroplets {
		return invalid("a load balancer takes at most %d droplet_ids: use a tag for more", maxBalancerDroplets)
	}

	for _, id := range ids {
		droplet := d.Droplet(id)
		if droplet == nil || droplet.Region != balancer.Region {
			return invalid("there is no Droplet %d in the region %s", id, balancer.Region)
		}

		// the balancer reaches its Droplets by their private addresses
		if droplet.VPC != balancer.VPC {
			return invalid("some of the specified target droplets don't belong to the same VPC as the Load Balancer")
		}
	}

	return nil
}
