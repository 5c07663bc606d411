package api_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
)

// balancer creates one and waits until it is active.
func (w *world) balancer(ask *godo.LoadBalancerRequest) *godo.LoadBalancer {
	w.t.Helper()
	made, _, err := w.LoadBalancers.Create(w.t.Context(), ask)
	require.NoError(w.t, err)

	w.eventually("load balancer active", func() bool {
		made, _, err = w.LoadBalancers.Get(w.t.Context(), made.ID)
		require.NoError(w.t, err)
		return made.Status == "active"
	})

	return made
}

// full is a request that leaves little out.
func full(w *world, key string) *godo.LoadBalancerRequest {
	vpc, _, err := w.VPCs.Create(w.t.Context(), &godo.VPCCreateRequest{
		Name:       "own",
		RegionSlug: "nyc3",
		IPRange:    "10.77.0.0/24",
	})
	require.NoError(w.t, err)

	project, _, err := w.Projects.Create(
		w.t.Context(),
		&godo.CreateProjectRequest{
			Name:    "shop",
			Purpose: "sell",
		},
	)
	require.NoError(w.t, err)

	return &godo.LoadBalancerRequest{
		Name:      "full.site-1",
		Region:    "nyc3",
		SizeUnit:  3,
		SizeSlug:  "lb-medium",
		Type:      "REGIONAL",
		Algorithm: "round_robin",
		Tag:       "web",
		Tags:      []string{"owner:me"},
		ForwardingRules: []godo.ForwardingRule{
			{
				EntryProtocol:  "http",
				EntryPort:      80,
				TargetProtocol: "http",
				TargetPort:     8080,
			},
			{
				EntryProtocol:  "http2",
				EntryPort:      443,
				TargetProtocol: "http",
				TargetPort:     8080,
				CertificateID:  key,
			},
			{
				EntryProtocol:  "https",
				EntryPort:      444,
				TargetProtocol: "https",
				TargetPort:     443,
				TlsPassthrough: true,
			},
			{
				EntryProtocol:  "tcp",
				EntryPort:      53,
				TargetProtocol: "tcp",
				TargetPort:     53,
			},
			{
				EntryProtocol:  "udp",
				EntryPort:      53,
				TargetProtocol: "udp",
				TargetPort:     53,
			},
		},
		HealthCheck: &godo.HealthCheck{
			Protocol:               "https",
			Port:                   8443,
			Path:                   "/up?deep=1",
			CheckIntervalSeconds:   3,
			ResponseTimeoutSeconds: 4,
			HealthyThreshold:       2,
			UnhealthyThreshold:     6,
			ProxyProtocol:          godo.PtrTo(false),
		},
		StickySessions: &godo.StickySessions{
			Type:             "cookies",
			CookieName:       "NODE",
			CookieTtlSeconds: 17,
		},
		RedirectHttpToHttps:          true,
		EnableProxyProtocol:          true,
		EnableBackendKeepalive:       true,
		VPCUUID:                      vpc.ID,
		ProjectID:                    project.ID,
		DisableLetsEncryptDNSRecords: godo.PtrTo(true),
		HTTPIdleTimeoutSeconds:       godo.PtrTo(uint64(600)),
		Firewall: &godo.LBFirewall{
			Allow: []string{"cidr:192.0.2.0/24"},
			Deny:  []string{"ip:192.0.2.7"},
		},
		Network:         "INTERNAL",
		NetworkStack:    "IPV4",
		TLSCipherPolicy: "STRONG",
	}
}

