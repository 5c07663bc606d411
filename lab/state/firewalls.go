package state

import (
	"time"
)

// Firewall is a Cloud Firewall.
type Firewall struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Status     string         `json:"status"` // waiting, succeeded, failed
	Created    time.Time      `json:"created"`
	DropletIDs []int          `json:"droplet_ids"`
	Tags       []string       `json:"tags"`
	Inbound    []FirewallRule `json:"inbound"`
	Outbound   []FirewallRule `json:"outbound"`
}

// FirewallRule lets packets through: from its peers when it is inbound, to them when it is outbound.
type FirewallRule struct {
	Protocol string        `json:"protocol"` // tcp, udp, icmp
	Ports    string        `json:"ports"`    // "80", "8000-9000", "0" for all
	Peers    FirewallPeers `json:"peers"`
}

// FirewallPeers are the far ends of a rule: any of them will do.
type FirewallPeers struct {
	Addresses       []string `json:"addresses"` // addresses and prefixes
	DropletIDs      []int    `json:"droplet_ids"`
	Tags            []string `json:"tags"`
	LoadBalancerIDs []string `json:"load_balancer_ids"`
	KubernetesIDs   []string `json:"kubernetes_ids"`
}

// Firewall finds a Cloud Firewall; nil when there is none.
func (d *Document) Firewall(id string) *Firewall {
	return find(d.Firewalls, func(x *Firewall) bool { return x.ID == id })
}
