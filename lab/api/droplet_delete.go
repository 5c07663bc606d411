package api

import (
	"errors"
	"net/http"
	"slices"

	"github.com/hornero/hornero/lab/state"
)

func (s *Server) deleteDroplet(r *http.Request) (*reply, error) {
	id, err := number(r, "droplet")
	if err != nil {
		return nil, err
	}

	err = s.Store.Update(func(d *state.Document) error {
		// deleting twice is 404, although GET still shows the Droplet for a while
		droplet := d.Droplet(id)
		if droplet == nil || droplet.Deleting {
			return notFound()
		}

		return s.markDeleting(droplet)
	})
	if err != nil {
		return nil, err
	}

	s.destroyInBackground(id)

	return noContent(), nil
}

// markDeleting locks a Droplet that is to be destroyed, or says that an action has locked it before.
func (s *Server) markDeleting(droplet *state.Droplet) error {
	if droplet.Locked {
		return pendingEvent()
	}

	droplet.Deleting = true
	droplet.Locked = true

	return nil
}

func (s *Server) deleteDropletsByTag(r *http.Request) (*reply, error) {
	// without a tag the request would be for all Droplets
	tag := r.URL.Query().Get("tag_name")
	if tag == "" {
		return nil, invalid("tag_name is needed")
	}

	// all of them or none: one that is locked refuses the whole request
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
		s.destroyInBackground(id)
	}

	return noContent(), nil
}

// destroyInBackground destroys a Droplet that is marked deleting. The API shows it until it is gone.
func (s *Server) destroyInBackground(id int) {
	// load balancers leave out a Droplet that is being deleted
	s.wakeFollower()

	s.spawn("destroy droplet", func() error {
		if err := s.sleep(s.Delays.Delete); err != nil {
			return err
		}

		for {
			// a client was told 204: this goes on until it is true
			destroyed := s.Machines.Destroy(s.context, id)
			detached := s.detachVolumes(s.context, s.Store.View(), id)

			err := errors.Join(destroyed, detached)
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

// forget removes a Droplet whose machine is destroyed from the state, then what only it used.
func (s *Server) forget(id int) error {
	var root string

	err := s.commit(func(d *state.Document) error {
		// a snapshot that was deleted meanwhile was kept for this Droplet's disk
		if droplet := d.Droplet(id); droplet != nil && droplet.Image.Type != state.ImageBase {
			root = droplet.Image.Root
		}

		forgetDroplet(d, id)

		// without a delay both are one change: nobody sees the time between
		if s.Delays.Release == 0 {
			releaseHeld(d)
		}

		return nil
	})

	s.wakeFollower()
	s.Logger.Info("droplet destroyed", "droplet", id)

	err = errors.Join(err, s.release())
	if err != nil || root == "" {
		return err
	}

	return s.freeRoot(root)
}

// forgetDroplet removes a Droplet from the state, and from what names it.
func forgetDroplet(d *state.Document, id int) {
	same := func(x int) bool { return x == id }

	d.Droplets = slices.DeleteFunc(d.Droplets, func(x state.Droplet) bool {
		return x.ID == id
	})

	// an id that stays behind would name a Droplet that answers 404
	for i := range d.Firewalls {
		firewall := &d.Firewalls[i]
		firewall.DropletIDs = slices.DeleteFunc(firewall.DropletIDs, same)
	}

	for i := range d.LoadBalancers {
		balancer := &d.LoadBalancers[i]
		balancer.DropletIDs = slices.DeleteFunc(balancer.DropletIDs, same)
	}
}

// release frees what a Droplet held, a while after it is gone as on DigitalOcean.
func (s *Server) release() error {
	if s.Delays.Release > 0 {
		if err := s.sleep(s.Delays.Release); err != nil {
			return nil // the next start does it
		}

		err := s.commit(func(d *state.Document) error {
			releaseHeld(d)
			return nil
		})
		if err != nil {
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
	removeGoneFromFaults(d)

	// a reserved IP outlives its Droplet, and is free again
	for i := range d.ReservedIPs {
		if d.Droplet(d.ReservedIPs[i].DropletID) == nil {
			d.ReservedIPs[i].DropletID = 0
		}
	}

	// a volume outlives its Droplet; deleting it is 409 until then
	for i := range d.Volumes {
		if d.Droplet(d.Volumes[i].DropletID) == nil {
			d.Volumes[i].DropletID = 0
		}
	}
}
