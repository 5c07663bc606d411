package api_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func TestPitfall12NotFoundIsJSON(t *testing.T) {
	w := newWorld(t)

	paths := []string{
		"/v2/droplets/1",
		"/v2/nothing",
		"/",
		"/v2/droplets/abc",
		"/v2/vpcs/none",
		"/v2/load_balancers/x",
		"/v2/firewalls/x",
		"/v2/volumes/x",
		"/v2/reserved_ips/1.2.3.4",
		"/v2/domains/x",
		"/v2/projects/x",
		"/v2/certificates/x",
		"/v2/tags/x",
		"/v2/snapshots/x",
		"/v2/spaces/keys/x",
		"/v2/actions/x",
	}

	for _, path := range paths {
		status, body, _ := w.raw("GET", path, "")
		require.Equal(t, 404, status, path)
		require.Equal(t, "not_found", body["id"], path)
	}
}

func TestPitfall13Codes(t *testing.T) {
	w := newWorld(t)
	droplet := w.create(request("web"))
	key := "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHqzM0kxTAnBDHX5lCXmYMlQpyFLwBJVeKwBYhLXeEuS"
	rule := `{"entry_protocol":"http","entry_port":80,"target_protocol":"http","target_port":80}`

	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{
			method: "POST",
			path:   "/v2/droplets",
			body:   `{"name":"b","region":"nyc3","size":"s-1vcpu-1gb","image":"debian-13-x64"}`,
			status: 202,
		},
		{
			method: "POST",
			path:   "/v2/reserved_ips",
			body:   `{"region":"nyc3"}`,
			status: 202,
		},
		{
			method: "POST",
			path:   "/v2/load_balancers",
			body:   `{"name":"lb","region":"nyc3","tag":"web","forwarding_rules":[` + rule + `]}`,
			status: 202,
		},
		{
			method: "POST",
			path:   "/v2/account/keys",
			body:   `{"name":"k","public_key":"` + key + `"}`,
			status: 201,
		},
		{
			method: "POST",
			path:   "/v2/tags",
			body:   `{"name":"t"}`,
			status: 201,
		},
		{
			method: "POST",
			path:   "/v2/tags",
			body:   `{"name":"t"}`,
			status: 201,
		},
		{
			method: "POST",
			path:   "/v2/tags/t/resources",
			body:   `{"resources":[]}`,
			status: 204,
		},
		{
			method: "POST",
			path:   "/v2/vpcs",
			body:   `{"name":"v","region":"nyc3"}`,
			status: 201,
		},
		{
			method: "POST",
			path:   "/v2/domains",
			body:   `{"name":"example.com"}`,
			status: 201,
		},
		{
			method: "POST",
			path:   "/v2/domains/example.com/records",
			body:   `{"type":"TXT","name":"x","data":"y"}`,
			status: 201,
		},
		{
			method: "POST",
			path:   "/v2/projects",
			body:   `{"name":"p","purpose":"x"}`,
			status: 201,
		},
		{
			method: "POST",
			path:   "/v2/projects/default/resources",
			body:   `{"resources":["do:domain:example.com"]}`,
			status: 200,
		},
		{
			method: "POST",
			path:   "/v2/volumes",
			body:   `{"name":"v","region":"nyc3","size_gigabytes":1}`,
			status: 201,
		},
		{
			method: "POST",
			path:   "/v2/spaces/keys",
			body:   `{"name":"s"}`,
			status: 201,
		},
		{
			method: "POST",
			path:   fmt.Sprintf("/v2/droplets/%d/actions", droplet.ID),
			body:   `{"type":"rename","name":"c"}`,
			status: 201,
		},
		{
			method: "DELETE",
			path:   "/v2/domains/example.com",
			status: 204,
		},
		{
			method: "DELETE",
			path:   "/v2/tags/t",
			status: 204,
		},
	} {
		status, body, _ := w.raw(c.method, c.path, c.body)
		require.Equal(t, c.status, status, "%s %s: %v", c.method, c.path, body)
		if c.status == 204 {
			require.Empty(t, body)
		}
	}
}

