package api_test

import (
	"slices"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

func balancerRequest() *godo.LoadBalancerRequest {
	return &godo.LoadBalancerRequest{
		Name:   "demo",
		Region: "nyc3",
		Tag:    "web",
		ForwardingRules: []godo.ForwardingRule{{
			EntryProtocol:  "http",
			EntryPort:      80,
			TargetProtocol: "http",
			TargetPort:     80,
		}},
	}
}

func TestANewLoadBalancerHasItsDefaults(t *testing.T) {
	w := newWorld(t)

	balancer, answer, err := w.LoadBalancers.Create(t.Context(), balancerRequest())
	require.NoError(t, err)
	require.Equal(t, 202, answer.StatusCode)
	require.Equal(t, "new", balancer.Status)
	require.Empty(t, balancer.IP)
	require.Equal(t, "nyc3", balancer.Region.Slug)
	require.Equal(t, "none", balancer.StickySessions.Type)

	health := &godo.HealthCheck{
		Protocol:               "http",
		Port:                   80,
		Path:                   "/",
		CheckIntervalSeconds:   10,
		ResponseTimeoutSeconds: 5,
		HealthyThreshold:       3,
		UnhealthyThreshold:     5,
	}
	require.Equal(t, health, balancer.HealthCheck)
}

func TestLoadBalancerFollowsItsTag(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()

	balancer := w.balancer(balancerRequest())
	require.NotEmpty(t, balancer.IP, "active with an address")

	targets := func(ids ...int) func() bool {
		return func() bool { return slices.Equal(w.balancers.targets(balancer.ID), ids) }
	}

	tagged := request("web-1")
	tagged.Tags = []string{"web"}
	first := w.create(tagged)

	tagged.Name = "web-2"
	second := w.create(tagged)
	w.eventually("both Droplets are targets", targets(first.ID, second.ID))

	w.untag("web", first.ID)

	_, err := w.Droplets.DeleteByTag(ctx, "web")
	require.NoError(t, err)
	w.eventually("no targets left", targets())

	got, _, err := w.LoadBalancers.Get(ctx, balancer.ID)
	require.NoError(t, err)
	require.Empty(t, got.DropletIDs)
	w.active(first.ID)
}

func TestLoadBalancerIsPublishedUntilItIsDeleted(t *testing.T) {
	w := newWorld(t)
	balancer := w.balancer(balancerRequest())
	path := "/lab/v1/published?ip=" + balancer.IP

	status, body, _ := w.raw("GET", path, "")
	require.Equal(t, 200, status)
	require.Equal(t, "127.100.0.10", body["published"])

	_, err := w.LoadBalancers.Delete(t.Context(), balancer.ID)
	require.NoError(t, err)
	w.eventually("not run any more", func() bool {
		return len(w.balancers.ids()) == 0
	})

	status, _, _ = w.raw("GET", path, "")
	require.Equal(t, 404, status)
}
