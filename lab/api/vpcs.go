package api

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/hornero/hornero/lab/state"
)

func (s *Server) vpcRoutes() map[string]handler {
	return map[string]handler{
		"GET /v2/vpcs":               s.listVPCs,
		"POST /v2/vpcs":              s.createVPC,
		"GET /v2/vpcs/{vpc}":         s.getVPC,
		"PUT /v2/vpcs/{vpc}":         s.replaceVPC,
		"PATCH /v2/vpcs/{vpc}":       s.patchVPC,
		"DELETE /v2/vpcs/{vpc}":      s.deleteVPC,
		"GET /v2/vpcs/{vpc}/members": s.listVPCMembers,
	}
}

type vpcShape struct {
	ID          string `json:"id"`
	URN         string `json:"urn"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Region      string `json:"region"`
	IPRange     string `json:"ip_range"`
	CreatedAt   string `json:"created_at"`
	Default     bool   `json:"default"`
}

func showVPC(vpc state.VPC) vpcShape {
	return vpcShape{
		ID:          vpc.ID,
		URN:         "do:vpc:" + vpc.ID,
		Name:        vpc.Name,
		Description: vpc.Description,
		Region:      vpc.Region,
		IPRange:     vpc.Range.String(),
		CreatedAt:   showTime(vpc.Created),
		Default:     vpc.Default,
	}
}

// firstVPC is where the lab's own choice of VPC ranges begins: 10.100.0.0/20, 10.101.0.0/20, ...
const (
	firstVPC = 100
	vpcBits  = 20
)

// Fresh sets up a new state: base images, and a default VPC for each region.
func Fresh(now time.Time) func(*state.Document) {
	return func(d *state.Document) {
		created := now.UTC().Truncate(time.Second)
		ensureDefaultProject(d, created)

		for _, image := range BaseImages() {
			image.Created = created
			d.Images = append(d.Images, image)
		}

		// DigitalOcean has a default VPC in each region from the start
		for i, region := range Regions() {
			first := netip.AddrFrom4([4]byte{10, byte(firstVPC + i), 0, 0})

			d.VPCs = append(d.VPCs, state.VPC{
				ID:      newUUID(),
				Name:    "default-" + region,
				Region:  region,
				Default: true,
				Created: created,
				Range:   netip.PrefixFrom(first, vpcBits),
			})
		}
	}
}

func (s *Server) listVPCs(r *http.Request) (*reply, error) {
	shown := []vpcShape{}
	for _, vpc := range s.Store.View().VPCs {
		shown = append(shown, showVPC(vpc))
	}

	return list(r, "vpcs", shown), nil
}

func (s *Server) getVPC(r *http.Request) (*reply, error) {
	vpc := s.Store.View().VPC(r.PathValue("vpc"))
	if vpc == nil {
		return nil, notFound()
	}

	return one(http.StatusOK, "vpc", showVPC(*vpc)), nil
}

func (s *Server) createVPC(r *http.Request) (*reply, error) {
	var body struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Region      string `json:"region"`
		IPRange     string `json:"ip_range"`
	}

	if err := decode(r, &body); err != nil {
		return nil, err
	}

	if _, known := findRegion(body.Region); !known {
		return nil, invalid("region is invalid")
	}

	if err := checkDescription(body.Description); err != nil {
		return nil, err
	}

	vpc := state.VPC{
		ID:          newUUID(),
		Name:        body.Name,
		Description: body.Description,
		Region:      body.Region,
		Created:     s.now(),
	}

	err := s.Store.Update(func(d *state.Document) (err error) {
		if err := checkVPCName(d, vpc.ID, body.Name); err != nil {
			return err
		}

		vpc.Range, err = chooseRange(d, body.IPRange)
		if err != nil {
			return err
		}

		d.VPCs = append(d.VPCs, vpc)

		return nil
	})
	if err != nil {
		return nil, err
	}

	return one(http.StatusCreated, "vpc", showVPC(vpc)), nil
}

func checkVPCName(d *state.Document, id, name string) error {
	if !validName(name, ".-") {
		return invalid("name must hold letters, digits, dots and dashes only, and not be empty")
	}

	taken := slices.ContainsFunc(d.VPCs, func(other state.VPC) bool {
		return other.Name == name && other.ID != id
	})
	if taken {
		return invalid("name must be unique for your account")
	}

	return nil
}

// maxDescription is how many characters a VPC's description may have, by DigitalOcean's description of its API.
const maxDescription = 255

func checkDescription(description string) error {
	if utf8.RuneCountInString(description) > maxDescription {
		return invalid("description is too long (maximum is %d characters)", maxDescription)
	}

	return nil
}

// chooseRange takes the range that was asked for, or the next of the lab's own. Two VPCs never overlap.
func chooseRange(d *state.Document, asked string) (netip.Prefix, error) {
	if asked != "" {
		return checkRange(d, asked)
	}

	// after those of the default VPCs
	for second := firstVPC + len(Regions()); second < 256; second++ {
		first := netip.AddrFrom4([4]byte{10, byte(second), 0, 0})

		// a user may have asked for a range among the lab's own
		candidate := netip.PrefixFrom(first, vpcBits)
		if !overlaps(d, candidate) {
			return candidate, nil
		}
	}

	return netip.Prefix{}, invalid("no free range is left for a VPC")
}

// The sizes of a VPC that can be asked for, in bits of the prefix.
const (
	largestVPC  = 16
	smallestVPC = 26
)

func checkRange(d *state.Document, asked string) (netip.Prefix, error) {
	none := netip.Prefix{}
	whole := netip.MustParsePrefix("10.0.0.0/8")

	wanted, err := netip.ParsePrefix(asked)
	inside := err == nil && whole.Contains(wanted.Addr())

	if !inside || wanted.Bits() < largestVPC || wanted.Bits() > smallestVPC {
		return none, invalid("ip_range must be a range within 10.0.0.0/8 from /16 to /26 (in the lab)")
	}

	// reserved IPs reach Droplets through these addresses
	if wanted.Overlaps(anchors()) {
		return none, invalid("ip_range must not overlap with %s: the anchor addresses are there", anchors())
	}

	if overlaps(d, wanted.Masked()) {
		return none, invalid("This range/size overlaps with another VPC network in your account")
	}

	return wanted.Masked(), nil
}

// anchors is the range that DigitalOcean, and the lab, keeps for a Droplet's anchor address.
func anchors() netip.Prefix { return netip.MustParsePrefix("10.10.0.0/16") }

func overlaps(d *state.Document, wanted netip.Prefix) bool {
	return slices.ContainsFunc(d.VPCs, func(vpc state.VPC) bool {
		return vpc.Range.Overlaps(wanted)
	})
}

type vpcUpdate struct {
	Name        *string `json:"name"`
	Description *string `json:"description"`
	Default     *bool   `json:"default"`
}

func (s *Server) replaceVPC(r *http.Request) (*reply, error) {
	return s.updateVPC(r, func(body *vpcUpdate) error {
		if body.Name == nil {
			return invalid("name is needed")
		}

		// a PUT replaces: what is left out is blank
		if body.Description == nil {
			body.Description = new(string)
		}

		return nil
	})
}

func (s *Server) patchVPC(r *http.Request) (*reply, error) {
	return s.updateVPC(r, func(*vpcUpdate) error { return nil })
}

func (s *Server) updateVPC(r *http.Request, complete func(*vpcUpdate) error) (*reply, error) {
	var body vpcUpdate
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	if err := complete(&body); err != nil {
		return nil, err
	}

	var shown vpcShape
	err := s.Store.Update(func(d *state.Document) error {
		vpc := d.VPC(r.PathValue("vpc"))
		if vpc == nil {
			return notFound()
		}

		if err := body.apply(d, vpc); err != nil {
			return err
		}

		shown = showVPC(*vpc)

		return nil
	})
	if err != nil {
		return nil, err
	}

	return one(http.StatusOK, "vpc", shown), nil
}

func (b *vpcUpdate) apply(d *state.Document, vpc *state.VPC) error {
	if b.Name != nil {
		if err := checkVPCName(d, vpc.ID, *b.Name); err != nil {
			return err
		}

		vpc.Name = *b.Name
	}

	if b.Description != nil {
		if err := checkDescription(*b.Description); err != nil {
			return err
		}

		vpc.Description = *b.Description
	}

	if b.Default != nil && *b.Default {
		// a region has one default VPC
		if other := d.DefaultVPC(vpc.Region); other != nil {
			other.Default = false
		}

		vpc.Default = true
	}

	return nil
}

func (s *Server) deleteVPC(r *http.Request) (*reply, error) {
	return noContent(), s.Store.Update(func(d *state.Document) error {
		vpc := d.VPC(r.PathValue("vpc"))
		switch {
		case vpc == nil:
			return notFound()
		case vpc.Default:
			return failure(http.StatusForbidden, "Can not delete the default VPC")

		// Terraform tries again on 403, until the Droplets are gone
		case len(vpcMembers(d, vpc.ID)) > 0:
			return failure(http.StatusForbidden, "Can not delete VPC with members")
		}

		id := vpc.ID // DeleteFunc moves elements, and the pointer is into them
		d.VPCs = slices.DeleteFunc(d.VPCs, func(x state.VPC) bool {
			return x.ID == id
		})

		return nil
	})
}

type memberShape struct {
	URN       string `json:"urn"`
	Name      string `json:"name"`
	CreatedAt string `json:"created_at"`

	kind string // the resource's type: lists are asked for one
}

func vpcMembers(d *state.Document, id string) []memberShape {
	members := []memberShape{}
	for _, droplet := range d.Droplets {
		if droplet.VPC == id {
			members = append(members, memberShape{
				URN:       "do:droplet:" + strconv.Itoa(droplet.ID),
				Name:      droplet.Name,
				CreatedAt: showTime(droplet.Created),
				kind:      "droplet",
			})
		}
	}

	for _, balancer := range d.LoadBalancers {
		if balancer.VPC == id {
			members = append(members, memberShape{
				URN:       balancerURN(balancer.ID),
				Name:      balancer.Name,
				CreatedAt: showTime(balancer.Created),
				kind:      "loadbalancer",
			})
		}
	}

	return members
}

func (s *Server) listVPCMembers(r *http.Request) (*reply, error) {
	d := s.Store.View()
	vpc := d.VPC(r.PathValue("vpc"))
	if vpc == nil {
		return nil, notFound()
	}

	kind := r.URL.Query().Get("resource_type")
	members := vpcMembers(d, vpc.ID)

	if kind != "" {
		members = slices.DeleteFunc(members, func(m memberShape) bool { return m.kind != kind })
	}

	return list(r, "members", members), nil
}
