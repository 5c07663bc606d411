package fleet_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

const (
	siteText   = "  - {names: [www.example.org], nodes: api}\n"
	edgedText  = "sites:\n" + siteText
	edgedStack = `version: 1
name: blog
cloud: lab
region: fra1
roles:
  api: {greeting: hello}
nodes:
  - {name: db, role: db, count: 1}
  - {name: edge, role: edge, count: 2}
  - {name: api, role: api, count: 2}
` + edgedText
)

// Each key of a site is something that the edge's nodes are told: they are replaced when it changes.
func TestThePlanShowsEachKeyOfASite(t *testing.T) {
	t.Parallel()

	w := newAPIWorld(t, edgedStack)
	w.mustUp()
	w.nothingToDo()

	changes := map[string]string{
		"names":       "names: [www.example.org, example.org], nodes: api",
		"serves":      "names: [www.example.org], nodes: api, serves: pages",
		"groups":      "names: [www.example.org], nodes: api, groups: [api]",
		"redirect":    "names: [www.example.org], nodes: api, redirect: true",
		"http2":       "names: [www.example.org], nodes: api, http2: false",
		"balance":     "names: [www.example.org], nodes: api, balance: roundrobin",
		"affinity":    "names: [www.example.org], nodes: api, affinity: cookie",
		"trusted":     "names: [www.example.org], nodes: api, trusted: [203.0.113.0/24]",
		"idle":        "names: [www.example.org], nodes: api, idle: 5s",
		"tunnel":      "names: [www.example.org], nodes: api, tunnel: 5s",
		"slow_start":  "names: [www.example.org], nodes: api, slow_start: 5s",
		"requests":    "names: [www.example.org], nodes: api, limits: {requests: 5}",
		"connections": "names: [www.example.org], nodes: api, limits: {connections: 5}",
		"per_node":    "names: [www.example.org], nodes: api, limits: {per_node: 5}",
		"canary":      "names: [www.example.org], nodes: api, canary: {header: {X-Canary: tester}}",
	}

	// These have a test of their own.
	elsewhere := []string{
		"nodes",
		"certificate",
		"hsts",
		"limits",
		"failures",
		"variants",
	}

	for _, part := range []reflect.Type{reflect.TypeFor[stack.Site](), reflect.TypeFor[stack.SiteLimits]()} {
		for field := range part.Fields() {
			key := field.Tag.Get("yaml")
			to, there := changes[key]
			require.True(t, there || slices.Contains(elsewhere, key), "%s has no row", key)

			if !there {
				continue
			}

			text := strings.Replace(edgedStack, siteText, "  - {"+to+"}\n", 1)
			w.config.Stack = w.parse(text, w.config.Manifests)

			lines := w.plan()
			require.Len(t, lines, 2, "%s: %q", key, lines)

			for i, want := range replaced("edge-1", "edge-2") {
				require.True(t, strings.HasPrefix(lines[i], want), "%s: %q is not %q", key, lines[i], want)
			}
		}
	}
}

// A variant is another group of the role.
func TestThePlanShowsTheVariantsOfASite(t *testing.T) {
	t.Parallel()

	const group = "  - {name: apib, role: api, count: 1}\n"
	text := strings.Replace(edgedStack, edgedText, group+edgedText, 1)

	w := newAPIWorld(t, text)
	w.mustUp()
	w.nothingToDo()

	const varied = "  - {names: [www.example.org], nodes: api, variants: [{group: apib, header: {X-Variant: b}}]}\n"
	w.config.Stack = w.parse(strings.Replace(text, siteText, varied, 1), w.config.Manifests)

	lines := w.plan()
	require.Len(t, lines, 2, "%q", lines)

	for i, want := range replaced("edge-1", "edge-2") {
		require.True(t, strings.HasPrefix(lines[i], want), "%q is not %q", lines[i], want)
	}
}

