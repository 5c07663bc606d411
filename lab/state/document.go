package state

import (
	"net/netip"
	"slices"
	"strings"
)

// Version is the version of the document that this code writes. Older ones are upgraded when they are read
// (upgrade.go).
const Version = 4

// firstID is what numbers start after: high enough that nobody takes an id for a count.
const firstID = 100000

// Document is all that the lab remembers.
type Document struct {
	Version         int              `json:"version"`
	LastID          int              `json:"last_id"` // one sequence for keys, images, Droplets and actions
	LastPublic      netip.Addr       `json:"last_public"`
	Keys            []Key            `json:"keys"`
	Images          []Image          `json:"images"`
	Droplets        []Droplet        `json:"droplets"`
	Actions         []Action         `json:"actions"`
	Tags            []string         `json:"tags"` // in their first spelling
	VPCs            []VPC            `json:"vpcs"`
	Certificates    []Certificate    `json:"certificates"`
	LoadBalancers   []LoadBalancer   `json:"load_balancers"`
	ReservedIPs     []ReservedIP     `json:"reserved_ips"`
	Firewalls       []Firewall       `json:"firewalls"`
	Domains         []Domain         `json:"domains"`
	Projects        []Project        `json:"projects"`
	Volumes         []Volume         `json:"volumes"`
	VolumeSnapshots []VolumeSnapshot `json:"volume_snapshots"`
	SpacesKeys      []SpacesKey      `json:"spaces_keys"`
	Faults          []Fault          `json:"faults"`
	Authority       Authority        `json:"authority"`
}

// NextID returns a number that nothing in the lab has had.
func (d *Document) NextID() int {
	d.LastID++
	return d.LastID
}

func find[T any](list []T, is func(*T) bool) *T {
	for i := range list {
		if is(&list[i]) {
			return &list[i]
		}
	}

	return nil
}

// Tag returns a tag's first spelling; case does not matter.
func (d *Document) Tag(name string) (string, bool) {
	for _, tag := range d.Tags {
		if strings.EqualFold(tag, name) {
			return tag, true
		}
	}

	return "", false
}

// UseTags makes the tags that are not there yet, and returns all of them in their first spelling, each once.
func (d *Document) UseTags(names []string) []string {
	used := []string{}
	for _, name := range names {
		// DigitalOcean keeps a tag's first spelling and finds it in any other
		tag, known := d.Tag(name)
		if !known {
			tag = name
			d.Tags = append(d.Tags, tag)
		}

		if !slices.Contains(used, tag) {
			used = append(used, tag)
		}
	}

	return used
}

// Tagged tells whether a list of tags holds one, whatever its case.
func Tagged(tags []string, name string) bool {
	return slices.ContainsFunc(tags, func(tag string) bool {
		return strings.EqualFold(tag, name)
	})
}
