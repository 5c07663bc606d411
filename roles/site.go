package roles

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hornero/hornero/internal/report"
)

// SettingSites are the stack's sites as JSON: a setting of the nodes of a role that serves them.
const SettingSites = "sites"

// SettingClients are the addresses and networks of clients, between spaces: a setting of the nodes that let them in.
const SettingClients = "client_addresses"

// SettingFronts are the roles whose nodes alone bring visitors to this one's, a line each: a setting of nodes behind
// sites that no load balancer reaches.
const SettingFronts = "sites.fronts"

// Site is a site of the stack, as the nodes of its edge are told of it.
type Site struct {
	Names  []string `json:"names"` // the first is the one that others are sent to
	Role   string   `json:"role"`  // of the nodes behind it
	Groups []string `json:"groups,omitempty"`
	// Variants are looked for in this order; their nodes are none of the site's own.
	Variants    []Variant `json:"variants,omitempty"`
	Port        int       `json:"port"`        // of these nodes
	Certificate string    `json:"certificate"` // the beginning of two secrets' names: CERTIFICATE.certificate and .key
	HTTP1       bool      `json:"http1,omitempty"`
	Redirect    bool      `json:"redirect,omitempty"` // who comes by http is sent to https
	HSTS        int64     `json:"hsts,omitempty"`     // seconds; 0: browsers are told nothing
	Balance     string    `json:"balance"`
	Affinity    string    `json:"affinity,omitempty"`
	Cookie      string    `json:"cookie,omitempty"`  // the application's, where that keeps a visitor with a node
	Trusted     []string  `json:"trusted,omitempty"` // networks whose word for the visitor's address is believed
	Timeout     int64     `json:"timeout"`           // seconds that an answer may take
	Tunnel      int64     `json:"tunnel"`            // seconds that a WebSocket may be silent
	SlowStart   int64     `json:"slow_start"`        // seconds until a new node has its whole share
	Connections int       `json:"connections,omitempty"`
	PerNode     int       `json:"per_node,omitempty"`
	Requests    int       `json:"requests,omitempty"` // of one address in ten seconds
	Brakes      []Brake   `json:"brakes,omitempty"`
	Failures    int       `json:"failures,omitempty"` // of one address at the brakes in ten minutes
}

// Key names the site in a configuration.
func (s Site) Key() string { return "site-" + s.Names[0] }

// URL is the site's address.
func (s Site) URL() string { return "https://" + s.Names[0] }

// SitesText writes sites as the setting has them.
func SitesText(sites []Site) string {
	text, _ := json.Marshal(sites) // plain values can always be written

	return string(text)
}

// ParseSites reads the setting; none has no text.
func ParseSites(text string) ([]Site, error) {
	if text == "" {
		return nil, nil
	}

	var sites []Site
	if err := json.Unmarshal([]byte(text), &sites); err != nil {
		return nil, fmt.Errorf("read the setting %s: %w", SettingSites, err)
	}

	return sites, nil
}

// siteCertificates are the beginnings of the names of the sites' certificates, each once.
func siteCertificates(sites []Site) []string {
	var all []string
	for _, site := range sites {
		if !slices.Contains(all, site.Certificate) {
			all = append(all, site.Certificate)
		}
	}

	return all
}

// EachCertificate is what a template's `each` may say: a file for each certificate of the stack's sites.
const EachCertificate = "certificates"

// eachPlace stands in such a template's path for the certificate's name.
const eachPlace = "{each}"

func (t Template) checkEach(doc *report.Document, at string) {
	placed := strings.Contains(t.Path, eachPlace)

	switch {
	case t.Each != "" && t.Each != EachCertificate:
		doc.Add(at+".each", "must be %s or left out, got %q", EachCertificate, t.Each)
	case t.Each != "" && !placed:
		doc.Add(at+".path", "must have %s in it: each file has a path of its own", eachPlace)
	case t.Each == "" && placed:
		doc.Add(at+".path", "%s stands for nothing; write each: %s, or take it out", eachPlace, EachCertificate)
	}
}

// Spread returns the manifest with a template for each item of what its templates are made for.
func (m *Manifest) Spread(settings map[string]string) (*Manifest, error) {
	sites, err := ParseSites(settings[SettingSites])
	if err != nil {
		return nil, err
	}

	var templates []Template

	for _, template := range m.Templates {
		if template.Each == "" {
			templates = append(templates, template)
			continue
		}

		for _, name := range siteCertificates(sites) {
			one := template
			one.Path = strings.ReplaceAll(template.Path, eachPlace, name)
			one.item = name
			templates = append(templates, one)
		}
	}

	spread := *m
	spread.Templates = templates

	return &spread, nil
}

// siteFact is a site with its parts.
type siteFact struct {
	Site
	Parts []sitePart
}

// The places of a group: some for nodes to come, in steps, so that a text keeps its shape while nodes come and go.
const (
	spareSlots = 4
	slotStep   = 8
)

// sites are the stack's.
func (f Facts) sites() ([]siteFact, error) {
	sites, err := ParseSites(f.Settings[SettingSites])
	if err != nil {
		return nil, err
	}

	var all []siteFact
	for _, site := range sites {
		all = append(all, siteFact{
			Site:  site,
			Parts: f.parts(site),
		})
	}

	return all, nil
}

// siteSlots are the places of a site's nodes: those of nodes that are expected or there, and some to spare.
func (f Facts) siteSlots(site Site) []PeerFact {
	places := f.slots(site.Role)
	highest := map[string]int{}

	places = slices.DeleteFunc(places, func(place PeerFact) bool {
		group, number := splitNode(place.Name)
		others := len(site.Groups) > 0 && !slices.Contains(site.Groups, group)
		if others || site.ofVariant(group) {
			return true
		}

		highest[group] = max(highest[group], number)

		return false
	})

	for group, number := range highest {
		if number == 0 {
			continue // it is no node's name of ours
		}

		last := (number + spareSlots + slotStep - 1) / slotStep * slotStep

		for k := 1; k <= last; k++ {
			name := group + "-" + strconv.Itoa(k)
			if !slices.ContainsFunc(places, func(p PeerFact) bool { return p.Name == name }) {
				places = append(places, PeerFact{Name: name})
			}
		}
	}

	slices.SortFunc(places, byNumber)

	return places
}

// splitNode takes a node's name apart: a group's and a number.
func splitNode(name string) (group string, number int) {
	at := strings.LastIndex(name, "-")
	if at < 0 {
		return name, 0
	}

	number, err := strconv.Atoi(name[at+1:])
	if err != nil {
		return name, 0
	}

	return name[:at], number
}

// fronted tells whether visitors come to this node by nodes of its stack's edge alone.
func (f Facts) fronted() bool { return f.Settings[SettingFronts] != "" }

// fronts are these nodes, as far as they are there.
func (f Facts) fronts() []PeerFact {
	var all []PeerFact

	for _, role := range splitList(f.Settings[SettingFronts]) {
		for _, peer := range f.Peers[role] {
			if peer.Address != "" {
				all = append(all, peer)
			}
		}
	}

	return all
}
