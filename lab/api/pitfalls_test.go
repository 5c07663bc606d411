package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
)

// What a pretended DigitalOcean usually gets wrong, one test for each.

func TestPitfall01InstantSuccess(t *testing.T) {
	w := newWorld(t)
	release := w.machines.hold()
	defer release()

	droplet, answer, err := w.client.Droplets.Create(t.Context(), request("web"))
	require.NoError(t, err)
	require.Equal(t, 202, answer.StatusCode)
	require.Equal(t, []any{"new", true}, []any{droplet.Status, droplet.Locked})
	require.Empty(t, droplet.Networks.V4)

	action, _, err := w.client.Actions.Get(t.Context(), answer.Links.Actions[0].ID)
	require.NoError(t, err)
	require.Equal(t, "in-progress", action.Status)
	require.Nil(t, action.CompletedAt)
}

func TestPitfall02NetworksLate(t *testing.T) {
	w := newWorld(t, func(o *api.Options) {
		o.Delays.Network = 50 * time.Millisecond
	})
	droplet := w.create(request("web"))
	require.Empty(t, droplet.Networks.V4, "active comes before the addresses")
	w.eventually("addresses shown", func() bool {
		return len(w.active(droplet.ID).Networks.V4) == 2
	})
}

func TestPitfall04LockedWhilePending(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("web"))
	release := w.machines.hold()
	action, _, err := w.client.DropletActions.Shutdown(ctx, droplet.ID)
	require.NoError(t, err)

	_, _, err = w.client.DropletActions.Shutdown(ctx, droplet.ID)
	refused(t, err, 422, "Droplet already has a pending event.")

	got, _, err := w.client.Droplets.Get(ctx, droplet.ID)
	require.NoError(t, err)
	require.True(t, got.Locked)
	release()

	w.eventually("off and unlocked at once", func() bool {
		got, _, err := w.client.Droplets.Get(ctx, droplet.ID)
		require.NoError(t, err)
		require.Equal(t, got.Locked, got.Status == "active", "status and lock change together")

		return !got.Locked
	})

	require.Equal(t, "completed", w.done(action).Status)
}

func TestPitfall05PowerOffOfOneThatIsOff(t *testing.T) {
	w := newWorld(t)
	droplet := w.create(request("web"))
	action, _, err := w.client.DropletActions.PowerOff(t.Context(), droplet.ID)
	require.NoError(t, err)
	w.done(action)

	_, _, err = w.client.DropletActions.PowerOff(t.Context(), droplet.ID)
	refused(t, err, 422, "Droplet is already powered off")

	action, _, err = w.client.DropletActions.Shutdown(t.Context(), droplet.ID)
	require.NoError(t, err, "a shutdown of one that is off is no error")
	require.Equal(t, "completed", w.done(action).Status)
}

func TestPitfall06ResizeOnlyWhenOff(t *testing.T) { TestResize(t) }

func TestPitfall07SnapshotHasTwoFaces(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("web"))
	action, _, err := w.client.DropletActions.Snapshot(ctx, droplet.ID, "kept")
	require.NoError(t, err)
	require.Equal(t, "droplet", action.ResourceType)

	action = w.done(action)
	images, _, err := w.client.Droplets.Snapshots(ctx, droplet.ID, nil)
	require.NoError(t, err)
	require.Len(t, images, 1)

	require.Equal(t,
		action.StartedAt.Format(time.RFC3339),
		images[0].Created,
		"its time is the action's start",
	)

	require.Equal(t, []any{"snapshot", false, ""}, []any{
		images[0].Type, images[0].Public, images[0].Slug,
	})

	snapshot, _, err := w.client.Snapshots.Get(ctx, itoa(images[0].ID))
	require.NoError(t, err)

	require.Equal(t,
		[]string{itoa(images[0].ID), itoa(droplet.ID)},
		[]string{snapshot.ID, snapshot.ResourceID},
	)

	got := w.active(droplet.ID)
	require.Equal(t, []int{images[0].ID}, got.SnapshotIDs)

	_, err = w.client.Droplets.Delete(ctx, droplet.ID)
	require.NoError(t, err)

	w.eventually("Droplet gone", func() bool {
		_, _, err := w.client.Droplets.Get(ctx, droplet.ID)
		return err != nil
	})

	_, _, err = w.client.Images.GetByID(ctx, images[0].ID)
	require.NoError(t, err, "it outlives its Droplet")
}

