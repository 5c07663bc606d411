package api

import (
	"errors"

	"github.com/hornero/hornero/lab/state"
)

// performCreate does the action "create": image, machine, volumes and reserved IP, addresses.
func (s *Server) performCreate(action state.Action) error {
	droplet := s.Store.View().Droplet(action.ResourceID)
	if droplet == nil {
		return notFound()
	}

	s.wakeFollower() // its firewalls must be in force before it boots

	if err := s.sleep(s.Delays.Create); err != nil {
		return err
	}

	if err := s.Machines.EnsureImage(s.context, droplet.Image.Root); err != nil {
		return err
	}

	machine := s.machine(s.Store.View(), *droplet)

	err := s.Machines.Create(s.context, machine)
	if err != nil {
		return err
	}

	// volumes and the reserved IP are there before the Droplet is shown as active
	if err := s.attachExtras(droplet.ID); err != nil {
		return err
	}

	late := s.Delays.Network > 0
	err = s.finish(action, func(d *state.Document) {
		if droplet := d.Droplet(action.ResourceID); droplet != nil {
			droplet.Status = state.DropletActive

			// DigitalOcean may show a Droplet active before its addresses
			droplet.Ready = !late
		}
	})
	if err != nil || !late {
		return err
	}

	return s.showAddresses(action.ResourceID)
}

// attachExtras gives a new machine the volumes and the reserved IP of its Droplet. After an error nothing of the
// machine is left.
func (s *Server) attachExtras(id int) error {
	d := s.Store.View()

	err := s.attachVolumes(s.context, d, id)
	if err == nil && d.ReservedIPOf(id) != nil {
		err = s.applyReserved(s.context)
	}
	if err == nil {
		return nil
	}

	// volumes are freed last: a machine that still runs would hold their devices
	return errors.Join(err,
		s.Machines.Destroy(s.context, id),
		s.detachVolumes(s.context, d, id),
	)
}

// machine is what a Droplet's machine is made from.
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

	// load balancers take a Droplet once its addresses are shown
	s.wakeFollower()

	return err
}
