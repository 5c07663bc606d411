package api

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/lab/state"
)

func (s *Server) balancerRoutes() map[string]handler {
	return map[string]handler{
		"GET /v2/load_balancers":                                s.listBalancers,
		"POST /v2/load_balancers":                               s.createBalancer,
		"GET /v2/load_balancers/{balancer}":                     s.getBalancer,
		"PUT /v2/load_balancers/{balancer}":                     s.updateBalancer,
		"DELETE /v2/load_balancers/{balancer}":                  s.deleteBalancer,
		"POST /v2/load_balancers/{balancer}/droplets":           s.addBalancerDroplets,
		"DELETE /v2/load_balancers/{balancer}/droplets":         s.removeBalancerDroplets,
		"POST /v2/load_balancers/{balancer}/forwarding_rules":   s.addBalancerRules,
		"DELETE /v2/load_balancers/{balancer}/forwarding_rules": s.removeBalancerRules,
	}
}

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
}

func showBalancer(d *state.Document, b state.LoadBalancer) balancerShape {
	shown := balancerShape{
		ID: b.ID, Name: b.Name, Size: b.SizeSlug, SizeUnit: b.SizeUnit, Type: b.Type, Algorithm: "round_robin", Status: b.Status, CreatedAt: showTime(b.Created),
		StickySessions: stickyShape{Type: b.Sticky.Type, CookieName: b.Sticky.Cookie, CookieTTLSeconds: b.Sticky.TTL}, Tag: b.Tag, DropletIDs: orEmpty(balancerDroplets(d, b)),
		RedirectHTTPToHTTPS: b.RedirectToHTTPS, EnableProxyProtocol: b.ProxyProtocol, EnableBackendKeepalive: b.BackendKeepalive,
		DisableLetsEncryptDNSRecords: b.NoLetsEncryptDNS, HTTPIdleTimeoutSeconds: int(b.IdleTimeout / time.Second), ProjectID: b.ProjectID, VPCUUID: b.VPC,
		Firewall: firewallShape{Allow: orEmpty(b.Allow), Deny: orEmpty(b.Deny)}, Network: b.Network,
		HealthCheck: healthShape{Protocol: b.Health.Protocol, Port: b.Health.Port, Path: b.Health.Path, CheckIntervalSeconds: int(b.Health.Interval / time.Second),
			ResponseTimeoutSeconds: int(b.Health.Timeout / time.Second), HealthyThreshold: b.Health.Healthy, UnhealthyThreshold: b.Health.Unhealthy},
	}
	shown.Region, _ = findRegion(b.Region)
	for _, rule := range b.Rules {
		shown.ForwardingRules = append(shown.ForwardingRules, ruleShape(rule))
	}
	if b.Status != balancerNew {
		shown.IP = b.Address.String()
	}
	return shown
}

// The states of a load balancer.
const (
	balancerNew     = "new"
	balancerActive  = "active"
	balancerErrored = "errored"
)

// balancerDroplets are the ids of a load balancer's Droplets: those given, or those that have its tag now.
func balancerDroplets(d *state.Document, b state.LoadBalancer) []int {
	if b.Tag == "" {
		return b.DropletIDs
	}
	ids := []int{}
	for _, droplet := range d.Droplets {
		if droplet.Region == b.Region && !droplet.Deleting && state.Tagged(droplet.Tags, b.Tag) {
			ids = append(ids, droplet.ID)
		}
	}
	return ids
}

func (s *Server) listBalancers(r *http.Request) (*reply, error) {
	query := r.URL.Query()
	names, ids := query["names"], query["uuids"]
	d := s.Store.View()
	shown := []balancerShape{}
	for _, balancer := range d.LoadBalancers {
		if len(names) > 0 && !slices.Contains(names, balancer.Name) || len(ids) > 0 && !slices.Contains(ids, balancer.ID) {
			continue
		}
		shown = append(shown, showBalancer(d, balancer))
	}
	return list(r, "load_balancers", shown), nil
}

func (s *Server) getBalancer(r *http.Request) (*reply, error) {
	d := s.Store.View()
	balancer := d.LoadBalancer(r.PathValue("balancer"))
	if balancer == nil {
		return nil, notFound()
	}
	return one(http.StatusOK, "load_balancer", showBalancer(d, *balancer)), nil
}

