package state

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Version is the version of the document that this code writes and reads.
const Version = 1

// firstID is what numbers start after: high enough that nobody takes an id for a count.
const firstID = 100000

// Document is all that the lab remembers.
type Document struct {
	Version       int            `json:"version"`
	LastID        int            `json:"last_id"` // one sequence for keys, images, Droplets and actions
	LastPublic    netip.Addr     `json:"last_public"`
	Keys          []Key          `json:"keys"`
	Images        []Image        `json:"images"`
	Droplets      []Droplet      `json:"droplets"`
	Actions       []Action       `json:"actions"`
	Tags          []string       `json:"tags"` // in their first spelling
	VPCs          []VPC          `json:"vpcs"`
	Certificates  []Certificate  `json:"certificates"`
	LoadBalancers []LoadBalancer `json:"load_balancers"`
}

// Key is an SSH public key.
type Key struct {
	ID          int    `json:"id"`
	Name        string `json:"name"`
	PublicKey   string `json:"public_key"`
	Fingerprint string `json:"fingerprint"` // md5, aa:bb:..
}

// The types of an image.
const (
	ImageBase     = "base"
	ImageSnapshot = "snapshot"
)

// Image is what a Droplet starts from: a base image of the lab, or a snapshot.
type Image struct {
	ID           int       `json:"id"`
	Name         string    `json:"name"`
	Distribution string    `json:"distribution"`
	Description  string    `json:"description"`
	Slug         string    `json:"slug"` // base images only
	Type         string    `json:"type"`
	Regions      []string  `json:"regions"`
	MinDisk      int       `json:"min_disk"` // GB
	Bytes        int64     `json:"bytes"`
	Created      time.Time `json:"created"`
	Tags         []string  `json:"tags"`
	DropletID    int       `json:"droplet_id"` // the Droplet that a snapshot was taken of
	Status       string    `json:"status"`
	Root         string    `json:"root"` // what the machines know it by
}

// The states of a Droplet that the lab decides. Whether an active one in fact runs is the machines' to say.
const (
	DropletNew    = "new"
	DropletActive = "active"
	DropletOff    = "off"
)

// Droplet is one Droplet.
type Droplet struct {
	ID          int          `json:"id"`
	Name        string       `json:"name"`
	Region      string       `json:"region"`
	Size        string       `json:"size"`
	ImageID     int          `json:"image_id"`
	Image       Image        `json:"image"` // as it was at creation; the image itself may be gone
	Status      string       `json:"status"`
	Locked      bool         `json:"locked"`
	Deleting    bool         `json:"deleting"`
	Ready       bool         `json:"ready"`  // its addresses are shown
	Resume      bool         `json:"resume"` // it ran when the lab was stopped; the next start boots it
	VPC         string       `json:"vpc"`
	Public      netip.Addr   `json:"public"`
	Private     netip.Addr   `json:"private"`
	Network     netip.Prefix `json:"network"` // of the VPC
	Features    []string     `json:"features"`
	Tags        []string     `json:"tags"`
	UserData    string       `json:"user_data"`
	PublicKeys  []string     `json:"public_keys"`
	SnapshotIDs []int        `json:"snapshot_ids"`
	Created     time.Time    `json:"created"`
}

// The states of an action.
const (
	ActionInProgress = "in-progress"
	ActionCompleted  = "completed"
	ActionErrored    = "errored"
)

// Action is something that is done, or was done, to a resource.
type Action struct {
	ID           int       `json:"id"`
	Type         string    `json:"type"`
	Status       string    `json:"status"`
	Started      time.Time `json:"started"`
	Completed    time.Time `json:"completed"` // zero while in progress
	ResourceID   int       `json:"resource_id"`
	ResourceType string    `json:"resource_type"`
	Region       string    `json:"region"`
	Argument     string    `json:"argument"` // a snapshot's name
	Reason       string    `json:"reason"`   // why it errored
}

// VPC is a private network of a region.
type VPC struct {
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Region      string       `json:"region"`
	Range       netip.Prefix `json:"range"`
	Default     bool         `json:"default"`
	Created     time.Time    `json:"created"`
	LastAddress netip.Addr   `json:"last_address"`
}

// Certificate is a certificate that load balancers serve.
type Certificate struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Type        string    `json:"type"`
	State       string    `json:"state"`
	DNSNames    []string  `json:"dns_names"`
	NotAfter    time.Time `json:"not_after"`
	Fingerprint string    `json:"fingerprint"` // sha1, hex
	Created     time.Time `json:"created"`
	PrivateKey  string    `json:"private_key"`
	Leaf        string    `json:"leaf"`
	Chain       string    `json:"chain"`
}

// LoadBalancer is a load balancer as it was asked for, defaults filled in.
type LoadBalancer struct {
	ID               string        `json:"id"`
	Name             string        `json:"name"`
	Address          netip.Addr    `json:"address"`
	Private          netip.Addr    `json:"private"` // in the VPC
	Status           string        `json:"status"`  // new, active, errored
	Reason           string        `json:"reason"`
	Created          time.Time     `json:"created"`
	Region           string        `json:"region"`
	VPC              string        `json:"vpc"`
	SizeUnit         int           `json:"size_unit"`
	SizeSlug         string        `json:"size_slug"`
	Type             string        `json:"type"`
	Network          string        `json:"network"`
	ProjectID        string        `json:"project_id"`
	Rules            []Rule        `json:"rules"`
	Health           HealthCheck   `json:"health"`
	Sticky           Sticky        `json:"sticky"`
	Tag              string        `json:"tag"`
	DropletIDs       []int         `json:"droplet_ids"` // as given; a tag's Droplets are looked up
	RedirectToHTTPS  bool          `json:"redirect_to_https"`
	ProxyProtocol    bool          `json:"proxy_protocol"`
	BackendKeepalive bool          `json:"backend_keepalive"`
	NoLetsEncryptDNS bool          `json:"no_lets_encrypt_dns"`
	IdleTimeout      time.Duration `json:"idle_timeout"`
	Allow            []string      `json:"allow"`
	Deny             []string      `json:"deny"`
}

