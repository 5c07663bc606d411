package api

import (
	"cmp"
	"time"

	"github.com/hornero/hornero/lab/state"
)

type ruleShape struct {
	EntryProtocol  string `json:"entry_protocol"`
	EntryPort      int    `json:"entry_port"`
	TargetProtocol string `json:"target_protocol"`
	TargetPort     int    `json:"target_port"`
	CertificateID  string `json:"certificate_id"`
	TLSPassthrough bool   `json:"tls_passthrough"`
}

type healthShape struct {
	Protocol               string `json:"protocol"`
	Port                   int    `json:"port"`
	Path                   string `json:"path,omitempty"`
	CheckIntervalSeconds   int    `json:"check_interval_seconds"`
	ResponseTimeoutSeconds int    `json:"response_timeout_seconds"`
	HealthyThreshold       int    `json:"healthy_threshold"`
	UnhealthyThreshold     int    `json:"unhealthy_threshold"`
	ProxyProtocol          *bool  `json:"proxy_protocol,omitempty"`
}

type stickyShape struct {
	Type             string `json:"type"`
	CookieName       string `json:"cookie_name,omitempty"`
	CookieTTLSeconds int    `json:"cookie_ttl_seconds,omitempty"`
}

type firewallShape struct {
	Allow []string `json:"allow"`
	Deny  []string `json:"deny"`
}

type balancerShape struct {
	ID                           string        `json:"id"`
	Name                         string        `json:"name"`
	IP                           string        `json:"ip"`
	IPv6                         string        `json:"ipv6"`
	Size                         string        `json:"size,omitempty"`
	SizeUnit                     int           `json:"size_unit"`
	Type                         string        `json:"type"`
	Algorithm                    string        `json:"algorithm"`
	Status                       string        `json:"status"`
	CreatedAt                    string        `json:"created_at"`
	ForwardingRules              []ruleShape   `json:"forwarding_rules"`
	HealthCheck                  healthShape   `json:"health_check"`
	StickySessions               stickyShape   `json:"sticky_sessions"`
	Region                       region        `json:"region"`
	Tag                          string        `json:"tag"`
	Tags                         []string      `json:"tags"`
	DropletIDs                   []int         `json:"droplet_ids"`
	RedirectHTTPToHTTPS          bool          `json:"redirect_http_to_https"`
	EnableProxyProtocol          bool          `json:"enable_proxy_protocol"`
	EnableBackendKeepalive       bool          `json:"enable_backend_keepalive"`
	DisableLetsEncryptDNSRecords bool          `json:"disable_lets_encrypt_dns_records"`
	HTTPIdleTimeoutSeconds       int           `json:"http_idle_timeout_seconds"`
	ProjectID                    string        `json:"project_id"`
	VPCUUID                      string        `json:"vpc_uuid"`
	Firewall                     firewallShape `json:"firewall"`
	Network                      string        `json:"network"`
	NetworkStack                 string        `json:"network_stack"`
	TLSCipherPolicy              string        `json:"tls_cipher_policy"`
}

func showBalancer(d *state.Document, b state.LoadBalancer) balancerShape {
	shown := balancerShape{
		ID:        b.ID,
		Name:      b.Name,
		Size:      b.SizeSlug,
		SizeUnit:  b.SizeUnit,
		Type:      b.Type,
		Algorithm: roundRobin,
		Status:    b.Status,
		CreatedAt: showTime(b.Created),
		StickySessions: stickyShape{
			Type:             b.Sticky.Type,
			CookieName:       b.Sticky.Cookie,
			CookieTTLSeconds: b.Sticky.TTL,
		},
		Tag:                          b.Tag,
		Tags:                         orEmpty(b.Tags),
		DropletIDs:                   orEmpty(balancerDroplets(d, b)),
		RedirectHTTPToHTTPS:          b.RedirectToHTTPS,
		EnableProxyProtocol:          b.ProxyProtocol,
		EnableBackendKeepalive:       b.BackendKeepalive,
		DisableLetsEncryptDNSRecords: b.NoLetsEncryptDNS,
		HTTPIdleTimeoutSeconds:       int(b.IdleTimeout / time.Second),
		ProjectID:                    projectOf(d, balancerURN(b.ID)),
		VPCUUID:                      b.VPC,
		Firewall: firewallShape{
			Allow: orEmpty(b.Allow),
			Deny:  orEmpty(b.Deny),
		},
		Network:         b.Network,
		NetworkStack:    cmp.Or(b.NetworkStack, ipv4Only),
		TLSCipherPolicy: cmp.Or(b.TLSCipherPolicy, defaultCiphers),
		HealthCheck: healthShape{
			Protocol:               b.Health.Protocol,
			Port:                   b.Health.Port,
			Path:                   b.Health.Path,
			CheckIntervalSeconds:   int(b.Health.Interval / time.Second),
			ResponseTimeoutSeconds: int(b.Health.Timeout / time.Second),
			HealthyThreshold:       b.Health.Healthy,
			UnhealthyThreshold:     b.Health.Unhealthy,
			ProxyProtocol:          b.Health.ProxyProtocol,
		},
	}

	shown.Region, _ = findRegion(b.Region)

	for _, rule := range b.Rules {
		shown.ForwardingRules = append(shown.ForwardingRules, ruleShape(rule))
	}

	// as on DigitalOcean, a new load balancer has no address yet: clients wait for it
	if b.Status != balancerNew {
		shown.IP = b.Front().String()
	}

	return shown
}

func balancerURN(id string) string { return "do:loadbalancer:" + id }
