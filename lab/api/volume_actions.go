package api

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/hornero/hornero/lab/state"
)

// pending tells whether an action of a resource that has no number is under way.
func pending(d *state.Document, kind, resource string) bool {
	return slices.ContainsFunc(d.Actions, func(a state.Action) bool {
		return a.ResourceType == kind && a.Resource == resource && a.Status == state.ActionInProgress
	})
}

type volumeActionRequest struct {
	Type      string `json:"type"`
	DropletID int    `json:"droplet_id"`
	Size      int    `json:"size_gigabytes"`
	Name      string `json:"volume_name"`
	Region    string `json:"region"`
}

func (s *Server) createVolumeAction(r *http.Request) (*reply, error) {
	return s.actOnVolume(r, func(d *state.Document, _ volumeActionRequest) (*state.Volume, error) {
		return volumeIn(r, d)
	})
}

func (s *Server) createVolumeActionByName(r *http.Request) (*reply, error) {
	return s.actOnVolume(r, func(d *state.Document, body volumeActionRequest) (*state.Volume, error) {
		return volumeNamed(d, body.Name, body.Region)
	})
}

func (s *Server) actOnVolume(
	r *http.Request,
	find func(*state.Document, volumeActionRequest) (*state.Volume, error),
) (*reply, error) {
	var body volumeActionRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	var action state.Action
	err := s.Store.Update(func(d *state.Document) error {
		volume, err := find(d, body)
		if err != nil {
			return err
		}

		if err := allowVolumeAction(d, volume, body); err != nil {
			return err
		}

		argument := body.DropletID
		if body.Type == "resize" {
			argument = body.Size
		}

		action = state.Action{
			ID:           d.NextID(),
			Type:         body.Type,
			Status:       state.ActionInProgress,
			Started:      s.now(),
			ResourceType: volumeType,
			Resource:     volume.ID,
			Region:       volume.Region,
			Argument:     strconv.Itoa(argument),
		}

		d.Actions = append(d.Actions, action)

		// the Droplet's devices change: no other action may run beside it
		if droplet := d.Droplet(lockedBy(action)); droplet != nil {
			droplet.Locked = true
		}

		return nil
	})
	if err != nil {
		return nil, err
	}

	s.runAction(action)

	return one(http.StatusAccepted, "action", s.showAction(action)), nil
}

// allowVolumeAction returns why a volume can't have an action now; nil when it can.
func allowVolumeAction(d *state.Document, volume *state.Volume, body volumeActionRequest) error {
	// Terraform compares these words
	if pending(d, volumeType, volume.ID) {
		return pendingEvent()
	}

	droplet := d.Droplet(body.DropletID)

	switch body.Type {
	case "attach":
		return allowAttach(d, volume, droplet)

	case "detach":
		if volume.DropletID == 0 || volume.DropletID != body.DropletID {
			return invalid("Attachment not found")
		}

		if droplet != nil && droplet.Locked {
			return pendingEvent()
		}

		return nil

	case "resize":
		// a file system on it may use all of the disk: it never shrinks
		if body.Size <= volume.Size || body.Size > maxVolumeSize {
			return invalid("invalid volume size: must be larger than %d and at most %d GB", volume.Size, maxVolumeSize)
		}

		return nil
	}

	return invalid("type must be attach, detach or resize, not %q", body.Type)
}

// performVolume does an action of a volume.
func (s *Server) performVolume(action state.Action) error {
	if err := s.sleep(s.Delays.Action); err != nil {
		return err
	}

	volume := s.Store.View().Volume(action.Resource)
	if volume == nil {
		return notFound()
	}

	argument, err := strconv.Atoi(action.Argument)
	if err != nil {
		return err
	}

	switch action.Type {
	case "attach":
		err = s.Volumes.Attach(s.context, *volume, argument)
	case "detach":
		err = s.Volumes.Detach(s.context, *volume, argument)
	case "resize":
		err = s.Volumes.Resize(s.context, volume.ID, argument)
	default:
		err = fmt.Errorf("%w: %s of a volume", errUnknownAction, action.Type)
	}
	if err != nil {
		return err
	}

	return s.finish(action, func(d *state.Document) { changeVolume(d, action, argument) })
}

// changeVolume records what an action has done to a volume.
func changeVolume(d *state.Document, action state.Action, argument int) {
	volume := d.Volume(action.Resource)
	if volume == nil {
		return
	}

	switch action.Type {
	case "attach":
		volume.DropletID = argument
	case "detach":
		volume.DropletID = 0
	case "resize":
		volume.Size = argument
	}
}

func (s *Server) listVolumeActions(r *http.Request) (*reply, error) {
	volume, err := volumeIn(r, s.Store.View())
	if err != nil {
		return nil, err
	}

	actions := s.actionsOf(func(a state.Action) bool {
		return a.ResourceType == volumeType && a.Resource == volume.ID
	})

	return list(r, "actions", actions), nil
}

func (s *Server) getVolumeAction(r *http.Request) (*reply, error) {
	id, err := number(r, "action")
	if err != nil {
		return nil, err
	}

	action := s.Store.View().Action(id)
	if action == nil || action.ResourceType != volumeType || action.Resource != r.PathValue("volume") {
		return nil, notFound()
	}

	return one(http.StatusOK, "action", s.showAction(*action)), nil
}