func (s *Server) createBalancer(r *http.Request) (*reply, error) {
	var body balancerRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	var shown balancerShape
	err := s.Store.Update(func(d *state.Document) error {
		balancer := state.LoadBalancer{ID: newUUID(), Status: balancerNew, Created: s.now()}
		if err := body.fill(d, &balancer); err != nil {
			return err
		}
		var free [2]bool
		balancer.Address, free[0] = d.TakePublic(s.Public)
		balancer.Private, free[1] = d.TakePrivate(d.VPC(balancer.VPC))
		if !free[0] || !free[1] {
			return invalid("no free address is left in the lab's range %s or in the VPC's", s.Public)
		}
		d.LoadBalancers = append(d.LoadBalancers, balancer)
		shown = showBalancer(d, balancer)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.kickBalancers()
	return one(http.StatusAccepted, "load_balancer", shown), nil
}

// updateBalancer replaces a load balancer: what is left out falls back to its default. Its address stays.
func (s *Server) updateBalancer(r *http.Request) (*reply, error) {
	var body balancerRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	var shown balancerShape
	err := s.Store.Update(func(d *state.Document) error {
		balancer := d.LoadBalancer(r.PathValue("balancer"))
		if balancer == nil {
			return notFound()
		}
		replaced := state.LoadBalancer{ID: balancer.ID, Status: balancer.Status, Created: balancer.Created, Address: balancer.Address, Private: balancer.Private}
		if body.VPCUUID == "" {
			body.VPCUUID = balancer.VPC
		}
		if err := body.fill(d, &replaced); err != nil {
			return err
		}
		if replaced.VPC != balancer.VPC || replaced.Network != balancer.Network {
			return invalid("a load balancer's VPC and network can't be changed")
		}
		*balancer = replaced
		shown = showBalancer(d, replaced)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.kickBalancers()
	return one(http.StatusOK, "load_balancer", shown), nil
}

func (s *Server) deleteBalancer(r *http.Request) (*reply, error) {
	return s.changeBalancers(func(d *state.Document) error {
		if d.LoadBalancer(r.PathValue("balancer")) == nil {
			return notFound()
		}
		d.LoadBalancers = slices.DeleteFunc(d.LoadBalancers, func(x state.LoadBalancer) bool { return x.ID == r.PathValue("balancer") })
		return nil
	})
}

// changeBalancers makes a change that load balancers may have to follow.
func (s *Server) changeBalancers(change func(*state.Document) error) (*reply, error) {
	if err := s.Store.Update(change); err != nil {
		return nil, err
	}
	s.kickBalancers()
	return noContent(), nil
}

// changeBalancer changes the load balancer in the path by one of its sub-resources.
func (s *Server) changeBalancer(r *http.Request, body any, change func(*state.Document, *state.LoadBalancer) error) (*reply, error) {
	if err := decode(r, body); err != nil {
		return nil, err
	}
	return s.changeBalancers(func(d *state.Document) error {
		balancer := d.LoadBalancer(r.PathValue("balancer"))
		if balancer == nil {
			return notFound()
		}
		return change(d, balancer)
	})
}

type dropletIDs struct {
	DropletIDs []int `json:"droplet_ids"`
}

func (s *Server) addBalancerDroplets(r *http.Request) (*reply, error) {
	var body dropletIDs
	return s.changeBalancer(r, &body, func(d *state.Document, balancer *state.LoadBalancer) error {
		if balancer.Tag != "" {
			return invalid("the load balancer follows the tag %s: tag the Droplets instead", balancer.Tag)
		}
		if err := checkDroplets(d, body.DropletIDs, balancer.Region); err != nil {
			return err
		}
		balancer.DropletIDs = append(balancer.DropletIDs, body.DropletIDs...)
		slices.Sort(balancer.DropletIDs)
		balancer.DropletIDs = slices.Compact(balancer.DropletIDs)
		return nil
	})
}

func (s *Server) removeBalancerDroplets(r *http.Request) (*reply, error) {
	var body dropletIDs
	return s.changeBalancer(r, &body, func(d *state.Document, balancer *state.LoadBalancer) error {
		balancer.DropletIDs = slices.DeleteFunc(balancer.DropletIDs, func(id int) bool { return slices.Contains(body.DropletIDs, id) })
		return nil
	})
}

type forwardingRules struct {
	ForwardingRules []ruleShape `json:"forwarding_rules"`
}

func (s *Server) addBalancerRules(r *http.Request) (*reply, error) {
	var body forwardingRules
	return s.changeBalancer(r, &body, func(d *state.Document, balancer *state.LoadBalancer) error {
		rules := slices.Clone(balancer.Rules)
		for _, rule := range body.ForwardingRules {
			rules = append(rules, rule.completed())
		}
		if err := checkRules(d, rules); err != nil {
			return err
		}
		balancer.Rules = rules
		return nil
	})
}

func (s *Server) removeBalancerRules(r *http.Request) (*reply, error) {
	var body forwardingRules
	return s.changeBalancer(r, &body, func(d *state.Document, balancer *state.LoadBalancer) error {
		for _, gone := range body.ForwardingRules {
			balancer.Rules = slices.DeleteFunc(balancer.Rules, func(rule state.Rule) bool {
				return rule.EntryPort == gone.EntryPort && strings.EqualFold(rule.EntryProtocol, gone.EntryProtocol)
			})
		}
		if len(balancer.Rules) == 0 {
			return invalid("a load balancer needs at least one forwarding rule")
		}
		return nil
	})
}
