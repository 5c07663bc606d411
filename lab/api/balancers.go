package api

import (
	"cmp"
	"errors"
	"net/http"
	"slices"

	"github.com/hornero/hornero/lab/state"
)

func (s *Server) balancerRoutes() map[string]handler {
	return map[string]handler{
		"GET /v2/load_balancers":                                s.listBalancers,
		"POST /v2/load_balancers":                               s.createBalancer,
		"GET /v2/load_balancers/{balancer}":                     s.getBalancer,
		"PUT /v2/load_balancers/{balancer}":                     s.updateBalancer,
		"DELETE /v2/load_balancers/{balancer}":                  s.deleteBalancer,
		"DELETE /v2/load_balancers/{balancer}/cache":            s.purgeBalancerCache,
		"POST /v2/load_balancers/{balancer}/droplets":           s.addBalancerDroplets,
		"DELETE /v2/load_balancers/{balancer}/droplets":         s.removeBalancerDroplets,
		"POST /v2/load_balancers/{balancer}/forwarding_rules":   s.addBalancerRules,
		"DELETE /v2/load_balancers/{balancer}/forwarding_rules": s.removeBalancerRules,
	}
}

// The states of a load balancer.
const (
	balancerNew     = "new"
	balancerActive  = "active"
	balancerErrored = "errored"
)

// balancerDroplets are the ids of a load balancer's Droplets: those given, or those of its VPC that have its tag now.
func balancerDroplets(d *state.Document, b state.LoadBalancer) []int {
	if b.Tag == "" {
		return b.DropletIDs
	}

	ids := []int{}

	// the tag is looked up each time: Droplets that are tagged later join by themselves
	for _, droplet := range d.Droplets {
		if droplet.VPC == b.VPC && !droplet.Deleting && state.Tagged(droplet.Tags, b.Tag) {
			ids = append(ids, droplet.ID)
		}
	}

	return ids
}

func (s *Server) listBalancers(r *http.Request) (*reply, error) {
	query := r.URL.Query()
	names, ids := query["names"], query["uuids"]
	d := s.Store.View()
	shown := []balancerShape{}

	for _, balancer := range d.LoadBalancers {
		nameFits := len(names) == 0 || slices.Contains(names, balancer.Name)
		idFits := len(ids) == 0 || slices.Contains(ids, balancer.ID)

		if nameFits && idFits {
			shown = append(shown, showBalancer(d, balancer))
		}
	}

	return list(r, "load_balancers", shown), nil
}

func (s *Server) getBalancer(r *http.Request) (*reply, error) {
	d := s.Store.View()
	balancer := d.LoadBalancer(r.PathValue("balancer"))
	if balancer == nil {
		return nil, notFound()
	}

	return one(http.StatusOK, "load_balancer", showBalancer(d, *balancer)), nil
}

// errOnlyValidated ends a change that was asked for with validate_only: the store drops it.
var errOnlyValidated = errors.New("nothing was to be changed")

// writeBalancer makes a change that shows a load balancer, or only looks whether it could be made.
func (s *Server) writeBalancer(
	body *balancerRequest,
	status int,
	change func(*state.Document) (*state.LoadBalancer, error),
) (*reply, error) {
	var shown balancerShape
	err := s.Store.Update(func(d *state.Document) error {
		balancer, err := change(d)
		if err != nil {
			return err
		}

		shown = showBalancer(d, *balancer)

		// an error keeps the store from writing what was only to be checked
		if body.ValidateOnly {
			return errOnlyValidated
		}

		return nil
	})
	if err != nil && !errors.Is(err, errOnlyValidated) {
		return nil, err
	}

	// the answer does not wait: status is new until the follower has applied it
	s.wakeFollower()

	return one(status, "load_balancer", shown), nil
}

