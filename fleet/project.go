package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/report"
)

// ErrProject means that the project of stack.yaml cannot be used.
var ErrProject = errors.New("the project cannot be used")

// belonging is a resource of the stack that is to be in its project.
type belonging struct {
	urn  string
	name string // for people
}

// holdings is the project of stack.yaml with what it holds; nil where none is named, or it cannot be used.
type holdings struct {
	name string
	urns []string
}

// project finds the project of stack.yaml. Projects are the operator's: a name that is not there may be misspelt, and
// is never made.
func (f *Fleet) project(ctx context.Context) (*godo.Project, error) {
	all, err := do.Projects(ctx, f.Client)
	if err != nil {
		return nil, err
	}

	var names []string

	for i := range all {
		if all[i].Name == f.Stack.Project {
			return &all[i], nil
		}

		names = append(names, fmt.Sprintf("%q", all[i].Name))
	}

	slices.Sort(names)

	hint := "the account has " + strings.Join(names, ", ") + "; write one of them into stack.yaml, or make it at " +
		"DigitalOcean"
	if near := report.Nearest(fmt.Sprintf("%q", f.Stack.Project), names); near != "" {
		hint = "did you mean " + near + "?"
	}

	return nil, fmt.Errorf("%w: the account has no project %q; %s", ErrProject, f.Stack.Project, hint)
}

// checkProject looks whether the project is there before anything is made.
func (f *Fleet) checkProject(ctx context.Context) error {
	if f.Stack.Project == "" {
		return nil
	}

	_, err := f.project(ctx)

	return err
}

// readProject reads what a plan compares. A project that cannot be used is told of, and nothing is compared.
func (f *Fleet) readProject(ctx context.Context, w *wanted, have *found) error {
	if f.Stack.Project == "" {
		return nil
	}

	project, err := f.project(ctx)
	if errors.Is(err, ErrProject) {
		w.unusable = append(w.unusable, unusable{
			kind:   KindProject,
			name:   f.Stack.Project,
			reason: err.Error(),
		})

		return nil
	}

	if err != nil {
		return err
	}

	w.belongings, err = f.belongings(ctx, have.members, have.balancers)
	if err != nil {
		return err
	}

	have.project, err = f.holdings(ctx, project)

	return err
}

func (f *Fleet) holdings(
	ctx context.Context,
	project *godo.Project,
) (*holdings, error) {
	resources, err := do.ProjectResources(ctx, f.Client, project.ID)
	if err != nil {
		return nil, err
	}

	held := &holdings{name: project.Name}
	for _, resource := range resources {
		held.urns = append(held.urns, resource.URN)
	}

	return held, nil
}

// belongings are what is to be in the project: Droplets, load balancers, and the reserved IP while no Droplet has it.
// Then it is where its Droplet is, and the API refuses to move it by itself.
func (f *Fleet) belongings(
	ctx context.Context,
	members []member,
	balancers []godo.LoadBalancer,
) ([]belonging, error) {
	all := belongingsOf(members)

	for _, balancer := range balancers {
		all = append(all, belonging{
			urn:  balancer.URN(),
			name: "load balancer " + balancer.Name,
		})
	}

	if f.Stack.ReservedIP == nil {
		return all, nil
	}

	reserved, err := f.reserved(ctx)
	if errors.Is(err, ErrReserved) || err == nil && reserved.Droplet != nil {
		return all, nil // that there is none is told elsewhere
	}

	if err != nil {
		return nil, err
	}

	return append(all, belonging{
		// The API shows it by its older name, and takes both.
		urn:  godo.ToURN("FloatingIP", reserved.IP),
		name: "reserved IP " + reserved.IP,
	}), nil
}

func belongingsOf(members []member) []belonging {
	var all []belonging

	for _, m := range members {
		all = append(all, belonging{
			urn:  m.Droplet.URN(),
			name: m.Node,
		})
	}

	return all
}