// Rule is a forwarding rule of a load balancer.
type Rule struct {
	EntryProtocol  string `json:"entry_protocol"`
	EntryPort      int    `json:"entry_port"`
	TargetProtocol string `json:"target_protocol"`
	TargetPort     int    `json:"target_port"`
	CertificateID  string `json:"certificate_id"`
	TLSPassthrough bool   `json:"tls_passthrough"`
}

// HealthCheck is how a load balancer tells that a Droplet serves.
type HealthCheck struct {
	Protocol  string        `json:"protocol"`
	Port      int           `json:"port"`
	Path      string        `json:"path"`
	Interval  time.Duration `json:"interval"`
	Timeout   time.Duration `json:"timeout"`
	Healthy   int           `json:"healthy"`
	Unhealthy int           `json:"unhealthy"`
}

// Sticky is how a load balancer keeps a client with one Droplet.
type Sticky struct {
	Type   string `json:"type"`
	Cookie string `json:"cookie"`
	TTL    int    `json:"ttl"`
}

// NextID returns a number that nothing in the lab has had.
func (d *Document) NextID() int {
	d.LastID++
	return d.LastID
}

// Droplet finds a Droplet; nil when there is none.
func (d *Document) Droplet(id int) *Droplet {
	return find(d.Droplets, func(x *Droplet) bool { return x.ID == id })
}

// Image finds an image; nil when there is none.
func (d *Document) Image(id int) *Image {
	return find(d.Images, func(x *Image) bool { return x.ID == id })
}

// ImageBySlug finds a base image; nil when there is none.
func (d *Document) ImageBySlug(slug string) *Image {
	return find(d.Images, func(x *Image) bool { return x.Slug == slug && slug != "" })
}

// Action finds an action; nil when there is none.
func (d *Document) Action(id int) *Action {
	return find(d.Actions, func(x *Action) bool { return x.ID == id })
}

// VPC finds a VPC; nil when there is none.
func (d *Document) VPC(id string) *VPC {
	return find(d.VPCs, func(x *VPC) bool { return x.ID == id })
}

// DefaultVPC finds a region's default VPC; nil when there is none.
func (d *Document) DefaultVPC(region string) *VPC {
	return find(d.VPCs, func(x *VPC) bool { return x.Default && x.Region == region })
}

// Certificate finds a certificate; nil when there is none.
func (d *Document) Certificate(id string) *Certificate {
	return find(d.Certificates, func(x *Certificate) bool { return x.ID == id })
}

// LoadBalancer finds a load balancer; nil when there is none.
func (d *Document) LoadBalancer(id string) *LoadBalancer {
	return find(d.LoadBalancers, func(x *LoadBalancer) bool { return x.ID == id })
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
	return slices.ContainsFunc(tags, func(tag string) bool { return strings.EqualFold(tag, name) })
}

// TakePublic takes the next free address of the public range: addresses go round, so that one is not given again
// soon after it was freed. The first few are left to the lab itself.
func (d *Document) TakePublic(public netip.Prefix) (netip.Addr, bool) {
	taken := map[netip.Addr]bool{}
	for _, droplet := range d.Droplets {
		taken[droplet.Public] = true
	}
	for _, balancer := range d.LoadBalancers {
		taken[balancer.Address] = true
	}
	address, ok := next(public, d.LastPublic, taken)
	if ok {
		d.LastPublic = address
	}
	return address, ok
}

// TakePrivate takes the next free address of a VPC, going round in the same way.
func (d *Document) TakePrivate(vpc *VPC) (netip.Addr, bool) {
	taken := map[netip.Addr]bool{}
	for _, droplet := range d.Droplets {
		if droplet.VPC == vpc.ID {
			taken[droplet.Private] = true
		}
	}
	for _, balancer := range d.LoadBalancers {
		if balancer.VPC == vpc.ID {
			taken[balancer.Private] = true
		}
	}
	address, ok := next(vpc.Range, vpc.LastAddress, taken)
	if ok {
		vpc.LastAddress = address
	}
	return address, ok
}

// reserved is how many addresses at the start of each range are the lab's own: the network, gateways, balancers.
const reserved = 10

func next(within netip.Prefix, last netip.Addr, taken map[netip.Addr]bool) (netip.Addr, bool) {
	first := within.Masked().Addr()
	for range reserved {
		first = first.Next()
	}
	candidate := first
	if last.IsValid() && within.Contains(last) {
		candidate = last.Next()
	}
	for wraps := 0; wraps < 2; candidate = candidate.Next() {
		if !within.Contains(candidate) || !within.Contains(candidate.Next()) { // past the end, or the broadcast address
			wraps, candidate = wraps+1, first.Prev()
			continue
		}
		if !taken[candidate] {
			return candidate, true
		}
	}
	return netip.Addr{}, false
}

// TrimActions forgets the oldest finished actions beyond what is kept.
func (d *Document) TrimActions(keep int) {
	for i := 0; len(d.Actions) > keep && i < len(d.Actions); {
		if d.Actions[i].Status == ActionInProgress {
			i++
			continue
		}
		d.Actions = slices.Delete(d.Actions, i, i+1)
	}
}
