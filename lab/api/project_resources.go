package api

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hornero/hornero/lab/state"
)

type resourceShape struct {
	URN        string            `json:"urn"`
	AssignedAt string            `json:"assigned_at"`
	Links      map[string]string `json:"links"`
	Status     string            `json:"status"`
}

func showAssignment(r *http.Request, assignment state.Assignment, status string) resourceShape {
	return resourceShape{
		URN:        describedURN(assignment.URN),
		AssignedAt: showTime(assignment.At),
		Status:     status,
		Links:      map[string]string{"self": absolute(r, resourcePath(assignment.URN))},
	}
}

// resourcePath is the path of the resource that a URN names.
func resourcePath(urn string) string {
	kind, id, _ := strings.Cut(strings.TrimPrefix(urn, "do:"), ":")

	collections := map[string]string{
		"droplet":      "droplets",
		"volume":       "volumes",
		"loadbalancer": "load_balancers",
		"domain":       "domains",
		"reservedip":   "reserved_ips",
		"floatingip":   "floating_ips",
	}

	return "/v2/" + collections[kind] + "/" + id
}

// inProjects are the URNs of all that projects can hold, with the time that each was made.
func inProjects(d *state.Document) map[string]time.Time {
	all := map[string]time.Time{}
	for _, x := range d.Droplets {
		all["do:droplet:"+strconv.Itoa(x.ID)] = x.Created
	}

	for _, x := range d.Volumes {
		all["do:volume:"+x.ID] = x.Created
	}

	for _, x := range d.LoadBalancers {
		all["do:loadbalancer:"+x.ID] = x.Created
	}

	for _, x := range d.Domains {
		all["do:domain:"+x.Name] = x.Created
	}

	for _, x := range d.ReservedIPs {
		all["do:reservedip:"+x.Address.String()] = x.Created
	}

	return all
}

// resourcesOf lists what a project holds, as assigned. The default one holds all that no other does.
func resourcesOf(d *state.Document, project state.Project) []state.Assignment {
	there := inProjects(d)

	// what was deleted may still be assigned: only what there is counts
	held := slices.DeleteFunc(slices.Clone(project.Resources), func(x state.Assignment) bool {
		return there[x.URN].IsZero()
	})
	if !project.Default {
		return held
	}

	// the default project holds what nobody assigned elsewhere
	for _, other := range d.Projects {
		for _, assignment := range other.Resources {
			delete(there, assignment.URN)
		}
	}

	rest := []state.Assignment{}
	for urn, created := range there {
		rest = append(rest, state.Assignment{
			URN: urn,
			At:  created,
		})
	}

	// the map has no order, and pages of a list need one
	slices.SortFunc(rest, func(a, b state.Assignment) int {
		return strings.Compare(a.URN, b.URN)
	})

	return append(held, rest...)
}

func (p *projects) listProjectResources(r *http.Request) (*reply, error) {
	d := p.store.View()
	project, err := projectIn(r, d)
	if err != nil {
		return nil, err
	}

	shown := []resourceShape{}

	for _, assignment := range resourcesOf(d, *project) {
		shown = append(shown, showAssignment(r, assignment, resourceOK))
	}

	return list(r, "resources", shown), nil
}

// What is said of a resource of a project (DigitalOcean's API description, project_resource).
const (
	resourceOK              = "ok"
	resourceAssigned        = "assigned"
	resourceAlreadyAssigned = "already_assigned"
	resourceNotFound        = "not_found"
)

// assignResources moves things from the projects that they are in to one. What is not there is said of each by itself:
// Terraform's apply of one Droplet less still names it.
func (p *projects) assignResources(r *http.Request) (*reply, error) {
	var body struct {
		Resources []string `json:"resources"`
	}

	if err := decode(r, &body); err != nil {
		return nil, err
	}

	shown := []resourceShape{}
	err := p.store.Update(func(d *state.Document) error {
		project, err := projectIn(r, d)
		if err != nil {
			return err
		}

		for _, sent := range body.Resources {
			assignment := state.Assignment{
				URN: canonicalURN(sent),
				At:  p.now(),
			}

			status := assign(d, project, assignment)
			shown = append(shown, showAssignment(r, assignment, status))
		}

		return nil
	})
	if err != nil {
		return nil, err
	}

	return &reply{
		status: http.StatusOK,
		body:   map[string]any{"resources": shown},
	}, nil
}

// assign moves a resource to a project from its old one, and tells what came of it.
func assign(d *state.Document, project *state.Project, assignment state.Assignment) string {
	if inProjects(d)[assignment.URN].IsZero() {
		return resourceNotFound
	}

	status := resourceAssigned
	if projectOf(d, assignment.URN) == project.ID {
		status = resourceAlreadyAssigned
	}

	unassignURN(d, assignment.URN)
	project.Resources = append(project.Resources, assignment)

	return status
}

// describedURN is a URN as the API shows it. Its description has no word for a reserved IP but the older one.
func describedURN(urn string) string {
	if address, reserved := strings.CutPrefix(urn, "do:reservedip:"); reserved {
		return "do:floatingip:" + address
	}

	return urn
}

// canonicalURN is a URN in lower case. A floating IP has its present name in it, reserved IP.
func canonicalURN(urn string) string {
	urn = strings.ToLower(urn)

	// floatingip is the older name of the same address
	if address, old := strings.CutPrefix(urn, "do:floatingip:"); old {
		if _, err := netip.ParseAddr(address); err == nil {
			return "do:reservedip:" + address
		}
	}

	return urn
}

// unassignURN takes a resource out of the project that it is in.
func unassignURN(d *state.Document, urn string) {
	for i := range d.Projects {
		project := &d.Projects[i]
		project.Resources = slices.DeleteFunc(project.Resources, func(x state.Assignment) bool {
			return x.URN == urn
		})
	}
}

// projectOf is the project that holds a resource: the default one when nobody assigned it.
func projectOf(d *state.Document, urn string) string {
	holder := ""
	for _, project := range d.Projects {
		assigned := slices.ContainsFunc(project.Resources, func(x state.Assignment) bool {
			return x.URN == urn
		})
		if assigned {
			return project.ID
		}

		// an assignment counts more than the default, wherever it stands in the list
		if project.Default {
			holder = project.ID
		}
	}

	return holder
}
