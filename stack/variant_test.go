package stack_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// varied is a stack with a group more, which a site says something of.
func varied(site string) string {
	return strings.NewReplacer(
		"  - {name: edge, ", "  - {name: web-b, role: web, count: 1}\n  - {name: edge, ",
		"nodes: web}\n", "nodes: web, "+site+"}\n",
	).Replace(edged)
}

func TestAnEdgeIsToldOfVariants(t *testing.T) {
	all := manifests(t)
	text := varied("canary: {cookie: {tester: yes}}, variants: [{group: web-b, header: {X-Variant: b}}]")

	s, err := stack.Parse("stack.yaml", []byte(text), all)
	require.NoError(t, err)

	sites, err := roles.ParseSites(s.SiteSettings(all["edge"], all, nil)[roles.SettingSites])
	require.NoError(t, err)
	require.Equal(t, []roles.Variant{
		{Cookie: map[string]string{"tester": "yes"}},
		{Group: "web-b", Header: map[string]string{"X-Variant": "b"}},
	}, sites[0].Variants)
}

func TestAVariantStandsOnce(t *testing.T) {
	text := varied("variants: [{group: web-b, header: {X-V: b}}, {group: web-b, cookie: {v: b}}]")

	_, err := stack.Parse("stack.yaml", []byte(text), manifests(t))
	require.ErrorContains(t, err, `sites[0].variants[1].group: "web-b" is a variant already`)

	// Nobody can be sent to two places. Headers are the same in capitals.
	text = varied("canary: {header: {X-V: b}}, variants: [{group: web-b, header: {x-v: b}}]")

	_, err = stack.Parse("stack.yaml", []byte(text), manifests(t))
	require.ErrorContains(t, err, "sites[0].variants[0].header.x-v: asks for what sites[0].canary.header.X-V asks for")
}

// Who shows another site's pages by a variant does so by mistake.
func TestAVariantsSchemaIsNoOtherSites(t *testing.T) {
	text := varied("groups: [web], variants: [{group: web-b, header: {X-V: b}}]") +
		"  - {names: [shop.example.org], nodes: web, groups: [shop]}\n"
	shop := "  - {name: shop, role: web, count: 1, schema: two}\n"
	text = strings.Replace(text, "  - {name: edge, ", shop+"  - {name: edge, ", 1)

	_, err := stack.Parse("stack.yaml", []byte(text), manifests(t))
	require.NoError(t, err)

	text = strings.Replace(text, "{name: web-b, ", "{name: web-b, schema: two, ", 1)
	_, err = stack.Parse("stack.yaml", []byte(text), manifests(t))
	require.ErrorContains(t, err, "are behind different sites")
}
