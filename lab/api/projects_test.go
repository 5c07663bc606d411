package api_test

import (
	"regexp"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func TestProjects(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	first, _, err := w.Projects.GetDefault(ctx)
	require.NoError(t, err)
	require.True(t, first.IsDefault)

	droplet := w.create(request("web"))
	urn := droplet.URN()
	held, _, err := w.Projects.ListResources(ctx, first.ID, nil)
	require.NoError(t, err)
	require.Equal(t, urn, held[0].URN, "what nobody assigned is in the default project")

	project, answer, err := w.Projects.Create(ctx, &godo.CreateProjectRequest{
		Name:        "site",
		Purpose:     "Website or blog",
		Environment: "staging",
	})
	require.NoError(t, err)
	require.Equal(t, 201, answer.StatusCode)
	require.Equal(t, "Staging", project.Environment)

	_, _, err = w.Projects.Create(ctx, &godo.CreateProjectRequest{
		Name:    "site",
		Purpose: "x",
	})
	refused(t, err, 409, "already in use")

	_, _, err = w.Projects.Create(ctx, &godo.CreateProjectRequest{
		Name:        "other",
		Purpose:     "x",
		Environment: "Moon",
	})
	refused(t, err, 422, "environment")

	assigned, answer, err := w.Projects.AssignResources(ctx, project.ID, urn)
	require.NoError(t, err)
	require.Equal(t, 200, answer.StatusCode)
	require.Equal(t, urn, assigned[0].URN)

	held, _, err = w.Projects.ListResources(ctx, "default", nil)
	require.NoError(t, err)
	require.Empty(t, held, "it moved")

	changed, _, err := w.Projects.Update(ctx,
		project.ID,
		&godo.UpdateProjectRequest{Description: "blog"},
	)
	require.NoError(t, err)
	require.Equal(t, "site", changed.Name, "null leaves a field alone")
	require.Equal(t, "blog", changed.Description)

	_, err = w.Projects.Delete(ctx, project.ID)
	refused(t, err, 412, "cannot delete a project with resources")

	w.destroy(droplet.ID)

	w.eventually("the project is empty", func() bool {
		_, err = w.Projects.Delete(ctx, project.ID)
		return err == nil
	})

	_, err = w.Projects.Delete(ctx, first.ID)
	refused(t, err, 412, "default")
}

func TestWhatIsAssignedIsSaidOfEach(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	urn := w.create(request("web")).URN()

	told, _, err := w.Projects.AssignResources(ctx, "default", urn, "do:droplet:1")
	require.NoError(t, err, "what is not there is said of each by itself")
	require.Equal(t, "already_assigned", told[0].Status)
	require.Equal(t, "do:droplet:1", told[1].URN)
	require.Equal(t, "not_found", told[1].Status)
}

// urnPattern is what the API's description says of URNs.
var urnPattern = regexp.MustCompile(`^do:(dbaas|domain|droplet|floatingip|loadbalancer|space|volume|kubernetes|vpc):.*`)

func TestAReservedIPIsShownAsTheDescriptionSays(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()

	reserved, _, err := w.ReservedIPs.Create(ctx, &godo.ReservedIPCreateRequest{Region: "fra1"})
	require.NoError(t, err)

	project, _, err := w.Projects.Create(ctx, &godo.CreateProjectRequest{
		Name:    "site",
		Purpose: "x",
	})
	require.NoError(t, err)

	// As clients call it, by either name.
	for _, urn := range []string{reserved.URN(), "do:floatingip:" + reserved.IP} {
		_, _, err = w.Projects.AssignResources(ctx, project.ID, urn)
		require.NoError(t, err)
	}

	held, _, err := w.Projects.ListResources(ctx, project.ID, nil)
	require.NoError(t, err)
	require.Len(t, held, 1)
	require.Equal(t, "do:floatingip:"+reserved.IP, held[0].URN)
	require.Regexp(t, urnPattern, held[0].URN)
}
