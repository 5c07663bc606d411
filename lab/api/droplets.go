package api

import (
	"net"
	"net/http"
	"net/netip"
	"slices"

	"github.com/hornero/hornero/lab/state"
)

func (s *Server) dropletRoutes() map[string]handler {
	return map[string]handler{
		"POST /v2/droplets":         s.createDroplets,
		"GET /v2/droplets":          s.listDroplets,
		"DELETE /v2/droplets":       s.deleteDropletsByTag,
		"POST /v2/droplets/actions": s.createDropletActionsByTag,

		"GET /v2/droplets/{droplet}":                  s.getDroplet,
		"DELETE /v2/droplets/{droplet}":               s.deleteDroplet,
		"GET /v2/droplets/{droplet}/actions":          s.listDropletActions,
		"POST /v2/droplets/{droplet}/actions":         s.createDropletAction,
		"GET /v2/droplets/{droplet}/actions/{action}": s.getDropletAction,
		"GET /v2/droplets/{droplet}/snapshots":        s.listDropletSnapshots,
		"GET /v2/droplets/{droplet}/backups":          s.emptyDropletList("backups"),
		"GET /v2/droplets/{droplet}/backups/policy":   s.getBackupPolicy,
		"GET /v2/droplets/backups/supported_policies": s.listBackupPlans,
		"GET /v2/droplets/{droplet}/kernels":          s.emptyDropletList("kernels"),
		"GET /v2/droplets/{droplet}/neighbors":        s.emptyDropletList("droplets"),
	}
}

type addressShape struct {
	IPAddress string `json:"ip_address"`
	Netmask   any    `json:"netmask"` // a dotted mask of IPv4, a length of IPv6
	Gateway   string `json:"gateway"`
	Type      string `json:"type"`
}

type networksShape struct {
	V4 []addressShape `json:"v4"`
	V6 []addressShape `json:"v6"`
}

type dropletShape struct {
	ID               int           `json:"id"`
	Name             string        `json:"name"`
	Memory           int           `json:"memory"`
	VCPUs            int           `json:"vcpus"`
	Disk             int           `json:"disk"`
	Locked           bool          `json:"locked"`
	Status           string        `json:"status"`
	Kernel           *struct{}     `json:"kernel"`
	CreatedAt        string        `json:"created_at"`
	Features         []string      `json:"features"`
	BackupIDs        []int         `json:"backup_ids"`
	NextBackupWindow *struct{}     `json:"next_backup_window"`
	SnapshotIDs      []int         `json:"snapshot_ids"`
	Image            imageShape    `json:"image"`
	VolumeIDs        []string      `json:"volume_ids"`
	Size             size          `json:"size"`
	SizeSlug         string        `json:"size_slug"`
	Networks         networksShape `json:"networks"`
	Region           region        `json:"region"`
	Tags             []string      `json:"tags"`
	VPCUUID          string        `json:"vpc_uuid"`
}

// showDroplet shows a Droplet as the API does.
func (s *Server) showDroplet(droplet state.Droplet) dropletShape {
	// Terraform reads backups, IPv6 and monitoring off the features
	shown := dropletShape{
		ID:          droplet.ID,
		Name:        droplet.Name,
		Locked:      droplet.Locked,
		Status:      s.status(droplet),
		CreatedAt:   showTime(droplet.Created),
		Features:    orEmpty(droplet.Features),
		BackupIDs:   []int{},
		SnapshotIDs: orEmpty(droplet.SnapshotIDs),
		Image:       showImage(droplet.Image),
		VolumeIDs:   s.Store.View().VolumesOf(droplet.ID),
		SizeSlug:    droplet.Size,
		Networks:    s.networks(droplet),
		Tags:        orEmpty(droplet.Tags),
		VPCUUID:     droplet.VPC,
	}

	// Terraform takes region, size, image and networks for objects without a look
	shown.Region, _ = findRegion(droplet.Region)
	shown.Size, _ = findSize(droplet.Size)
	shown.Memory = shown.Size.Memory
	shown.VCPUs = shown.Size.VCPUs
	shown.Disk = diskOf(droplet)

	return shown
}

// status tells what a Droplet's machine does. The state may be behind: a guest can power itself off. A locked
// Droplet is between two statuses, and the state's word holds until its action ends.
func (s *Server) status(droplet state.Droplet) string {
	if droplet.Locked {
		return droplet.Status
	}

	switch droplet.Status {
	case state.DropletActive, state.DropletOff:
		if s.Machines.Running(droplet.ID) {
			return state.DropletActive
		}

		return state.DropletOff
	}

	return droplet.Status
}