func TestPitfall08ImageInOneRegion(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	droplet := w.create(request("web"))
	action, _, err := w.client.DropletActions.Snapshot(ctx, droplet.ID, "kept")
	require.NoError(t, err)
	w.done(action)

	id := w.active(droplet.ID).SnapshotIDs[0]
	elsewhere := request("other")
	elsewhere.Region = "fra1"
	elsewhere.Image = godo.DropletCreateImage{ID: id}
	_, _, err = w.client.Droplets.Create(ctx, elsewhere)
	refused(t, err, 422, "not available in the region fra1")

	byName := request("other")
	byName.Image = godo.DropletCreateImage{Slug: "kept"}
	_, _, err = w.client.Droplets.Create(ctx, byName)
	refused(t, err, 422, "invalid image")

	transfer, _, err := w.client.ImageActions.Transfer(ctx, id, &godo.ActionRequest{"type": "transfer", "region": "fra1"})
	require.NoError(t, err)
	require.Equal(t, "completed", w.done(transfer).Status)

	_, _, err = w.client.Droplets.Create(ctx, elsewhere)
	require.NoError(t, err)
}

func TestPitfall09RebuildKeepsAddresses(t *testing.T) { TestRebuild(t) }

func TestPitfall10DeleteIsNotInstant(t *testing.T) {
	w := newWorld(t, func(o *api.Options) {
		o.Delays.Delete = 50 * time.Millisecond
	})
	ctx := t.Context()
	vpc, _, err := w.client.VPCs.Create(ctx, &godo.VPCCreateRequest{Name: "inner", RegionSlug: "nyc3"})
	require.NoError(t, err)

	ask := request("web")
	ask.VPCUUID = vpc.ID
	ask.Tags = []string{"gone"}
	droplet := w.create(ask)
	other := w.create(request("other"))
	answer, err := w.client.Droplets.DeleteByTag(ctx, "gone")
	require.NoError(t, err)
	require.Equal(t, 204, answer.StatusCode)

	_, _, err = w.client.Droplets.Get(ctx, droplet.ID)
	require.NoError(t, err, "it is still seen")

	_, err = w.client.Droplets.Delete(ctx, droplet.ID)
	refused(t, err, 404, "could not be found")

	_, err = w.client.VPCs.Delete(ctx, vpc.ID)
	refused(t, err, 403, "")

	w.eventually("gone", func() bool {
		_, err := w.client.VPCs.Delete(ctx, vpc.ID)
		return err == nil
	})

	_, _, err = w.client.Droplets.Get(ctx, droplet.ID)
	refused(t, err, 404, "could not be found")
	w.active(other.ID)
}

func TestPitfall11Tags(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ask := request("web")
	ask.Tags = []string{"Front:one"}
	first := w.create(ask)
	ask.Tags = []string{"front:ONE"}
	require.Equal(t,
		[]string{"Front:one"},
		w.create(ask).Tags,
		"the first spelling wins",
	)

	found, _, err := w.client.Droplets.ListByTag(ctx, "FRONT:one", nil)
	require.NoError(t, err)
	require.Len(t, found, 2, "matching ignores case")

	none, answer, err := w.client.Droplets.ListByTag(ctx, "nobody", nil)
	require.NoError(t, err)
	require.Empty(t, none)
	require.Equal(t, 200, answer.StatusCode)

	_, err = w.client.Tags.Delete(ctx, "Front:one")
	require.NoError(t, err)
	require.Empty(t, w.active(first.ID).Tags, "untagged, not deleted")

	for _, name := range []string{
		"a b",
		"",
		strings.Repeat("x", 256),
		"é",
	} {
		_, _, err := w.client.Tags.Create(ctx, &godo.TagCreateRequest{Name: name})
		refused(t, err, 422, "no tag")
	}
}

func TestPitfall12NotFoundIsJSON(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/v2/droplets/1", "/v2/nothing", "/", "/v2/droplets/abc", "/v2/vpcs/none", "/v2/load_balancers/x", "/v2/firewalls/x", "/v2/volumes/x",
		"/v2/reserved_ips/1.2.3.4", "/v2/domains/x", "/v2/projects/x", "/v2/certificates/x", "/v2/tags/x", "/v2/snapshots/x", "/v2/spaces/keys/x", "/v2/actions/x"} {
		status, body, _ := w.raw("GET", path, "")
		require.Equal(t, 404, status, path)
		require.Equal(t, "not_found", body["id"], path)
	}
}

