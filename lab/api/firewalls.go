package api

import (
	"net/http"
	"reflect"
	"slices"

	"github.com/hornero/hornero/lab/state"
)

// The states of a Cloud Firewall.
const (
	firewallWaiting   = "waiting"
	firewallSucceeded = "succeeded"
	firewallFailed    = "failed"
)

func (s *Server) firewallRoutes() map[string]handler {
	return map[string]handler{
		"GET /v2/firewalls":                        s.listFirewalls,
		"POST /v2/firewalls":                       s.createFirewall,
		"GET /v2/firewalls/{firewall}":             s.getFirewall,
		"PUT /v2/firewalls/{firewall}":             s.replaceFirewall,
		"DELETE /v2/firewalls/{firewall}":          s.deleteFirewall,
		"POST /v2/firewalls/{firewall}/droplets":   s.addFirewallDroplets,
		"DELETE /v2/firewalls/{firewall}/droplets": s.removeFirewallDroplets,
		"POST /v2/firewalls/{firewall}/tags":       s.addFirewallTags,
		"DELETE /v2/firewalls/{firewall}/tags":     s.removeFirewallTags,
		"POST /v2/firewalls/{firewall}/rules":      s.addFirewallRules,
		"DELETE /v2/firewalls/{firewall}/rules":    s.removeFirewallRules,
		"GET /v2/droplets/{droplet}/firewalls":     s.listDropletFirewalls,
	}
}

type firewallPeers struct {
	Addresses        []string `json:"addresses,omitempty"`
	DropletIDs       []int    `json:"droplet_ids,omitempty"`
	LoadBalancerUIDs []string `json:"load_balancer_uids,omitempty"`
	KubernetesIDs    []string `json:"kubernetes_ids,omitempty"`
	Tags             []string `json:"tags,omitempty"`
}

type inboundRule struct {
	Protocol string        `json:"protocol"`
	Ports    string        `json:"ports"`
	Sources  firewallPeers `json:"sources"`
}

type outboundRule struct {
	Protocol     string        `json:"protocol"`
	Ports        string        `json:"ports"`
	Destinations firewallPeers `json:"destinations"`
}

type pendingChange struct {
	DropletID int    `json:"droplet_id"`
	Removing  bool   `json:"removing"`
	Status    string `json:"status"`
}

type firewallAnswer struct {
	ID             string          `json:"id"`
	Name           string          `json:"name"`
	Status         string          `json:"status"`
	CreatedAt      string          `json:"created_at"`
	PendingChanges []pendingChange `json:"pending_changes"`
	InboundRules   []inboundRule   `json:"inbound_rules"`
	OutboundRules  []outboundRule  `json:"outbound_rules"`
	DropletIDs     []int           `json:"droplet_ids"`
	Tags           []string        `json:"tags"`
}

func showFirewall(d *state.Document, f state.Firewall) firewallAnswer {
	shown := firewallAnswer{
		ID:             f.ID,
		Name:           f.Name,
		Status:         f.Status,
		CreatedAt:      showTime(f.Created),
		PendingChanges: []pendingChange{},
		InboundRules:   []inboundRule{},
		OutboundRules:  []outboundRule{},
		DropletIDs:     orEmpty(f.DropletIDs),
		Tags:           orEmpty(f.Tags),
	}

	for _, rule := range f.Inbound {
		shown.InboundRules = append(shown.InboundRules, inboundRule{
			Protocol: rule.Protocol,
			Ports:    rule.Ports,
			Sources:  showPeers(rule.Peers),
		})
	}

	for _, rule := range f.Outbound {
		shown.OutboundRules = append(shown.OutboundRules, outboundRule{
			Protocol:     rule.Protocol,
			Ports:        rule.Ports,
			Destinations: showPeers(rule.Peers),
		})
	}

	// clients see which Droplets are not held to the rules yet
	if f.Status == firewallWaiting {
		for _, id := range firewallDroplets(d, f) {
			shown.PendingChanges = append(shown.PendingChanges, pendingChange{
				DropletID: id,
				Status:    firewallWaiting,
			})
		}
	}

	return shown
}

func showPeers(p state.FirewallPeers) firewallPeers {
	return firewallPeers{
		Addresses:        p.Addresses,
		DropletIDs:       p.DropletIDs,
		LoadBalancerUIDs: p.LoadBalancerIDs,
		KubernetesIDs:    p.KubernetesIDs,
		Tags:             p.Tags,
	}
}

// firewallDroplets are the Droplets that a firewall is on now: those given, and those that have one of its tags.
func firewallDroplets(d *state.Document, f state.Firewall) []int {
	ids := []int{}
	for _, droplet := range d.Droplets {
		tagged := slices.ContainsFunc(f.Tags, func(tag string) bool {
			return state.Tagged(droplet.Tags, tag)
		})
		if tagged || slices.Contains(f.DropletIDs, droplet.ID) {
			ids = append(ids, droplet.ID)
		}
	}

	return ids
}

func (s *Server) listFirewalls(r *http.Request) (*reply, error) {
	d := s.Store.View()

	return listed(r, "firewalls", d.Firewalls, func(f state.Firewall) firewallAnswer {
		return showFirewall(d, f)
	}), nil
}

func (s *Server) listDropletFirewalls(r *http.Request) (*reply, error) {
	droplet, err := s.dropletIn(r)
	if err != nil {
		return nil, err
	}

	d := s.Store.View()
	on := []state.Firewall{}

	for _, firewall := range d.Firewalls {
		if slices.Contains(firewallDroplets(d, firewall), droplet.ID) {
			on = append(on, firewall)
		}
	}

	return listed(r, "firewalls", on, func(f state.Firewall) firewallAnswer {
		return showFirewall(d, f)
	}), nil
}

