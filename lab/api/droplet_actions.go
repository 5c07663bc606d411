package api

import (
	"net/http"
	"slices"

	"github.com/hornero/hornero/lab/state"
)

type actionRequest struct {
	Type string `json:"type"`
	Name string `json:"name"`
}

func (s *Server) listDropletActions(r *http.Request) (*reply, error) {
	return s.resourceActions(r, "droplet")
}

func (s *Server) getDropletAction(r *http.Request) (*reply, error) {
	return s.resourceAction(r, "droplet")
}

func (s *Server) createDropletAction(r *http.Request) (*reply, error) {
	id, err := number(r, "droplet")
	if err != nil {
		return nil, err
	}
	var body actionRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	var action state.Action
	err = s.Store.Update(func(d *state.Document) error {
		droplet := d.Droplet(id)
		if droplet == nil {
			return notFound()
		}
		action, err = s.recordAction(d, droplet, body)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.runAction(action)
	return one(http.StatusCreated, "action", s.showAction(action)), nil
}

func (s *Server) createDropletActionsByTag(r *http.Request) (*reply, error) {
	tag := r.URL.Query().Get("tag_name")
	if tag == "" {
		return nil, invalid("tag_name is needed")
	}
	var body actionRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	var actions []state.Action
	err := s.Store.Update(func(d *state.Document) error {
		for i := range d.Droplets {
			if !state.Tagged(d.Droplets[i].Tags, tag) {
				continue
			}
			action, err := s.recordAction(d, &d.Droplets[i], body)
			if err != nil {
				return err
			}
			actions = append(actions, action)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	shown := []actionShape{}
	for _, action := range actions {
		s.runAction(action)
		shown = append(shown, s.showAction(action))
	}
	return one(http.StatusCreated, "actions", shown), nil
}

// recordAction writes down a new action and locks its Droplet, or says why the Droplet can't have it now.
func (s *Server) recordAction(d *state.Document, droplet *state.Droplet, body actionRequest) (state.Action, error) {
	if err := s.allowAction(droplet, body); err != nil {
		return state.Action{}, err
	}
	droplet.Locked = true
	action := state.Action{ID: d.NextID(), Type: body.Type, Status: state.ActionInProgress, Started: s.now(),
		ResourceID: droplet.ID, ResourceType: "droplet", Region: droplet.Region, Argument: body.Name}
	d.Actions = append(d.Actions, action)
	return action, nil
}

func (s *Server) allowAction(droplet *state.Droplet, body actionRequest) error {
	known := []string{"power_on", "power_off", "power_cycle", "shutdown", "reboot", "snapshot", "rename"}
	if !slices.Contains(known, body.Type) {
		return invalid("the lab does not know the Droplet action %q", body.Type)
	}
	if droplet.Locked {
		return pendingEvent()
	}
	off := s.status(*droplet) == state.DropletOff
	switch {
	case body.Type == "power_off" && off:
		return invalid("Droplet is already powered off")
	case body.Type == "power_on" && !off:
		return invalid("Droplet is already powered on")
	case (body.Type == "reboot" || body.Type == "power_cycle") && off:
		return invalid("Droplet is powered off")
	case body.Type == "snapshot" && body.Name == "":
		return invalid("Name can't be blank")
	case body.Type == "rename" && !validHostname(body.Name):
		return invalid("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
	}
	return nil
}