// lacks are those that are not in the project.
func (h holdings) lacks(all []belonging) []belonging {
	holds := func(one belonging) bool {
		newer := strings.Replace(one.urn, ":floatingip:", ":reservedip:", 1)

		return slices.Contains(h.urns, one.urn) || slices.Contains(h.urns, newer)
	}

	return slices.DeleteFunc(slices.Clone(all), holds)
}

func compareProject(want wanted, have found) []Difference {
	if have.project == nil {
		return nil
	}

	lacking := have.project.lacks(want.belongings)
	if len(lacking) == 0 {
		return nil
	}

	one := Difference{
		Kind:   KindProject,
		Name:   have.project.name,
		Action: ActionChange,
		Reason: "not in it: " + namesOf(lacking),
		By:     up,
	}

	return []Difference{one}
}

func namesOf(all []belonging) string {
	var names []string
	for _, one := range all {
		names = append(names, one.name)
	}

	return strings.Join(names, ", ")
}

// ensureProject moves what there is of the stack into its project. What else the project holds stays.
func (f *Fleet) ensureProject(ctx context.Context) error {
	if f.Stack.Project == "" {
		return nil
	}

	project, err := f.project(ctx)
	if err != nil {
		return err
	}

	// Also those that stack.yaml does not name: a roll may stand.
	members, err := f.nodes(ctx)
	if err != nil {
		return err
	}

	balancers, err := f.balancers(ctx)
	if err != nil {
		return err
	}

	all, err := f.belongings(ctx, members, balancers)
	if err != nil {
		return err
	}

	held, err := f.holdings(ctx, project)
	if err != nil {
		return err
	}

	return f.assign(ctx, project, held.lacks(all))
}

// assignLaunched moves new Droplets into the project. They run: that they are in another project for a while is told,
// and keeps nobody from going on. The next up moves them.
func (f *Fleet) assignLaunched(ctx context.Context, fresh ...member) {
	if f.Stack.Project == "" || len(fresh) == 0 {
		return
	}

	project, err := f.project(ctx)
	if err == nil {
		err = f.assign(ctx, project, belongingsOf(fresh))
	}

	if err != nil {
		f.progress("%s: not in project %s yet: %v", nodeNames(fresh), f.Stack.Project, err)
	}
}

// assign moves resources into a project. To do it twice is no error.
func (f *Fleet) assign(
	ctx context.Context,
	project *godo.Project,
	all []belonging,
) error {
	if len(all) == 0 {
		return nil
	}

	var urns []any
	for _, one := range all {
		urns = append(urns, one.urn)
	}

	var told []godo.ProjectResource

	what := fmt.Sprintf("move %s into project %s", namesOf(all), project.Name)
	err := do.Repeat(ctx, what, f.Unclear, func(ctx context.Context) error {
		var err error
		told, _, err = f.Client.Projects.AssignResources(ctx, project.ID, urns...)

		return err
	})
	if err != nil {
		return err
	}

	// The API takes a list as a whole, and says of each whether it was found.
	var lost []belonging

	for _, one := range all {
		said := func(resource godo.ProjectResource) bool {
			return resource.URN == one.urn && resource.Status == statusNotFound
		}
		if slices.ContainsFunc(told, said) {
			lost = append(lost, one)
		}
	}

	isLost := func(one belonging) bool { return slices.Contains(lost, one) }
	moved := slices.DeleteFunc(slices.Clone(all), isLost)

	if len(moved) > 0 {
		f.progress("project %s has %s", project.Name, namesOf(moved))
	}

	// It was deleted meanwhile: what is launched in its place is moved then.
	if len(lost) > 0 {
		f.progress("project %s: not there any more: %s", project.Name, namesOf(lost))
	}

	return nil
}

// statusNotFound is said of a resource that does not exist (DigitalOcean's API description, project_resource).
const statusNotFound = "not_found"
