package fleet_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/do"
)

// newProjectWorld has a stack that is to be in a project of the account, and returns the project's number.
func newProjectWorld(t *testing.T) (*world, string) {
	w := newWorldOf(t, text+"project: Shop of Ann\n", nil)

	return w, w.createProject("Shop of Ann")
}

func (w *world) createProject(name string) string {
	project, _, err := w.config.Client.Projects.Create(w.t.Context(), &godo.CreateProjectRequest{
		Name:    name,
		Purpose: "Website or blog",
	})
	require.NoError(w.t, err)

	return project.ID
}

// held are the kinds of what a project holds, sorted.
func (w *world) held(project string) []string {
	resources, err := do.ProjectResources(w.t.Context(), w.config.Client, project)
	require.NoError(w.t, err)

	kinds := []string{}
	for _, resource := range resources {
		kinds = append(kinds, strings.Split(resource.URN, ":")[1])
	}

	slices.Sort(kinds)

	return kinds
}

func (w *world) move(project string, urns ...any) {
	_, _, err := w.config.Client.Projects.AssignResources(w.t.Context(), project, urns...)
	require.NoError(w.t, err)
}

// nodesAndBalancer are what the usual stack has in a project.
var nodesAndBalancer = append(slices.Repeat([]string{"droplet"}, 7), "loadbalancer")

func TestTheStackIsInItsProject(t *testing.T) {
	t.Parallel()

	w, project := newProjectWorld(t)

	// The operator's own, of no stack.
	_, _, err := w.config.Client.Domains.Create(t.Context(), &godo.DomainCreateRequest{Name: "example.org"})
	require.NoError(t, err)
	w.move(project, "do:domain:example.org")

	w.mustUp()
	require.Equal(t, append([]string{"domain"}, nodesAndBalancer...), w.held(project))
	w.nothingToDo()

	require.NoError(t, w.replace("web-1"))
	w.awaitDroplets(7)
	w.nothingToDo()

	w.mustDestroy()
	require.Equal(t, []string{"domain"}, w.held(project), "the project stays, and what else it holds")
}

func TestWhatWasMovedOutOfTheProjectIsMovedBack(t *testing.T) {
	t.Parallel()

	w, project := newProjectWorld(t)
	w.mustUp()

	balancer := w.balancer()
	w.move("default", w.droplet("web-2").URN(), balancer.URN())

	want := "change project Shop of Ann: not in it: web-2, load balancer hornero-blog"
	require.Equal(t, []string{want}, w.plan())

	said := w.hear()
	w.mustUp()
	require.Contains(t, said(), "project Shop of Ann has web-2, load balancer hornero-blog")
	require.Equal(t, nodesAndBalancer, w.held(project))
	w.nothingToDo()
}

func TestAStackThatRunsIsMovedIntoAProject(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	shop := w.createProject("Shop")
	w.config.Stack.Project = "Shop"
	require.Equal(t, []string{
		"change project Shop: not in it: db-1, db-2, db-3, proxy-1, proxy-2, web-1, web-2, load balancer hornero-blog",
	}, w.plan())

	w.mustUp()
	w.nothingToDo()
	require.Equal(t, nodesAndBalancer, w.held(shop))

	// A stack that names none leaves it where it is.
	w.config.Stack.Project = ""
	w.nothingToDo()
	w.mustUp()
	require.Equal(t, nodesAndBalancer, w.held(shop))
}

func TestAReservedIPThatIsFreeIsMovedAndOneThatIsHeldIsWithItsDroplet(t *testing.T) {
	t.Parallel()

	w, project := newProjectWorld(t)
	w.mustUp()

	address := w.asksFor("fra1")
	w.giveToken()

	lines := w.plan()
	require.Contains(t, lines, "change project Shop of Ann: not in it: reserved IP "+address)

	w.mustUp()
	require.Contains(t, w.held(project), "floatingip")
	w.nothingToDo()

	w.move("default", "do:floatingip:"+address)
	w.assign(address, w.droplet("proxy-1").ID)
	w.nothingToDo()
}

func TestAProjectThatIsNotThereIsNotMade(t *testing.T) {
	t.Parallel()

	w := newWorldOf(t, text+"project: Shop\n", nil)

	const (
		refused = `the project cannot be used: the account has no project "Shop"; `
		list    = refused + `the account has "first-project"; write one of them into stack.yaml, or make it at ` +
			`DigitalOcean`
	)

	err := w.up()
	require.ErrorIs(t, err, fleet.ErrProject)
	require.EqualError(t, err, list)
	require.Contains(t, w.plan(), "nothing project Shop: "+list)
	require.Empty(t, w.names(), "nothing was made")

	w.createProject("Shops")
	require.EqualError(t, w.up(), refused+`did you mean "Shops"?`)
}

func TestANodeIsLaunchedAlthoughItsProjectIsGone(t *testing.T) {
	t.Parallel()

	w, _ := newProjectWorld(t)
	w.mustUp()

	w.config.Stack.Project = "Shop of Tom"
	said := w.hear()
	require.NoError(t, w.replace("web-1"), "it serves wherever it is")
	require.Contains(t, said(), "not in project Shop of Tom yet: the project cannot be used: ")
}

func TestTheStackIsMovedAlthoughTheFirstAnswerIsLost(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	shop := w.createProject("Shop")
	w.config.Stack.Project = "Shop"

	lost := false
	b := w.faulty(eager)
	b.set(w.losesFirst("/resources", &lost))
	w.mustUp()
	require.True(t, lost)
	require.Equal(t, nodesAndBalancer, w.held(shop))
	w.nothingToDo()
}
