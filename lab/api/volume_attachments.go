package api

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/hornero/hornero/lab/state"
)

func allowAttach(d *state.Document, volume *state.Volume, droplet *state.Droplet) error {
	switch {
	case droplet == nil || droplet.Deleting:
		return invalid("The droplet is not found.")
	case volume.DropletID == droplet.ID:
		return invalid("This volume is already attached")
	case volume.DropletID != 0:
		return invalid("This volume is already attached to another Droplet")

	// a volume is block storage of one region
	case droplet.Region != volume.Region:
		return invalid("The volume and the Droplet must be in the same region")
	case droplet.Locked:
		return pendingEvent()
	case len(d.VolumesOf(droplet.ID)) >= maxVolumesOfADroplet:
		return invalid("The Droplet has %d volumes already", maxVolumesOfADroplet)
	}

	return nil
}

// volumeRef names a volume in a request to create a Droplet: its id as a string, or in an object as godo sends it.
type volumeRef string

func (v *volumeRef) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*v = volumeRef(text)
		return nil
	}

	// DigitalOcean's description says strings, and godo sends objects
	var object struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(data, &object); err != nil || object.ID == "" {
		return invalid("volumes: %s is no volume's id", data)
	}

	*v = volumeRef(object.ID)

	return nil
}

// assignVolumes records the volumes that a new Droplet is made with.
func assignVolumes(d *state.Document, droplet state.Droplet, ids []volumeRef) error {
	droplet.Locked = false // only its own creation locks it, and the volumes are a part of that

	for _, id := range ids {
		volume := d.Volume(string(id))
		if volume == nil {
			return invalid("volume %s is not found", id)
		}

		if pending(d, volumeType, volume.ID) {
			return pendingEvent()
		}

		if err := allowAttach(d, volume, &droplet); err != nil {
			return err
		}

		volume.DropletID = droplet.ID
	}

	return nil
}

// reattachVolumes attaches and detaches volumes as the state says. It runs at the start of the lab, before anything
// boots: the number of a device may belong to another by now. A Droplet that is still being made gets its volumes when
// it is done.
func (s *Server) reattachVolumes(ctx context.Context, d *state.Document) {
	for _, volume := range d.Volumes {
		// an action in progress detaches the volume itself when it is taken up again
		var err error
		if volume.DropletID != 0 {
			err = s.Volumes.Attach(ctx, volume, volume.DropletID)
		} else if !pending(d, volumeType, volume.ID) {
			err = s.Volumes.Detach(ctx, volume, 0)
		}

		// a volume that does not attach is no reason not to start the lab
		if err != nil && !errors.Is(err, ErrGone) {
			s.Logger.Error("volume not attached again",
				"volume", volume.Name,
				"droplet", volume.DropletID,
				"err", err,
			)
		}
	}
}

// attachVolumes gives a new machine the volumes that its Droplet has.
func (s *Server) attachVolumes(ctx context.Context, d *state.Document, droplet int) error {
	for _, volume := range d.Volumes {
		if volume.DropletID != droplet {
			continue
		}

		if err := s.Volumes.Attach(ctx, volume, droplet); err != nil {
			return err
		}
	}

	return nil
}

// detachVolumes takes the volumes of a machine that is gone away from it, so that others can have them.
func (s *Server) detachVolumes(ctx context.Context, d *state.Document, droplet int) error {
	for _, volume := range d.Volumes {
		if volume.DropletID != droplet {
			continue
		}

		if err := s.Volumes.Detach(ctx, volume, droplet); err != nil {
			return err
		}
	}

	return nil
}