func TestPitfall14RequestAndAnswerDiffer(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("web"))
	require.Equal(t,
		[]string{"nyc3", "s-1vcpu-1gb", "s-1vcpu-1gb"},
		[]string{droplet.Region.Slug, droplet.Size.Slug, droplet.SizeSlug},
	)

	vpc, _, err := w.VPCs.Get(ctx, droplet.VPCUUID)
	require.NoError(t, err)
	require.Equal(t, "nyc3", vpc.RegionSlug)

	balancer, _, err := w.LoadBalancers.Create(ctx, &godo.LoadBalancerRequest{
		Name:   "lb",
		Region: "nyc3",
		Tag:    "web",
		ForwardingRules: []godo.ForwardingRule{{
			EntryProtocol:  "http",
			EntryPort:      80,
			TargetProtocol: "http",
			TargetPort:     80,
		}},
	})
	require.NoError(t, err)
	require.Equal(t, "none", balancer.StickySessions.Type)
	require.Equal(t, "http", balancer.HealthCheck.Protocol)
}

func TestPitfall15PutReplaces(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()

	ask := &godo.LoadBalancerRequest{
		Name:   "lb",
		Region: "nyc3",
		Tag:    "web",
		StickySessions: &godo.StickySessions{
			Type:             "cookies",
			CookieName:       "node",
			CookieTtlSeconds: 300,
		},
		ForwardingRules: []godo.ForwardingRule{{
			EntryProtocol:  "http",
			EntryPort:      80,
			TargetProtocol: "http",
			TargetPort:     80,
		}},
	}

	balancer, _, err := w.LoadBalancers.Create(ctx, ask)
	require.NoError(t, err)

	ask.StickySessions = nil
	balancer, _, err = w.LoadBalancers.Update(ctx, balancer.ID, ask)
	require.NoError(t, err)
	require.Equal(t, "none", balancer.StickySessions.Type)

	ask.ForwardingRules = nil
	_, _, err = w.LoadBalancers.Update(ctx, balancer.ID, ask)
	refused(t, err, 422, "")

	project, _, err := w.Projects.GetDefault(ctx)
	require.NoError(t, err)

	changed, _, err := w.Projects.Update(ctx,
		project.ID,
		&godo.UpdateProjectRequest{Description: "new"},
	)
	require.NoError(t, err)
	require.Equal(t, project.Name, changed.Name, "a PATCH with nulls blanks nothing")
}

func TestPitfall16Paging(t *testing.T) { TestPaging(t) }

func TestPitfall17Order(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, name := range []string{"a", "b", "c"} {
		w.create(request(name))
	}

	actions, _, err := w.Actions.List(ctx, nil)
	require.NoError(t, err)
	require.IsDecreasing(t, []int{actions[0].ID, actions[1].ID, actions[2].ID}, "newest first")
	var names []string

	for page := 1; page <= 3; page++ {
		droplets, _, err := w.Droplets.List(ctx, &godo.ListOptions{
			Page:    page,
			PerPage: 1,
		})
		require.NoError(t, err)
		names = append(names, droplets[0].Name)
	}

	require.Equal(t, []string{"a", "b", "c"}, names, "the rest is stable between pages")
}

func TestPitfall22UserDataIsNotReadableAgain(t *testing.T) {
	w := newWorld(t)
	ask := request("web")
	ask.UserData = "#cloud-config\n# a-secret-of-mine\n"
	id := w.create(ask).ID

	paths := []string{
		fmt.Sprintf("/v2/droplets/%d", id),
		"/v2/droplets",
		"/v2/actions",
		"/lab/v1/status",
	}

	for _, path := range paths {
		_, body, _ := w.raw("GET", path, "")
		text, err := json.Marshal(body)
		require.NoError(t, err)
		require.NotContains(t, string(text), "a-secret-of-mine", path)
		require.NotContains(t, string(text), "user_data", path)
	}
}