func (s *Server) createBalancer(r *http.Request) (*reply, error) {
	var body balancerRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	return s.writeBalancer(&body, http.StatusAccepted, func(d *state.Document) (*state.LoadBalancer, error) {
		balancer := state.LoadBalancer{
			ID:      newUUID(),
			Status:  balancerNew,
			Created: s.now(),
		}

		if err := body.fill(d, &balancer); err != nil {
			return nil, err
		}

		if err := checkBalancerName(d, balancer); err != nil {
			return nil, err
		}

		s.begins(&balancer)

		if err := s.address(d, &balancer); err != nil {
			return nil, err
		}

		if body.Tags != nil {
			balancer.Tags = d.UseTags(body.Tags)
		}

		d.LoadBalancers = append(d.LoadBalancers, balancer)
		nameBalancer(d, balancer, nil)

		return &balancer, s.assignBalancer(d, balancer.ID, body.ProjectID)
	})
}

// address gives a load balancer its addresses: one in its VPC, and a public one unless it is internal.
func (s *Server) address(d *state.Document, balancer *state.LoadBalancer) error {
	var free bool

	// Droplets see the balancer's private address as the source of its connections
	balancer.Private, free = d.TakePrivate(d.VPC(balancer.VPC))
	if !free {
		return invalid("no free address is left in the VPC")
	}

	if balancer.Network == internalNetwork {
		return nil
	}

	balancer.Address, free = d.TakePublic(s.Public)
	if !free {
		return invalid("no free address is left in the lab's range %s", s.Public)
	}

	return nil
}

// assignBalancer moves a load balancer to a project. With none named it stays where it is: a new one is in the default
// project.
func (s *Server) assignBalancer(d *state.Document, id, project string) error {
	if project == "" {
		return nil
	}

	i := slices.IndexFunc(d.Projects, func(x state.Project) bool {
		return x.ID == project
	})
	if i < 0 {
		return invalid("project_id is invalid: there is no project %s", project)
	}

	// assigning again would show a later time than the first
	if projectOf(d, balancerURN(id)) == project {
		return nil
	}

	// a resource is in one project at a time
	unassignURN(d, balancerURN(id))

	d.Projects[i].Resources = append(d.Projects[i].Resources, state.Assignment{
		URN: balancerURN(id),
		At:  s.now(),
	})

	return nil
}

// updateBalancer replaces a load balancer: what is left out falls back to its default. Its addresses, and what
// else can't be changed, stay.
func (s *Server) updateBalancer(r *http.Request) (*reply, error) {
	var body balancerRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	return s.writeBalancer(&body, http.StatusOK, func(d *state.Document) (*state.LoadBalancer, error) {
		balancer := d.LoadBalancer(r.PathValue("balancer"))
		if balancer == nil {
			return nil, notFound()
		}

		if err := s.checkIdle(*balancer); err != nil {
			return nil, err
		}

		// what the request leaves out and can't change comes from the balancer itself
		body.keep(*balancer)

		replaced := state.LoadBalancer{
			ID:      balancer.ID,
			Status:  balancer.Status,
			Created: balancer.Created,
			Address: balancer.Address,
			Private: balancer.Private,
			Tags:    balancer.Tags,
			Resized: balancer.Resized,
		}

		if err := body.fill(d, &replaced); err != nil {
			return nil, err
		}

		if err := checkBalancerName(d, replaced); err != nil {
			return nil, err
		}

		if err := s.resizeBalancer(*balancer, &replaced); err != nil {
			return nil, err
		}

		// the whole is built beside the old one: an error must leave that as it is
		if err := checkUnchanged(*balancer, replaced); err != nil {
			return nil, err
		}

		before := balancer.Rules
		s.begins(&replaced)
		*balancer = replaced
		nameBalancer(d, replaced, before)

		return balancer, s.assignBalancer(d, replaced.ID, body.ProjectID)
	})
}

