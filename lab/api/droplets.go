package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"

	"github.com/hornero/hornero/lab/state"
)

func (s *Server) dropletRoutes() map[string]handler {
	return map[string]handler{
		"POST /v2/droplets":                           s.createDroplets,
		"GET /v2/droplets":                            s.listDroplets,
		"DELETE /v2/droplets":                         s.deleteDropletsByTag,
		"POST /v2/droplets/actions":                   s.createDropletActionsByTag,
		"GET /v2/droplets/{droplet}":                  s.getDroplet,
		"DELETE /v2/droplets/{droplet}":               s.deleteDroplet,
		"GET /v2/droplets/{droplet}/actions":          s.listDropletActions,
		"POST /v2/droplets/{droplet}/actions":         s.createDropletAction,
		"GET /v2/droplets/{droplet}/actions/{action}": s.getDropletAction,
		"GET /v2/droplets/{droplet}/snapshots":        s.listDropletSnapshots,
		"GET /v2/droplets/{droplet}/backups":          s.emptyDropletList("backups"),
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

// showDroplet shows a Droplet. One that the lab took for active and that ended by itself shows off: that is the
// truth.
func (s *Server) showDroplet(droplet state.Droplet) dropletShape {
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

	shown.Region, _ = findRegion(droplet.Region)
	shown.Size, _ = findSize(droplet.Size)
	shown.Memory, shown.VCPUs, shown.Disk = shown.Size.Memory, shown.Size.VCPUs, diskOf(droplet)

	return shown
}

func (s *Server) status(droplet state.Droplet) string {
	if droplet.Status == state.DropletActive && !droplet.Locked && !s.Machines.Running(droplet.ID) {
		return state.DropletOff
	}
	if droplet.Status == state.DropletOff && !droplet.Locked && s.Machines.Running(droplet.ID) {
		return state.DropletActive
	}

	return droplet.Status
}

func (s *Server) networks(droplet state.Droplet) networksShape {
	shown := networksShape{
		V4: []addressShape{},
		V6: []addressShape{},
	}
	if !droplet.Ready {
		return shown
	}

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
	wanted := []state.Droplet{}

	for _, droplet := range s.Store.View().Droplets {
		if tag != "" && !state.Tagged(droplet.Tags, tag) ||
			name != "" && name != droplet.Name ||
			query.Get("type") == "gpus" {
			continue
		}

		wanted = append(wanted, droplet)
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

	shown := []imageShape{}

	for _, image := range s.Store.View().Images {
		if slices.Contains(droplet.SnapshotIDs, image.ID) {
			shown = append(shown, showImage(image))
		}
	}

	return list(r, "snapshots", shown), nil
}

func (s *Server) deleteDroplet(r *http.Request) (*reply, error) {
	id, err := number(r, "droplet")
	if err != nil {
		return nil, err
	}

	err = s.Store.Update(func(d *state.Document) error {
		droplet := d.Droplet(id)
		if droplet == nil || droplet.Deleting {
			return notFound()
		}

		return s.markDeleting(droplet)
	})
	if err != nil {
		return nil, err
	}

	s.startDestroying(id)

	return noContent(), nil
}

func (s *Server) markDeleting(droplet *state.Droplet) error {
	if droplet.Locked {
		return pendingEvent()
	}

	droplet.Deleting, droplet.Locked = true, true

	return nil
}

func pendingEvent() *Error { return invalid("Droplet already has a pending event.") }

func (s *Server) deleteDropletsByTag(r *http.Request) (*reply, error) {
	tag := r.URL.Query().Get("tag_name")
	if tag == "" {
		return nil, invalid("tag_name is needed")
	}

	ids := []int{}
	err := s.Store.Update(func(d *state.Document) error {
		for i := range d.Droplets {
			droplet := &d.Droplets[i]
			if droplet.Deleting || !state.Tagged(droplet.Tags, tag) {
				continue
			}
			if err := s.markDeleting(droplet); err != nil {
				return err
			}

			ids = append(ids, droplet.ID)
		}

		return nil
	})
	if err != nil {
		return nil, err
	}

	for _, id := range ids {
		s.startDestroying(id)
	}

	return noContent(), nil
}

// startDestroying ends a Droplet that is marked deleting. It is seen until it is gone.
func (s *Server) startDestroying(id int) {
	s.kickBalancers()

	s.spawn("destroy droplet", func() error {
		if err := s.sleep(s.Delays.Delete); err != nil {
			return err
		}

		for {
			err := errors.Join(
				s.Machines.Destroy(s.context, id),
				s.detachVolumes(s.context, s.Store.View(), id),
			)
			if err == nil {
				break
			}

			s.Logger.Error("droplet not destroyed; trying again", "droplet", id, "err", err)

			if err := s.sleep(commitRetry); err != nil {
				return err
			}
		}

		return s.forget(id)
	})
}

func (s *Server) forget(id int) error {
	var root string
	err := s.commit(func(d *state.Document) error {
		if droplet := d.Droplet(id); droplet != nil && droplet.Image.Type != state.ImageBase {
			root = droplet.Image.Root
		}

		forgetDroplet(d, id)

		if s.Delays.Release == 0 {
			releaseHeld(d)
		}

		return nil
	})

	s.kickBalancers()
	s.Logger.Info("droplet destroyed", "droplet", id)

	err = errors.Join(err, s.release())
	if err != nil || root == "" {
		return err
	}

	return s.freeRoot(root)
}

func forgetDroplet(d *state.Document, id int) {
	for i := range d.Firewalls {
		d.Firewalls[i].DropletIDs = slices.DeleteFunc(
			d.Firewalls[i].DropletIDs,
			func(x int) bool { return x == id },
		)
	}

	d.Droplets = slices.DeleteFunc(d.Droplets, func(x state.Droplet) bool {
		return x.ID == id
	})

	for i := range d.LoadBalancers {
		balancer := &d.LoadBalancers[i]
		balancer.DropletIDs = slices.DeleteFunc(balancer.DropletIDs, func(x int) bool {
			return x == id
		})
	}
}

// release frees what a Droplet held, a while after it is gone as on DigitalOcean.
func (s *Server) release() error {
	if s.Delays.Release > 0 {
		if err := s.sleep(s.Delays.Release); err != nil {
			return nil // the next start does it
		}

		if err := s.commit(func(d *state.Document) error {
			releaseHeld(d)
			return nil
		}); err != nil {
			return err
		}
	}

	return errors.Join(
		s.applyReserved(s.context),
		s.applyFaults(s.context),
	)
}

// releaseHeld frees what Droplets that are gone held: reserved IPs and volumes.
func releaseHeld(d *state.Document) {
	forgetHurt(d)

	for i := range d.ReservedIPs {
		if d.Droplet(d.ReservedIPs[i].DropletID) == nil {
			d.ReservedIPs[i].DropletID = 0
		}
	}

	for i := range d.Volumes {
		if d.Droplet(d.Volumes[i].DropletID) == nil {
			d.Volumes[i].DropletID = 0
		}
	}
}

// bringUp is the action "create": base image, machine, boot, addresses.
func (s *Server) bringUp(action state.Action) error {
	droplet := s.Store.View().Droplet(action.ResourceID)
	if droplet == nil {
		return notFound()
	}

	s.kickBalancers() // its firewalls are to stand before it does

	if err := s.sleep(s.Delays.Create); err != nil {
		return err
	}

	if err := s.Machines.EnsureImage(s.context, droplet.Image.Root); err != nil {
		return err
	}

	err := s.Machines.Create(s.context, s.machine(s.Store.View(), *droplet))
	if err != nil {
		return err
	}

	if err := s.equip(droplet.ID); err != nil {
		return err
	}

	late := s.Delays.Network > 0
	err = s.finish(action, func(d *state.Document) {
		if droplet := d.Droplet(action.ResourceID); droplet != nil {
			droplet.Status = state.DropletActive
			droplet.Ready = !late
		}
	})
	if err != nil || !late {
		return err
	}

	return s.showAddresses(action.ResourceID)
}

// equip gives a new machine what its Droplet has beside it. After an error nothing of the machine is left.
func (s *Server) equip(id int) error {
	d := s.Store.View()
	err := s.attachVolumes(s.context, d, id)
	if err == nil && d.ReservedIPOf(id) != nil {
		err = s.applyReserved(s.context)
	}
	if err == nil {
		return nil
	}

	return errors.Join(err,
		s.Machines.Destroy(s.context, id),
		s.detachVolumes(s.context, d, id),
	)
}

// machine is a Droplet as the machines need to know it.
func (s *Server) machine(d *state.Document, droplet state.Droplet) Machine {
	size, _ := findSize(droplet.Size)
	return Machine{
		ID:         droplet.ID,
		Name:       droplet.Name,
		Region:     droplet.Region,
		Root:       droplet.Image.Root,
		Memory:     size.Memory,
		CPUs:       size.VCPUs,
		Disk:       diskOf(droplet),
		Public:     droplet.Public,
		IPv6:       droplet.IPv6(),
		Private:    droplet.Private,
		VPC:        droplet.VPC,
		VPCRange:   d.VPC(droplet.VPC).Range,
		UserData:   droplet.UserData,
		PublicKeys: droplet.PublicKeys,
	}
}

// showAddresses lets a Droplet's addresses be seen a while after it is active, as the real service may.
func (s *Server) showAddresses(id int) error {
	if err := s.sleep(s.Delays.Network); err != nil {
		return err
	}

	err := s.commit(func(d *state.Document) error {
		if droplet := d.Droplet(id); droplet != nil {
			droplet.Ready = true
		}

		return nil
	})

	s.kickBalancers()

	return err
}

// PowerOffAll ends the guests that run, asking them first, and remembers them: the next Start boots those again. It
// returns how many there were.
func (s *Server) PowerOffAll(ctx context.Context) (int, error) {
	ids := []int{}
	for _, droplet := range s.Store.View().Droplets {
		if s.Machines.Running(droplet.ID) {
			ids = append(ids, droplet.ID)
		}
	}

	err := s.Store.Update(func(d *state.Document) error {
		for _, id := range ids {
			if droplet := d.Droplet(id); droplet != nil {
				droplet.Resume = true
			}
		}

		return nil
	})

	return len(ids), joinEach(ids, err, func(id int) error { return s.endGuest(ctx, id) })
}

func (s *Server) endGuest(ctx context.Context, id int) error {
	asked, cancel := context.WithTimeout(ctx, s.ShutdownTimeout)
	defer cancel()

	if err := s.Machines.Shutdown(asked, id); err != nil {
		s.Logger.Warn("guest did not power itself off", "droplet", id, "err", err)
	}

	return s.Machines.PowerOff(ctx, id)
}