func TestPitfall13Codes(t *testing.T) {
	w := newWorld(t)
	droplet := w.create(request("web"))
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
			body:   `{"name":"lb","region":"nyc3","tag":"web","forwarding_rules":[{"entry_protocol":"http","entry_port":80,"target_protocol":"http","target_port":80}]}`,
			status: 202,
		},
		{
			method: "POST",
			path:   "/v2/account/keys",
			body:   `{"name":"k","public_key":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHqzM0kxTAnBDHX5lCXmYMlQpyFLwBJVeKwBYhLXeEuS"}`,
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
			body:   "",
			status: 204,
		},
		{
			method: "DELETE",
			path:   "/v2/tags/t",
			body:   "",
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
	droplet := w.create(request("web"))
	require.Equal(t,
		[]string{"nyc3", "s-1vcpu-1gb", "s-1vcpu-1gb"},
		[]string{droplet.Region.Slug, droplet.Size.Slug, droplet.SizeSlug},
	)

	vpc, _, err := w.client.VPCs.Get(t.Context(), droplet.VPCUUID)
	require.NoError(t, err)
	require.Equal(t, "nyc3", vpc.RegionSlug)

	balancer, _, err := w.client.LoadBalancers.Create(t.Context(), &godo.LoadBalancerRequest{
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

	balancer, _, err := w.client.LoadBalancers.Create(ctx, ask)
	require.NoError(t, err)

	ask.StickySessions = nil
	balancer, _, err = w.client.LoadBalancers.Update(ctx, balancer.ID, ask)
	require.NoError(t, err)
	require.Equal(t, "none", balancer.StickySessions.Type)

	ask.ForwardingRules = nil
	_, _, err = w.client.LoadBalancers.Update(ctx, balancer.ID, ask)
	refused(t, err, 422, "")

	project, _, err := w.client.Projects.GetDefault(ctx)
	require.NoError(t, err)

	changed, _, err := w.client.Projects.Update(ctx,
		project.ID,
		&godo.UpdateProjectRequest{Description: "new"},
	)
	require.NoError(t, err)
	require.Equal(t, project.Name, changed.Name, "a PATCH with nulls blanks nothing")
}

func TestPitfall16Paging(t *testing.T) { TestPaging(t) }

func TestPitfall17Order(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"a", "b", "c"} {
		w.create(request(name))
	}

	actions, _, err := w.client.Actions.List(t.Context(), nil)
	require.NoError(t, err)
	require.IsDecreasing(t, []int{actions[0].ID, actions[1].ID, actions[2].ID}, "newest first")
	var names []string

	for page := 1; page <= 3; page++ {
		droplets, _, err := w.client.Droplets.List(t.Context(), &godo.ListOptions{Page: page, PerPage: 1})
		require.NoError(t, err)
		names = append(names, droplets[0].Name)
	}

	require.Equal(t, []string{"a", "b", "c"}, names, "the rest is stable between pages")
}

func TestPitfall19DefaultVPC(t *testing.T) {
	w := newWorld(t)
	droplet := w.create(request("web"))
	vpc, _, err := w.client.VPCs.Get(t.Context(), droplet.VPCUUID)
	require.NoError(t, err)
	require.True(t, vpc.Default)

	_, err = w.client.VPCs.Delete(t.Context(), vpc.ID)
	refused(t, err, 403, "")

	private, err := droplet.PrivateIPv4()
	require.NoError(t, err)

	require.True(t,
		strings.HasPrefix(private, vpc.IPRange[:strings.Index(vpc.IPRange, ".0.0/")]),
		"%s is of %s",
		private,
		vpc.IPRange,
	)
}

func TestPitfall20TwoPublicAddresses(t *testing.T) {
	w := newWorld(t)
	droplet := w.create(request("web"))
	own, err := droplet.PublicIPv4()
	require.NoError(t, err)

	reserved, _, err := w.client.ReservedIPs.Create(
		t.Context(),
		&godo.ReservedIPCreateRequest{DropletID: droplet.ID},
	)
	require.NoError(t, err)

	w.eventually("both are listed, its own first", func() bool {
		public := []string{}
		for _, address := range w.active(droplet.ID).Networks.V4 {
			if address.Type == "public" {
				public = append(public, address.IPAddress)
			}
		}

		return fmt.Sprint(public) == fmt.Sprint([]string{own, reserved.IP})
	})
}

func TestPitfall21Features(t *testing.T) {
	w := newWorld(t)
	ask := request("web")
	ask.Backups = true
	ask.IPv6 = true
	ask.Monitoring = true

	require.ElementsMatch(t,
		[]string{"backups", "ipv6", "monitoring", "private_networking"},
		w.create(ask).Features,
	)

	require.Equal(t,
		[]string{"private_networking"},
		w.create(request("plain")).Features,
	)
}

func TestPitfall22UserDataIsNotReadableAgain(t *testing.T) {
	w := newWorld(t)
	ask := request("web")
	ask.UserData = "#cloud-config\n# a-secret-of-mine\n"
	id := w.create(ask).ID
	for _, path := range []string{
		fmt.Sprintf("/v2/droplets/%d", id),
		"/v2/droplets",
		"/v2/actions",
		"/lab/v1/status",
	} {
		_, body, _ := w.raw("GET", path, "")
		text, err := json.Marshal(body)
		require.NoError(t, err)
		require.NotContains(t, string(text), "a-secret-of-mine", path)
		require.NotContains(t, string(text), "user_data", path)
	}
}