// checkUnchanged refuses what DigitalOcean never changes about a load balancer.
func checkUnchanged(before, after state.LoadBalancer) error {
	switch {
	case after.VPC != before.VPC:
		return invalid("a load balancer's VPC can't be changed")
	case after.Network != before.Network:
		return invalid("a load balancer's network can't be changed")
	case after.Type != before.Type:
		return invalid("a load balancer's type can't be changed")
	case after.NetworkStack != cmp.Or(before.NetworkStack, ipv4Only):
		return invalid("a load balancer's network_stack can't be changed")
	}

	return nil
}

func (s *Server) deleteBalancer(r *http.Request) (*reply, error) {
	return s.changeBalancers(func(d *state.Document) error {
		id := r.PathValue("balancer")
		if d.LoadBalancer(id) == nil {
			return notFound()
		}

		d.LoadBalancers = slices.DeleteFunc(d.LoadBalancers, func(x state.LoadBalancer) bool {
			return x.ID == id
		})
		unassignURN(d, balancerURN(id))

		return nil
	})
}

// purgeBalancerCache is for global load balancers, which alone have a cache.
func (s *Server) purgeBalancerCache(r *http.Request) (*reply, error) {
	if s.Store.View().LoadBalancer(r.PathValue("balancer")) == nil {
		return nil, notFound()
	}

	return nil, invalid("only a load balancer of type GLOBAL has a cache, and the lab has none of these")
}

// changeBalancers makes a change that load balancers may have to follow.
func (s *Server) changeBalancers(change func(*state.Document) error) (*reply, error) {
	if err := s.Store.Update(change); err != nil {
		return nil, err
	}

	s.wakeFollower()

	return noContent(), nil
}

// changeBalancer changes the load balancer in the path by one of its sub-resources.
func (s *Server) changeBalancer(
	r *http.Request,
	body any,
	change func(*state.Document, *state.LoadBalancer) error,
) (*reply, error) {
	if err := decode(r, body); err != nil {
		return nil, err
	}

	return s.changeBalancers(func(d *state.Document) error {
		balancer := d.LoadBalancer(r.PathValue("balancer"))
		if balancer == nil {
			return notFound()
		}

		if err := s.checkIdle(*balancer); err != nil {
			return err
		}

		if err := change(d, balancer); err != nil {
			return err
		}

		s.begins(balancer)

		return nil
	})
}

type dropletIDs struct {
	DropletIDs []int `json:"droplet_ids"`
}

// changeBalancerDroplets changes the list of a load balancer that has one.
func (s *Server) changeBalancerDroplets(
	r *http.Request,
	change func(d *state.Document, balancer *state.LoadBalancer, ids []int) error,
) (*reply, error) {
	var body dropletIDs

	return s.changeBalancer(r, &body, func(d *state.Document, balancer *state.LoadBalancer) error {
		// a change of the list would be lost at the next look at the tag
		if balancer.Tag != "" {
			return invalid("the load balancer follows the tag %s: tag the Droplets instead", balancer.Tag)
		}

		if len(body.DropletIDs) == 0 {
			return invalid("need to provide either a tag or a list of droplets")
		}

		return change(d, balancer, body.DropletIDs)
	})
}

func (s *Server) addBalancerDroplets(r *http.Request) (*reply, error) {
	return s.changeBalancerDroplets(r, func(d *state.Document, balancer *state.LoadBalancer, ids []int) error {
		// adding one that is there already is no error
		wanted := sortedIDs(slices.Concat(balancer.DropletIDs, ids))

		if err := checkDroplets(d, *balancer, wanted); err != nil {
			return err
		}

		balancer.DropletIDs = wanted

		return nil
	})
}

func (s *Server) removeBalancerDroplets(r *http.Request) (*reply, error) {
	return s.changeBalancerDroplets(r, func(_ *state.Document, balancer *state.LoadBalancer, ids []int) error {
		// removing one that is not there is no error
		balancer.DropletIDs = slices.DeleteFunc(balancer.DropletIDs, func(id int) bool {
			return slices.Contains(ids, id)
		})

		return nil
	})
}