// networks shows a Droplet's addresses, once they are to be seen.
func (s *Server) networks(droplet state.Droplet) networksShape {
	shown := networksShape{
		V4: []addressShape{},
		V6: []addressShape{},
	}
	if !droplet.Ready {
		return shown
	}

	// the private gateway is empty, as it may be on DigitalOcean
	shown.V4 = append(shown.V4, addressShape{
		IPAddress: droplet.Private.String(),
		Netmask:   netmask(droplet.Network),
		Gateway:   "",
		Type:      "private",
	})

	if !droplet.Public.IsValid() {
		return shown
	}

	if six := droplet.IPv6(); six.IsValid() {
		network := state.IPv6Network(s.Public)
		shown.V6 = append(shown.V6, addressShape{
			IPAddress: six.String(),
			Netmask:   network.Bits(),
			Gateway:   network.Addr().Next().String(),
			Type:      "public",
		})
	}

	shown.V4 = append(shown.V4, addressShape{
		IPAddress: droplet.Public.String(),
		Netmask:   netmask(s.Public),
		Gateway:   s.gateway(),
		Type:      "public",
	})

	// a reserved IP is listed as one more public address, after the Droplet's own
	if held := s.Store.View().ReservedIPOf(droplet.ID); held != nil {
		shown.V4 = append(shown.V4, addressShape{
			IPAddress: held.Address.String(),
			Netmask:   netmask(s.Public),
			Gateway:   s.gateway(),
			Type:      "public",
		})
	}

	return shown
}

// showAddress shows no address as nothing.
func showAddress(address netip.Addr) string {
	if !address.IsValid() {
		return ""
	}

	return address.String()
}

func (s *Server) gateway() string {
	return s.Public.Masked().Addr().Next().String()
}

func netmask(prefix netip.Prefix) string {
	return net.IP(net.CIDRMask(prefix.Bits(), 32)).String()
}

func (s *Server) listDroplets(r *http.Request) (*reply, error) {
	query := r.URL.Query()
	tag, name := query.Get("tag_name"), query.Get("name")

	// a tag that nothing has is an empty list on DigitalOcean, not 404
	wanted := []state.Droplet{}

	for _, droplet := range s.Store.View().Droplets {
		tagFits := tag == "" || state.Tagged(droplet.Tags, tag)
		nameFits := name == "" || name == droplet.Name
		typeFits := query.Get("type") != "gpus" // the lab has no GPUs

		if tagFits && nameFits && typeFits {
			wanted = append(wanted, droplet)
		}
	}

	return listed(r, "droplets", wanted, s.showDroplet), nil
}

func (s *Server) getDroplet(r *http.Request) (*reply, error) {
	droplet, err := s.dropletIn(r)
	if err != nil {
		return nil, err
	}

	return one(http.StatusOK, "droplet", s.showDroplet(*droplet)), nil
}

// dropletIn finds the Droplet in the path.
func (s *Server) dropletIn(r *http.Request) (*state.Droplet, error) {
	id, err := number(r, "droplet")
	if err != nil {
		return nil, err
	}

	droplet := s.Store.View().Droplet(id)
	if droplet == nil {
		return nil, notFound()
	}

	return droplet, nil
}

// emptyDropletList answers for what the lab's Droplets never have.
func (s *Server) emptyDropletList(key string) handler {
	return func(r *http.Request) (*reply, error) {
		// an empty list of a Droplet that is not there would hide that it is gone
		if _, err := s.dropletIn(r); err != nil {
			return nil, err
		}

		return list(r, key, []struct{}{}), nil
	}
}

func (s *Server) listDropletSnapshots(r *http.Request) (*reply, error) {
	droplet, err := s.dropletIn(r)
	if err != nil {
		return nil, err
	}

	// DigitalOcean shows these as images, with numbers
	shown := []imageShape{}

	for _, image := range s.Store.View().Images {
		if slices.Contains(droplet.SnapshotIDs, image.ID) {
			shown = append(shown, showImage(image))
		}
	}

	return list(r, "snapshots", shown), nil
}

func pendingEvent() *Error { return invalid("Droplet already has a pending event.") }