func TestVisitorsComeToTheEdgeAndTheEdgeToTheNodes(t *testing.T) {
	t.Parallel()

	w := newAPIWorld(t, edgedStack)
	w.mustUp()

	require.Subset(t, w.lets("hornero-blog-edge"), []string{
		"tcp 80 from 0.0.0.0/0, ::/0",
		"tcp 443 from 0.0.0.0/0, ::/0",
	})
	require.Contains(t, w.lets("hornero-blog-api"), "tcp 8080 from hornero:blog:role:edge")

	// Where a load balancer stands before the edge, all others come by that.
	front := "load_balancer: {nodes: edge, proxy_protocol: true, rules: [{protocol: tcp, port: PORT, serves: http}]}\n"
	w.config.Stack = w.parse(edgedStack+front, w.config.Manifests)

	lines := about(w.plan(), "change firewall hornero-blog-edge: ")
	require.Len(t, lines, 1)
	require.Contains(t, lines[0], "port 80 from 0.0.0.0/0, ::/0 -> load balancer hornero-blog")
	require.Contains(t, lines[0], "port 8083 from nobody -> load balancer hornero-blog")
}

func TestANodeIsGivenWhatItsPartInASiteNeeds(t *testing.T) {
	t.Parallel()

	const text = "sites:\n  - {names: [www.example.org], nodes: api, redirect: true, hsts: 5m}\n" +
		"  - {names: [shop.example.org], nodes: api, redirect: true, hsts: 5m, certificate: shop}\n"

	w := newAPIWorld(t, strings.Replace(edgedStack, edgedText, text, 1))
	require.ErrorContains(t, w.up(), "the nodes of role edge need site_shop.certificate")

	certificate, key := foreignSite(t, "shop.example.org")
	require.NoError(t, w.config.Secrets.Set("site_shop.certificate", certificate))
	require.NoError(t, w.config.Secrets.Set("site_shop.key", key))
	w.mustUp()

	for _, document := range w.documents() {
		sites, err := roles.ParseSites(document.Settings[roles.SettingSites])
		require.NoError(t, err)

		_, shop := document.Secrets["site_shop.key"]
		_, own := document.Secrets["site.key"]
		require.Equal(t, document.Role == "edge", shop, document.Node)
		require.Equal(t, document.Role == "edge", own, document.Node)

		fronts := map[string]string{"api": "edge"}
		require.Equal(t, fronts[document.Role], document.Settings[roles.SettingFronts], document.Node)

		if document.Role != "edge" {
			require.Empty(t, sites)
			continue
		}

		require.Equal(t, 8080, sites[0].Port)
		require.Zero(t, sites[0].HSTS, "nobody trusts the stack's own certificate")
		require.Equal(t, int64(300), sites[1].HSTS)
		require.Equal(t, "site_shop", sites[1].Certificate)
	}

	report, err := w.fleet().Status(t.Context())
	require.NoError(t, err)
	require.Len(t, report.Sites, 2)
	require.Equal(t, []string{"shop.example.org"}, report.Sites[1].Names)
	require.Equal(t, "api", report.Sites[1].Nodes)
	require.Equal(t, []string{"edge-1", "edge-2"}, report.Sites[1].By)
}

func TestACertificateThatLacksASitesNameIsTold(t *testing.T) {
	t.Parallel()

	w := newAPIWorld(t, edgedStack)
	require.Empty(t, about(w.warnings(), "secret site.certificate "), "it is made with the sites' names")

	text := strings.Replace(edgedStack, "[www.example.org]", "[www.example.org, example.org]", 1)
	w.config.Stack = w.parse(text, w.config.Manifests)
	require.Len(t, about(w.warnings(), "secret site.certificate is not for example.org"), 1)

	require.NoError(t, w.config.Secrets.Rotate("site.certificate", w.config.Stack, w.config.Manifests))
	require.Empty(t, about(w.warnings(), "secret site.certificate "))
}