func TestEveryFieldOfALoadBalancerComesBack(t *testing.T) {
	later := &atomic.Int64{}
	w := newWorld(t, clockAhead(later))
	ctx := t.Context()
	key, _, err := w.Certificates.Create(ctx, certificate(t, "full.example"))
	require.NoError(t, err)

	ask := full(w, key.ID)
	made := w.balancer(ask)
	require.Regexp(t, `^10\.77\.0\.\d+$`, made.IP, "an internal one has its address in the VPC for its ip")

	require.Empty(t, made.IPv6)

	again := made.AsRequest()
	again.Tags = ask.Tags // godo leaves them out
	require.Equal(t, ask, again)
	require.Equal(t, ask.Tags, made.Tags)

	ran := w.balancers.run(made.ID)
	require.False(t, ran.Address.IsValid(), "none is public")
	require.Equal(t, made.IP, ran.Private.String())

	status, _, _ := w.raw("GET", "/lab/v1/published?ip="+made.IP, "")
	require.Equal(t, 404, status)

	again.Tags, again.ValidateOnly = nil, true
	again.Name = "only-looked-at"
	_, _, err = w.LoadBalancers.Update(ctx, made.ID, again)
	require.NoError(t, err)

	again.Name, again.ValidateOnly = "renamed", false
	updated, _, err := w.LoadBalancers.Update(ctx, made.ID, again)
	require.NoError(t, err)
	require.Equal(t, "renamed", updated.Name)

	updated.Name = made.Name
	require.Equal(t, made, updated, "what was read can be written")

	later.Store(int64(time.Hour)) // its size changes, too
	bare, _, err := w.LoadBalancers.Update(ctx, made.ID, &godo.LoadBalancerRequest{
		Name:            "bare",
		Region:          "nyc3",
		ForwardingRules: ask.ForwardingRules[:1],
	})
	require.NoError(t, err)

	plain := bare.AsRequest()
	require.Equal(t, &godo.LoadBalancerRequest{
		Name:            "bare",
		Region:          "nyc3",
		SizeUnit:        1,
		Type:            "REGIONAL",
		Algorithm:       "round_robin",
		ForwardingRules: ask.ForwardingRules[:1],
		HealthCheck: &godo.HealthCheck{
			Protocol:               "http",
			Port:                   80,
			Path:                   "/",
			CheckIntervalSeconds:   10,
			ResponseTimeoutSeconds: 5,
			HealthyThreshold:       3,
			UnhealthyThreshold:     5,
		},
		StickySessions:               &godo.StickySessions{Type: "none"},
		DisableLetsEncryptDNSRecords: godo.PtrTo(false),
		HTTPIdleTimeoutSeconds: godo.PtrTo(
			uint64(60),
		),
		Firewall:        &godo.LBFirewall{},
		Network:         "INTERNAL",
		NetworkStack:    "IPV4",
		TLSCipherPolicy: "DEFAULT",
		VPCUUID:         ask.VPCUUID,
		ProjectID:       ask.ProjectID,
	}, plain, "what is left out falls back to its default, but for what can't be changed")
}

func TestLoadBalancerIsInOneProject(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	first, _, err := w.Projects.GetDefault(ctx)
	require.NoError(t, err)

	made := w.balancer(balancerRequest())
	require.Equal(t, first.ID, made.ProjectID)

	other, _, err := w.Projects.Create(ctx, &godo.CreateProjectRequest{
		Name:    "shop",
		Purpose: "sell",
	})
	require.NoError(t, err)

	_, _, err = w.Projects.AssignResources(ctx, other.ID, made)
	require.NoError(t, err)

	made, _, err = w.LoadBalancers.Update(ctx, made.ID, balancerRequest())
	require.NoError(t, err)
	require.Equal(t, other.ID, made.ProjectID)

	ask := balancerRequest()
	ask.ProjectID = first.ID
	made, _, err = w.LoadBalancers.Update(ctx, made.ID, ask)
	require.NoError(t, err)
	require.Equal(t, first.ID, made.ProjectID)

	resources, _, err := w.Projects.ListResources(ctx, other.ID, nil)
	require.NoError(t, err)
	require.Empty(t, resources)

	ask.Name = "second"
	ask.ProjectID = "4de7ac8b-495b-4884-9a69-1050c6793cd6"
	_, _, err = w.LoadBalancers.Create(ctx, ask)
	refused(t, err, 422, "project_id is invalid")

	all, _, err := w.LoadBalancers.List(ctx, nil)
	require.NoError(t, err)
	require.Len(t, all, 1, "with a project that is not there none is made")
}

func TestSizesOfALoadBalancer(t *testing.T) {
	w := newWorld(t)
	for size, nodes := range map[string]uint32{
		"lb-small":  1,
		"lb-medium": 3,
		"lb-large":  6,
	} {
		ask := balancerRequest()
		ask.Name = size
		ask.SizeSlug = size
		made, _, err := w.LoadBalancers.Create(t.Context(), ask)
		require.NoError(t, err)
		require.Equal(t, nodes, made.SizeUnit)
		require.Equal(t, size, made.SizeSlug)
	}
}
