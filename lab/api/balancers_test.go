package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/lab/api"
)

// balancer creates one and waits until it is active.
func (w *world) balancer(ask *godo.LoadBalancerRequest) *godo.LoadBalancer {
	w.t.Helper()
	made, _, err := w.client.LoadBalancers.Create(w.t.Context(), ask)
	require.NoError(w.t, err)

	w.eventually("load balancer active", func() bool {
		made, _, err = w.client.LoadBalancers.Get(w.t.Context(), made.ID)
		require.NoError(w.t, err)
		return made.Status == "active"
	})

	return made
}

// run is a load balancer as it was given to whoever runs it.
func (b *balancers) run(id string) api.Balancer {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.applied[id]
}

// full is a request that leaves little out.
func full(w *world, key string) *godo.LoadBalancerRequest {
	vpc, _, err := w.client.VPCs.Create(w.t.Context(), &godo.VPCCreateRequest{
		Name:       "own",
		RegionSlug: "nyc3",
		IPRange:    "10.77.0.0/24",
	})
	require.NoError(w.t, err)

	project, _, err := w.client.Projects.Create(
		w.t.Context(),
		&godo.CreateProjectRequest{Name: "shop", Purpose: "sell"},
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
	w := newWorld(t)
	key, _, err := w.client.Certificates.Create(t.Context(), certificate(t, "full.example"))
	require.NoError(t, err)

	ask := full(w, key.ID)
	made := w.balancer(ask)
	require.Regexp(t,
		`^10\.77\.0\.\d+$`,
		made.IP,
		"an internal one has its address in the VPC for its ip",
	)

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
	_, _, err = w.client.LoadBalancers.Update(t.Context(), made.ID, again)
	require.NoError(t, err)

	again.Name, again.ValidateOnly = "renamed", false
	updated, _, err := w.client.LoadBalancers.Update(t.Context(), made.ID, again)
	require.NoError(t, err)
	require.Equal(t, "renamed", updated.Name)

	updated.Name = made.Name
	require.Equal(t, made, updated, "what was read can be written")

	bare, _, err := w.client.LoadBalancers.Update(t.Context(), made.ID, &godo.LoadBalancerRequest{
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
	first, _, err := w.client.Projects.GetDefault(ctx)
	require.NoError(t, err)

	made := w.balancer(balancerRequest())
	require.Equal(t, first.ID, made.ProjectID)

	other, _, err := w.client.Projects.Create(ctx, &godo.CreateProjectRequest{Name: "shop", Purpose: "sell"})
	require.NoError(t, err)

	_, _, err = w.client.Projects.AssignResources(ctx, other.ID, made)
	require.NoError(t, err)

	made, _, err = w.client.LoadBalancers.Update(ctx, made.ID, balancerRequest())
	require.NoError(t, err)
	require.Equal(t, other.ID, made.ProjectID)

	ask := balancerRequest()
	ask.ProjectID = first.ID
	made, _, err = w.client.LoadBalancers.Update(ctx, made.ID, ask)
	require.NoError(t, err)
	require.Equal(t, first.ID, made.ProjectID)

	resources, _, err := w.client.Projects.ListResources(ctx, other.ID, nil)
	require.NoError(t, err)
	require.Empty(t, resources)

	ask.ProjectID = "4de7ac8b-495b-4884-9a69-1050c6793cd6"
	_, _, err = w.client.LoadBalancers.Create(ctx, ask)
	refused(t, err, 422, "project_id is invalid")

	all, _, err := w.client.LoadBalancers.List(ctx, nil)
	require.NoError(t, err)
	require.Len(t, all, 1, "with a project that is not there none is made")
}

func TestLoadBalancerIsRefused(t *testing.T) {
	w := newWorld(t)
	key, _, err := w.client.Certificates.Create(t.Context(), certificate(t, "full.example"))
	require.NoError(t, err)

	rule := func(entry, target string, change ...func(*godo.ForwardingRule)) func(*godo.LoadBalancerRequest) {
		return func(r *godo.LoadBalancerRequest) {
			r.ForwardingRules[0].EntryProtocol = entry
			r.ForwardingRules[0].TargetProtocol = target

			for _, c := range change {
				c(&r.ForwardingRules[0])
			}
		}
	}

	keyed := func(r *godo.ForwardingRule) { r.CertificateID = key.ID }
	through := func(r *godo.ForwardingRule) { r.TlsPassthrough = true }

	health := func(change func(*godo.HealthCheck)) func(*godo.LoadBalancerRequest) {
		return func(r *godo.LoadBalancerRequest) {
			r.HealthCheck = &godo.HealthCheck{}
			change(r.HealthCheck)
		}
	}

	sticky := func(kind, name string, ttl int) func(*godo.LoadBalancerRequest) {
		return func(r *godo.LoadBalancerRequest) {
			r.StickySessions = &godo.StickySessions{
				Type:             kind,
				CookieName:       name,
				CookieTtlSeconds: ttl,
			}
		}
	}

	for _, c := range []struct {
		message string
		change  func(*godo.LoadBalancerRequest)
	}{
		{
			message: "name must start with",
			change:  func(r *godo.LoadBalancerRequest) { r.Name = "-a" },
		},
		{
			message: "end with no dash",
			change:  func(r *godo.LoadBalancerRequest) { r.Name = "a-" },
		},
		{
			message: "not be longer than 255",
			change: func(r *godo.LoadBalancerRequest) {
				r.Name = strings.Repeat("a", 256)
			},
		},
		{
			message: "type must be one of REGIONAL, REGIONAL_NETWORK, GLOBAL",
			change:  func(r *godo.LoadBalancerRequest) { r.Type = "LOCAL" },
		},
		{
			message: "the lab has no load balancers of type GLOBAL",
			change:  func(r *godo.LoadBalancerRequest) { r.Type = "GLOBAL" },
		},
		{
			message: "for load balancers of type GLOBAL",
			change: func(r *godo.LoadBalancerRequest) {
				r.GLBSettings = &godo.GLBSettings{TargetProtocol: "http"}
			},
		},
		{
			message: "for load balancers of type GLOBAL",
			change: func(r *godo.LoadBalancerRequest) {
				r.TargetLoadBalancerIDs = []string{"x"}
			},
		},
		{
			message: "for load balancers of type GLOBAL",
			change: func(r *godo.LoadBalancerRequest) {
				r.Domains = []*godo.LBDomain{{Name: "a.example"}}
			},
		},
		{
			message: "network must be one of EXTERNAL, INTERNAL",
			change:  func(r *godo.LoadBalancerRequest) { r.Network = "SECRET" },
		},
		{
			message: "have no IPv6",
			change:  func(r *godo.LoadBalancerRequest) { r.NetworkStack = "DUALSTACK" },
		},
		{
			message: "network_stack must be one of",
			change:  func(r *godo.LoadBalancerRequest) { r.NetworkStack = "IPV6" },
		},
		{
			message: "BYOIP",
			change:  func(r *godo.LoadBalancerRequest) { r.IP = "203.0.113.42" },
		},
		{
			message: "subnet_uuid",
			change:  func(r *godo.LoadBalancerRequest) { r.VPCSubnetUUID = "x" },
		},
		{
			message: "tls_cipher_policy must be one of DEFAULT, STRONG",
			change:  func(r *godo.LoadBalancerRequest) { r.TLSCipherPolicy = "WEAK" },
		},
		{
			message: "algorithm must be one of",
			change:  func(r *godo.LoadBalancerRequest) { r.Algorithm = "random" },
		},
		{
			message: "size must be one of lb-small, lb-medium, lb-large",
			change:  func(r *godo.LoadBalancerRequest) { r.SizeSlug = "lb-huge" },
		},
		{
			message: "size_unit must be from 1 to 200",
			change:  func(r *godo.LoadBalancerRequest) { r.SizeUnit = 201 },
		},
		{
			message: "mutually exclusive",
			change: func(r *godo.LoadBalancerRequest) {
				r.SizeUnit, r.SizeSlug = 2, "lb-large"
			},
		},
		{
			message: "from 30 to 600",
			change: func(r *godo.LoadBalancerRequest) {
				r.HTTPIdleTimeoutSeconds = godo.PtrTo(uint64(29))
			},
		},
		{
			message: "from 30 to 600",
			change: func(r *godo.LoadBalancerRequest) {
				r.HTTPIdleTimeoutSeconds = godo.PtrTo(uint64(601))
			},
		},
		{
			message: "firewall.allow",
			change: func(r *godo.LoadBalancerRequest) {
				r.Firewall = &godo.LBFirewall{Allow: []string{"192.0.2.1"}}
			},
		},
		{
			message: "firewall.deny",
			change: func(r *godo.LoadBalancerRequest) {
				r.Firewall = &godo.LBFirewall{Deny: []string{"cidr:192.0.2.1"}}
			},
		},
		{
			message: "'ip:1.2.3.4' or 'cidr:1.2.0.0/16'",
			change: func(r *godo.LoadBalancerRequest) {
				r.Firewall = &godo.LBFirewall{Deny: []string{"ip:x }\nbind"}}
			},
		},
		{"speak no HTTP/3", rule("http3", "http", keyed)},
		{"the other must be set to udp", rule("udp", "tcp")},
		{"the other must be set to udp", rule("http", "udp")},
		{"tcp on both sides", rule("tcp", "http")},
		{
			message: "must be for https or http2",
			change:  rule("http", "http", keyed),
		},
		{
			message: "https or http2 on both sides",
			change:  rule("https", "http", through),
		},
		{
			message: "https or http2 on both sides",
			change:  rule("http", "http", through),
		},
		{
			message: "not both",
			change:  rule("https", "https", through, keyed),
		},
		{
			message: "routes tcp and udp only",
			change:  func(r *godo.LoadBalancerRequest) { r.Type = "REGIONAL_NETWORK" },
		},
		{
			message: "health_check.protocol",
			change:  health(func(h *godo.HealthCheck) { h.Protocol = "udp" }),
		},
		{
			message: "health_check.port",
			change:  health(func(h *godo.HealthCheck) { h.Port = 65536 }),
		},
		{
			message: "check_interval_seconds must be from 3",
			change:  health(func(h *godo.HealthCheck) { h.CheckIntervalSeconds = 2 }),
		},
		{
			message: "response_timeout_seconds must be from 3",
			change:  health(func(h *godo.HealthCheck) { h.ResponseTimeoutSeconds = 301 }),
		},
		{
			message: "thresholds must be from 2 to 10",
			change:  health(func(h *godo.HealthCheck) { h.HealthyThreshold = 11 }),
		},
		{
			message: "thresholds must be from 2 to 10",
			change:  health(func(h *godo.HealthCheck) { h.UnhealthyThreshold = 1 }),
		},
		{
			message: "sticky_sessions.type must be",
			change:  sticky("source", "", 0),
		},
		{
			message: "cookie_name must be from 2 to 40",
			change:  sticky("cookies", "", 60),
		},
		{
			message: "cookie_name must be from 2 to 40",
			change:  sticky("cookies", "a b", 60),
		},
		{
			message: "cookie_ttl_seconds must be at least 1",
			change:  sticky("cookies", "NODE", 0),
		},
	} {
		ask := balancerRequest()
		c.change(ask)
		_, _, err := w.client.LoadBalancers.Create(t.Context(), ask)
		refused(t, err, 422, c.message)
	}

	require.Empty(t, w.store.View().LoadBalancers)
}

func TestSizesOfALoadBalancer(t *testing.T) {
	w := newWorld(t)
	for size, nodes := range map[string]uint32{
		"lb-small":  1,
		"lb-medium": 3,
		"lb-large":  6,
	} {
		ask := balancerRequest()
		ask.SizeSlug = size
		made, _, err := w.client.LoadBalancers.Create(t.Context(), ask)
		require.NoError(t, err)
		require.Equal(t, nodes, made.SizeUnit)
		require.Equal(t, size, made.SizeSlug)
	}
}

func TestDropletsBehindALoadBalancer(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	vpc, _, err := w.client.VPCs.Create(ctx, &godo.VPCCreateRequest{
		Name:       "own",
		RegionSlug: "nyc3",
		IPRange:    "10.77.0.0/24",
	})
	require.NoError(t, err)

	inside := request("inside")
	inside.VPCUUID = vpc.ID
	inside.Tags = []string{"web"}
	stranger, ids := w.create(inside), []int{}

	for n := range 11 {
		ids = append(ids, w.create(request(fmt.Sprintf("web-%d", n))).ID)
	}

	tagged := w.balancer(balancerRequest())
	require.Empty(t, tagged.DropletIDs, "a tag's Droplet in another VPC is none of it")

	_, err = w.client.LoadBalancers.AddDroplets(ctx, tagged.ID, ids[0])
	refused(t, err, 422, "tag the Droplets instead")

	_, err = w.client.LoadBalancers.RemoveDroplets(ctx, tagged.ID, ids[0])
	refused(t, err, 422, "tag the Droplets instead")

	ask := balancerRequest()
	ask.Tag = ""
	ask.DropletIDs = ids[:9]
	made := w.balancer(ask)
	_, err = w.client.LoadBalancers.AddDroplets(ctx, made.ID, stranger.ID)
	refused(t,
		err,
		422,
		"some of the specified target droplets don't belong to the same VPC as the Load Balancer",
	)

	_, err = w.client.LoadBalancers.AddDroplets(ctx, made.ID)
	refused(t, err, 422, "need to provide either a tag or a list of droplets")

	_, err = w.client.LoadBalancers.AddDroplets(ctx, made.ID, ids[9:]...)
	refused(t, err, 422, "at most 10 droplet_ids")

	_, err = w.client.LoadBalancers.AddDroplets(ctx, made.ID, ids[8], ids[9])
	require.NoError(t, err)

	_, err = w.client.LoadBalancers.RemoveDroplets(ctx, made.ID, ids[1:]...)
	require.NoError(t, err)
	w.eventually("one target is left", func() bool {
		return slices.Equal(w.balancers.targets(made.ID), ids[:1])
	})

	ask.DropletIDs = nil
	ask.Tag = "web"
	ask.VPCUUID = vpc.ID
	_, _, err = w.client.LoadBalancers.Update(ctx, made.ID, ask)
	refused(t, err, 422, "VPC can't be changed")

	ask.VPCUUID, ask.Network = "", "INTERNAL"
	_, _, err = w.client.LoadBalancers.Update(ctx, made.ID, ask)
	refused(t, err, 422, "network can't be changed")

	ask.Network, ask.Type = "", "REGIONAL_NETWORK"
	ask.ForwardingRules[0].EntryProtocol = "tcp"
	ask.ForwardingRules[0].TargetProtocol = "tcp"
	_, _, err = w.client.LoadBalancers.Update(ctx, made.ID, ask)
	refused(t, err, 422, "type can't be changed")

	ask.Type = ""
	made, _, err = w.client.LoadBalancers.Update(ctx, made.ID, ask)
	require.NoError(t, err)
	require.Equal(t, "web", made.Tag, "from a list to a tag")
	require.Empty(t, made.DropletIDs)
}

func TestForwardingRulesAreAddedAndRemoved(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	made := w.balancer(balancerRequest())

	names := godo.ForwardingRule{
		EntryProtocol:  "udp",
		EntryPort:      53,
		TargetProtocol: "udp",
		TargetPort:     5353,
	}

	_, err := w.client.LoadBalancers.AddForwardingRules(ctx, made.ID, names, godo.ForwardingRule{
		EntryProtocol:  "tcp",
		EntryPort:      53,
		TargetProtocol: "tcp",
		TargetPort:     5353,
	})
	require.NoError(t, err)

	_, err = w.client.LoadBalancers.AddForwardingRules(ctx, made.ID, names)
	refused(t, err, 422, "two forwarding rules take entry_port 53")

	_, err = w.client.LoadBalancers.AddForwardingRules(ctx, made.ID)
	refused(t, err, 422, "at least one rule")
	w.eventually("all rules run", func() bool {
		return len(w.balancers.run(made.ID).Rules) == 3
	})

	_, err = w.client.LoadBalancers.RemoveForwardingRules(ctx, made.ID, names)
	require.NoError(t, err)

	_, err = w.client.LoadBalancers.RemoveForwardingRules(ctx, made.ID, names)
	refused(t, err, 422, "no forwarding rule for udp on entry_port 53")

	_, err = w.client.LoadBalancers.RemoveForwardingRules(ctx, made.ID, made.ForwardingRules[0])
	require.NoError(t, err)

	last, _, err := w.client.LoadBalancers.Get(ctx, made.ID)
	require.NoError(t, err)
	require.Len(t, last.ForwardingRules, 1)

	_, err = w.client.LoadBalancers.RemoveForwardingRules(ctx, made.ID, last.ForwardingRules[0])
	refused(t, err, 422, "at least one forwarding rule")

	_, err = w.client.LoadBalancers.PurgeCache(ctx, made.ID)
	refused(t, err, 422, "GLOBAL")
}

func TestNamesOfACertificateLeadToItsLoadBalancer(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, _, err := w.client.Domains.Create(ctx, &godo.DomainCreateRequest{Name: "shop.example", IPAddress: "203.0.113.9"})
	require.NoError(t, err)

	issued := func(name string, names ...string) string {
		made, _, err := w.client.Certificates.Create(ctx, &godo.CertificateRequest{
			Name:     name,
			Type:     "lets_encrypt",
			DNSNames: names,
		})
		require.NoError(t, err)

		w.eventually("verified", func() bool {
			got, _, err := w.client.Certificates.Get(ctx, made.ID)
			require.NoError(t, err)
			return got.State == "verified"
		})

		return made.ID
	}

	records := func() map[string]string {
		found := map[string]string{}

		all, _, err := w.client.Domains.Records(ctx,
			"shop.example",
			&godo.ListOptions{PerPage: 200},
		)
		require.NoError(t, err)

		for _, record := range all {
			if record.Type == "A" {
				found[record.Name] = record.Data
			}
		}

		return found
	}

	secure := func(key string) []godo.ForwardingRule {
		return []godo.ForwardingRule{{
			EntryProtocol:  "https",
			EntryPort:      443,
			TargetProtocol: "http",
			TargetPort:     80,
			CertificateID:  key,
		}}
	}

	ask := balancerRequest()
	ask.ForwardingRules, ask.DisableLetsEncryptDNSRecords = secure(issued("quiet", "quiet.shop.example")), godo.PtrTo(true)
	w.balancer(ask)

	require.Equal(t,
		map[string]string{"@": "203.0.113.9"},
		records(),
		"none when it is told not to",
	)

	ask.ForwardingRules, ask.DisableLetsEncryptDNSRecords = secure(issued(
		"site",
		"shop.example",
		"www.shop.example",
		"*.api.shop.example",
	)), nil

	made := w.balancer(ask)
	require.Equal(t,
		map[string]string{
			"@":     "203.0.113.9",
			"www":   made.IP,
			"*.api": made.IP,
		},
		records(),
		"what is there is left alone",
	)

	added := secure(issued("more", "more.shop.example"))[0]
	added.EntryPort = 8443
	_, err = w.client.LoadBalancers.AddForwardingRules(ctx, made.ID, added)
	require.NoError(t, err)
	require.Equal(t, made.IP, records()["more"])
}
