package api

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/netip"
	"slices"

	"github.com/hornero/hornero/lab/state"
)

// recordReserved writes down an action of a reserved IP and locks it. Its number is the address as one, like
// DigitalOcean's.
func (s *Server) recordReserved(
	d *state.Document,
	reserved *state.ReservedIP,
	kind string,
	droplet int,
) state.Action {
	reserved.Locked = true
	bytes := reserved.Address.As4()
	action := state.Action{
		ID:           d.NextID(),
		Type:         kind,
		Status:       state.ActionInProgress,
		Started:      s.now(),
		ResourceType: reservedIPType,
		ResourceID: int(
			binary.BigEndian.Uint32(bytes[:]),
		),
		Resource: reserved.Address.String(),
		Region:   reserved.Region,
		Argument: fmt.Sprint(droplet),
	}

	d.Actions = append(d.Actions, action)

	return action
}

func (s *Server) createReservedAction(r *http.Request) (*reply, error) {
	var body struct {
		Type      string `json:"type"`
		DropletID int    `json:"droplet_id"`
	}

	if err := decode(r, &body); err != nil {
		return nil, err
	}

	var action state.Action
	err := s.Store.Update(func(d *state.Document) error {
		reserved, err := reservedIn(r, d)
		if err != nil {
			return err
		}

		if err := allowReserved(d, reserved, body.Type, body.DropletID); err != nil {
			return err
		}

		action = s.recordReserved(d, reserved, body.Type+"_ip", body.DropletID)

		return nil
	})
	if err != nil {
		return nil, err
	}

	s.runAction(action)

	return one(http.StatusCreated, "action", s.showAction(action)), nil
}

func allowReserved(d *state.Document, reserved *state.ReservedIP, kind string, id int) error {
	if reserved.Locked {
		return invalid("The reserved IP already has a pending event.")
	}

	switch kind {
	case "unassign":
		if reserved.DropletID == 0 {
			return invalid("The reserved IP is not assigned.")
		}

		return nil

	case "assign":
		if reserved.DropletID == id && id != 0 {
			return nil // it is there already: the action ends well
		}

		if err := allowHolder(d, id); err != nil {
			return err
		}
		if d.Droplet(id).Region != reserved.Region {
			return invalid("The reserved IP and the droplet must be in the same region.")
		}

		return nil
	}

	return invalid("type must be assign or unassign, not %q", kind)
}

// allowHolder finds out whether a Droplet may be given a reserved IP: it has none, and none is on its way.
func allowHolder(d *state.Document, id int) error {
	droplet := d.Droplet(id)
	if droplet == nil || droplet.Deleting {
		return invalid("The droplet is not found.")
	}

	if !droplet.Public.IsValid() {
		return invalid("The droplet has no public networking: it can't have a reserved IP.")
	}

	coming := slices.ContainsFunc(d.Actions, func(a state.Action) bool {
		return a.ResourceType == reservedIPType &&
			a.Type == "assign_ip" &&
			a.Status == state.ActionInProgress &&
			a.Argument == fmt.Sprint(id)
	})
	if coming || d.ReservedIPOf(id) != nil {
		return invalid("The droplet already has a reserved IP.")
	}

	return nil
}

// performReserved does the action of a reserved IP: packets first, then what is shown.
func (s *Server) performReserved(action state.Action) error {
	if err := s.sleep(s.Delays.Action); err != nil {
		return err
	}

	address, err := netip.ParseAddr(action.Resource)
	if err != nil {
		return err
	}

	droplet := 0
	if action.Type == "assign_ip" {
		if _, err := fmt.Sscan(action.Argument, &droplet); err != nil {
			return err
		}
	}

	s.reserve.Lock()
	defer s.reserve.Unlock()

	d := s.Store.View()

	if held := d.ReservedIPOf(droplet); held != nil && held.Address != address {
		return fmt.Errorf(
			"the Droplet %d has got the reserved IP %s meanwhile",
			droplet,
			held.Address,
		)
	}

	if x := d.Droplet(droplet); droplet != 0 && (x == nil || x.Deleting) {
		return fmt.Errorf("the Droplet %d is gone", droplet)
	}

	holders := reservedHolders(d)
	holders[address] = droplet

	if droplet == 0 {
		delete(holders, address)
	}

	if err := s.Machines.SetReserved(s.context, holders); err != nil {
		return err
	}

	return s.finish(action, func(d *state.Document) {
		if reserved := d.ReservedIP(address); reserved != nil && (droplet == 0 || d.Droplet(droplet) != nil) {
			reserved.DropletID = droplet
		}
	})
}

func reservedHolders(d *state.Document) map[netip.Addr]int {
	holders := map[netip.Addr]int{}
	for _, reserved := range d.ReservedIPs {
		if reserved.DropletID != 0 {
			holders[reserved.Address] = reserved.DropletID
		}
	}

	return holders
}

// applyReserved makes packets go where the state says.
func (s *Server) applyReserved(ctx context.Context) error {
	s.reserve.Lock()
	defer s.reserve.Unlock()
	return s.Machines.SetReserved(ctx, reservedHolders(s.Store.View()))
}

func unlockReserved(d *state.Document, address string) {
	for i := range d.ReservedIPs {
		if d.ReservedIPs[i].Address.String() == address {
			d.ReservedIPs[i].Locked = false
		}
	}
}

func (s *Server) listReservedActions(r *http.Request) (*reply, error) {
	reserved, err := reservedIn(r, s.Store.View())
	if err != nil {
		return nil, err
	}

	return list(r, "actions", s.actionsOf(func(a state.Action) bool {
		return a.ResourceType == reservedIPType && a.Resource == reserved.Address.String()
	})), nil
}

func (s *Server) getReservedAction(r *http.Request) (*reply, error) {
	d := s.Store.View()
	reserved, err := reservedIn(r, d)
	if err != nil {
		return nil, err
	}

	id, err := number(r, "action")
	if err != nil {
		return nil, err
	}

	action := d.Action(id)
	if action == nil || action.ResourceType != reservedIPType || action.Resource != reserved.Address.String() {
		return nil, notFound()
	}

	return one(http.StatusOK, "action", s.showAction(*action)), nil
}
