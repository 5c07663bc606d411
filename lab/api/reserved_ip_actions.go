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

// recordReserved records an action of a reserved IP and locks the address. The number of the resource is the address
// as a number, as on DigitalOcean.
func (s *Server) recordReserved(
	d *state.Document,
	reserved *state.ReservedIP,
	kind string,
	droplet int,
) state.Action {
	// two moves at once could end with the packets at one Droplet and the state at another
	reserved.Locked = true
	bytes := reserved.Address.As4()

	action := state.Action{
		ID:           d.NextID(),
		Type:         kind,
		Status:       state.ActionInProgress,
		Started:      s.now(),
		ResourceType: reservedIPType,
		ResourceID:   int(binary.BigEndian.Uint32(bytes[:])),
		Resource:     reserved.Address.String(),
		Region:       reserved.Region,
		Argument:     fmt.Sprint(droplet),
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

// allowReserved returns why a reserved IP can't have an action now; nil when it can.
func allowReserved(d *state.Document, reserved *state.ReservedIP, kind string, id int) error {
	if reserved.Locked {
		return invalid("The reserved IP already has a pending event.")
	}

	switch kind {
	case "unassign":
		// Terraform's delete counts on 422 here
		if reserved.DropletID == 0 {
			return invalid("The reserved IP is not assigned.")
		}

		return nil

	case "assign":
		if reserved.DropletID == id && id != 0 {
			return nil // it has it already: the action changes nothing and completes
		}

		if err := allowHolder(d, id); err != nil {
			return err
		}

		// an address is routed within its region
		if d.Droplet(id).Region != reserved.Region {
			return invalid("The reserved IP and the droplet must be in the same region.")
		}

		return nil
	}

	return invalid("type must be assign or unassign, not %q", kind)
}

// allowHolder returns why a Droplet can't be given a reserved IP: it may have one, or an action may be about to give
// it one.
func allowHolder(d *state.Document, id int) error {
	droplet := d.Droplet(id)
	if droplet == nil || droplet.Deleting {
		return invalid("The droplet is not found.")
	}

	if !droplet.Public.IsValid() {
		return invalid("The droplet has no public networking: it can't have a reserved IP.")
	}

	// an action in progress counts: a Droplet has one reserved IP at most
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

// performReserved does an action of a reserved IP. The packets move first, then what the API shows.
func (s *Server) performReserved(action state.Action) error {
	if err := s.sleep(s.Delays.Action); err != nil {
		return err
	}

	address, err := netip.ParseAddr(action.Resource)
	if err != nil {
		return err
	}

	holder := 0 // nobody
	if action.Type == "assign_ip" {
		if _, err := fmt.Sscan(action.Argument, &holder); err != nil {
			return err
		}
	}

	s.reserve.Lock()
	defer s.reserve.Unlock()

	d := s.Store.View()

	// the machines take all holders at once: this one is changed among them
	holders := reservedHolders(d)

	if holder == 0 {
		delete(holders, address)
	} else {
		if err := stillAllowed(d, address, holder); err != nil {
			return err
		}

		holders[address] = holder
	}

	if err := s.Machines.SetReserved(s.context, holders); err != nil {
		return err
	}

	return s.finish(action, func(d *state.Document) {
		reserved := d.ReservedIP(address)

		// the Droplet may be destroyed while its address is moved
		gone := holder != 0 && d.Droplet(holder) == nil

		if reserved != nil && !gone {
			reserved.DropletID = holder
		}
	})
}

// stillAllowed looks again whether a Droplet can have a reserved IP: time has passed since the action was allowed.
func stillAllowed(d *state.Document, address netip.Addr, holder int) error {
	if held := d.ReservedIPOf(holder); held != nil && held.Address != address {
		return fmt.Errorf("the Droplet %d has got the reserved IP %s meanwhile", holder, held.Address)
	}

	if droplet := d.Droplet(holder); droplet == nil || droplet.Deleting {
		return fmt.Errorf("the Droplet %d is gone", holder)
	}

	return nil
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

// applyReserved makes the packets for reserved IPs reach the Droplets that hold them in the state.
func (s *Server) applyReserved(ctx context.Context) error {
	// two calls at once could leave the older state in force
	s.reserve.Lock()
	defer s.reserve.Unlock()

	return s.Machines.SetReserved(ctx, reservedHolders(s.Store.View()))
}

func unlockReserved(d *state.Document, address string) {
	for i := range d.ReservedIPs {
		reserved := &d.ReservedIPs[i]
		if reserved.Address.String() == address {
			reserved.Locked = false
		}
	}
}

func (s *Server) listReservedActions(r *http.Request) (*reply, error) {
	reserved, err := reservedIn(r, s.Store.View())
	if err != nil {
		return nil, err
	}

	actions := s.actionsOf(func(a state.Action) bool {
		return a.ResourceType == reservedIPType && a.Resource == reserved.Address.String()
	})

	return list(r, "actions", actions), nil
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