func firewallIn(r *http.Request, d *state.Document) (*state.Firewall, error) {
	firewall := d.Firewall(r.PathValue("firewall"))
	if firewall == nil {
		return nil, notFound()
	}

	return firewall, nil
}

func (s *Server) getFirewall(r *http.Request) (*reply, error) {
	d := s.Store.View()
	firewall, err := firewallIn(r, d)
	if err != nil {
		return nil, err
	}

	return one(http.StatusOK, "firewall", showFirewall(d, *firewall)), nil
}

func (s *Server) createFirewall(r *http.Request) (*reply, error) {
	return s.writeFirewall(r, http.StatusAccepted, func(d *state.Document) (*state.Firewall, error) {
		d.Firewalls = append(d.Firewalls, state.Firewall{
			ID:      newUUID(),
			Created: s.now(),
		})

		// the pointer must be into the list: append has copied the value
		return &d.Firewalls[len(d.Firewalls)-1], nil
	})
}

// replaceFirewall replaces a firewall: what is left out is gone.
func (s *Server) replaceFirewall(r *http.Request) (*reply, error) {
	return s.writeFirewall(r, http.StatusOK, func(d *state.Document) (*state.Firewall, error) {
		return firewallIn(r, d)
	})
}

// writeFirewall writes the whole of a firewall that find makes or finds.
func (s *Server) writeFirewall(
	r *http.Request,
	status int,
	find func(*state.Document) (*state.Firewall, error),
) (*reply, error) {
	var body firewallRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	var shown firewallAnswer
	err := s.Store.Update(func(d *state.Document) error {
		firewall, err := find(d)
		if err != nil {
			return err
		}

		if err := body.checkWhole(d, firewall.ID); err != nil {
			return err
		}

		// a PUT replaces all: what the request leaves out is gone
		*firewall = state.Firewall{
			ID:      firewall.ID,
			Name:    body.Name,
			Created: firewall.Created,
		}

		if err := body.addTo(d, firewall); err != nil {
			return err
		}

		shown = showFirewall(d, *firewall)

		return nil
	})
	if err != nil {
		return nil, err
	}

	s.wakeFollower()

	return one(status, "firewall", shown), nil
}

func (s *Server) deleteFirewall(r *http.Request) (*reply, error) {
	return s.changeBalancers(func(d *state.Document) error {
		firewall, err := firewallIn(r, d)
		if err != nil {
			return err
		}

		id := firewall.ID
		d.Firewalls = slices.DeleteFunc(d.Firewalls, func(x state.Firewall) bool {
			return x.ID == id
		})

		return nil
	})
}

// changeFirewall changes the firewall in the path by one of its sub-resources.
func (s *Server) changeFirewall(
	r *http.Request,
	change func(*state.Document, *state.Firewall, firewallRequest) error,
) (*reply, error) {
	var body firewallRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	return s.changeBalancers(func(d *state.Document) error {
		firewall, err := firewallIn(r, d)
		if err != nil {
			return err
		}

		return change(d, firewall, body)
	})
}

func (s *Server) addFirewallDroplets(r *http.Request) (*reply, error) {
	return s.changeFirewall(r, func(d *state.Document, f *state.Firewall, b firewallRequest) error {
		return (&firewallRequest{DropletIDs: b.DropletIDs}).addTo(d, f)
	})
}

func (s *Server) addFirewallTags(r *http.Request) (*reply, error) {
	return s.changeFirewall(r, func(d *state.Document, f *state.Firewall, b firewallRequest) error {
		return (&firewallRequest{Tags: b.Tags}).addTo(d, f)
	})
}

func (s *Server) addFirewallRules(r *http.Request) (*reply, error) {
	return s.changeFirewall(r, func(d *state.Document, f *state.Firewall, b firewallRequest) error {
		return (&firewallRequest{
			InboundRules:  b.InboundRules,
			OutboundRules: b.OutboundRules,
		}).addTo(d, f)
	})
}

func (s *Server) removeFirewallDroplets(r *http.Request) (*reply, error) {
	return s.changeFirewall(r, func(_ *state.Document, f *state.Firewall, b firewallRequest) error {
		f.Status = firewallWaiting
		f.DropletIDs = slices.DeleteFunc(f.DropletIDs, func(id int) bool {
			return slices.Contains(b.DropletIDs, id)
		})

		return nil
	})
}

func (s *Server) removeFirewallTags(r *http.Request) (*reply, error) {
	return s.changeFirewall(r, func(_ *state.Document, f *state.Firewall, b firewallRequest) error {
		f.Status = firewallWaiting
		f.Tags = slices.DeleteFunc(f.Tags, func(tag string) bool {
			return state.Tagged(b.Tags, tag)
		})

		return nil
	})
}

func (s *Server) removeFirewallRules(r *http.Request) (*reply, error) {
	return s.changeFirewall(r, func(d *state.Document, f *state.Firewall, b firewallRequest) error {
		inbound, outbound, err := b.rules(d)
		if err != nil {
			return err
		}

		f.Status = firewallWaiting

		// rules that are not there are no error
		f.Inbound, f.Outbound = withoutRules(f.Inbound, inbound), withoutRules(f.Outbound, outbound)
		if len(f.Inbound)+len(f.Outbound) == 0 {
			return invalid("must have at least one rule")
		}

		return nil
	})
}

func withoutRules(rules, gone []state.FirewallRule) []state.FirewallRule {
	return slices.DeleteFunc(rules, func(rule state.FirewallRule) bool {
		return slices.ContainsFunc(gone, func(x state.FirewallRule) bool {
			// rules have no id: the whole rule names itself
			return reflect.DeepEqual(x, rule)
		})
	})
}
