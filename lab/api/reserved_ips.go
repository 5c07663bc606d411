package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"

	"github.com/hornero/hornero/lab/state"
)

// reservedIPType is what actions call a reserved IP.
const reservedIPType = "reserved_ip"

// maxReservedIPs is how many reserved IPs the account may have.
const maxReservedIPs = 20

// reservedIPRoutes answers under the present name and under the old one, floating IPs.
func (s *Server) reservedIPRoutes() map[string]handler {
	routes := map[string]handler{}

	keys := map[string]string{
		"/v2/reserved_ips": "reserved_ip",
		"/v2/floating_ips": "floating_ip",
	}

	keyed := func(handle func(*http.Request, string) (*reply, error), key string) handler {
		return func(r *http.Request) (*reply, error) { return handle(r, key) }
	}

	// clients that know the old name only still work
	for path, key := range keys {
		routes["GET "+path] = keyed(s.listReserved, key)
		routes["POST "+path] = keyed(s.createReserved, key)
		routes["GET "+path+"/{ip}"] = keyed(s.getReserved, key)
		routes["DELETE "+path+"/{ip}"] = s.deleteReserved
		routes["GET "+path+"/{ip}/actions"] = s.listReservedActions
		routes["POST "+path+"/{ip}/actions"] = s.createReservedAction
		routes["GET "+path+"/{ip}/actions/{action}"] = s.getReservedAction
	}

	return routes
}

type reservedShape struct {
	IP        string        `json:"ip"`
	Region    region        `json:"region"`
	Droplet   *dropletShape `json:"droplet"`
	Locked    bool          `json:"locked"`
	ProjectID string        `json:"project_id"`
}

func (s *Server) showReserved(d *state.Document, reserved state.ReservedIP) reservedShape {
	shown := reservedShape{
		IP:        reserved.Address.String(),
		Locked:    reserved.Locked,
		ProjectID: projectOf(d, "do:reservedip:"+reserved.Address.String()),
	}

	shown.Region, _ = findRegion(reserved.Region)

	// clients read the whole Droplet, or null
	if droplet := d.Droplet(reserved.DropletID); droplet != nil {
		holder := s.showDroplet(*droplet)
		shown.Droplet = &holder
	}

	return shown
}

func (s *Server) listReserved(r *http.Request, key string) (*reply, error) {
	d := s.Store.View()
	shown := []reservedShape{}

	for _, reserved := range d.ReservedIPs {
		shown = append(shown, s.showReserved(d, reserved))
	}

	return list(r, key+"s", shown), nil
}

func reservedIn(r *http.Request, d *state.Document) (*state.ReservedIP, error) {
	address, err := netip.ParseAddr(r.PathValue("ip"))
	if err != nil {
		return nil, notFound()
	}

	reserved := d.ReservedIP(address)
	if reserved == nil {
		return nil, notFound()
	}

	return reserved, nil
}

func (s *Server) getReserved(r *http.Request, key string) (*reply, error) {
	d := s.Store.View()
	reserved, err := reservedIn(r, d)
	if err != nil {
		return nil, err
	}

	return one(http.StatusOK, key, s.showReserved(d, *reserved)), nil
}

// createReserved reserves an address for a region, or for a Droplet. An action then assigns it to the Droplet, and the
// answer names that action.
func (s *Server) createReserved(r *http.Request, key string) (*reply, error) {
	var body struct {
		Region    string `json:"region"`
		DropletID int    `json:"droplet_id"`
		ProjectID string `json:"project_id"`
	}

	if err := decode(r, &body); err != nil {
		return nil, err
	}

	var shown reservedShape
	var action state.Action // none when the address is for a region

	err := s.Store.Update(func(d *state.Document) error {
		if body.DropletID != 0 {
			if err := allowHolder(d, body.DropletID); err != nil {
				return err
			}

			// an address for a Droplet is of the Droplet's region
			body.Region = d.Droplet(body.DropletID).Region
		}

		if _, known := findRegion(body.Region); !known {
			return invalid("Region is invalid.")
		}

		if len(d.ReservedIPs) >= maxReservedIPs {
			return invalid("You have reached the limit of %d reserved IPs.", maxReservedIPs)
		}

		address, free := d.TakePublic(s.Public)
		if !free {
			return invalid("no free address is left in the lab's range %s", s.Public)
		}

		// it is recorded first: the action needs its place in the list
		d.ReservedIPs = append(d.ReservedIPs, state.ReservedIP{
			Address: address,
			Region:  body.Region,
			Created: s.now(),
		})

		reserved := d.ReservedIP(address)
		if body.DropletID != 0 {
			action = s.recordReserved(d, reserved, "assign_ip", body.DropletID)
		}

		shown = s.showReserved(d, *reserved)

		return nil
	})
	if err != nil {
		return nil, err
	}

	links := []linkShape{}
	if action.ID != 0 {
		links = append(links, linkShape{
			ID:   action.ID,
			Rel:  "assign_ip",
			HREF: absolute(r, fmt.Sprintf("/v2/actions/%d", action.ID)),
		})

		s.runAction(action)
	}

	return &reply{
		status: http.StatusAccepted,
		body: map[string]any{
			key:     shown,
			"links": map[string]any{"actions": links},
		},
	}, nil
}

// deleteReserved frees the address for good. One that is assigned goes as well, as on DigitalOcean.
func (s *Server) deleteReserved(r *http.Request) (*reply, error) {
	err := s.Store.Update(func(d *state.Document) error {
		reserved, err := reservedIn(r, d)
		if err != nil {
			return err
		}

		// an action that runs would assign an address that is gone
		if reserved.Locked {
			return invalid("The reserved IP already has a pending event.")
		}

		address := reserved.Address
		d.ReservedIPs = slices.DeleteFunc(d.ReservedIPs, func(x state.ReservedIP) bool {
			return x.Address == address
		})
		unassignURN(d, "do:reservedip:"+address.String())

		return nil
	})
	if err != nil {
		return nil, err
	}

	// the packets stop as well: the address may be given to another Droplet
	return noContent(), s.applyReserved(s.context)
}
