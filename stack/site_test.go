package stack_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/stack"
)

const edged = `version: 1
name: blog
cloud: lab
region: fra1
roles:
  web: {title: Blog, admin_user: ann, admin_email: ann@example.org}
nodes:
  - {name: db, role: db, count: 3}
  - {name: proxy, role: proxy, count: 2}
  - {name: web, role: web, count: 2}
  - {name: edge, role: edge, count: 2}
sites:
  - {names: [www.example.org, example.org], nodes: web}
`

func TestWhatASiteCannotBe(t *testing.T) {
	const site = "{names: [www.example.org, example.org], nodes: web}"

	for _, row := range siteProblems(t) {
		to, want, _ := strings.Cut(row, "\n")
		text := strings.Replace(edged, site, to, 1)

		_, err := stack.Parse("stack.yaml", []byte(text), manifests(t))
		require.ErrorContains(t, err, want, to)
		require.NotContains(t, err.Error(), "\n", "%s: one mistake, one line", to)
	}
}

// siteProblems are two lines each: a site, and what is said of it.
func siteProblems(t *testing.T) []string {
	text, err := os.ReadFile("testdata/site-problems.txt")
	require.NoError(t, err)

	rows := strings.Split(strings.TrimSpace(string(text)), "\n\n")

	return rows[1:]
}

func TestSitesAndTheirEdgeComeTogether(t *testing.T) {
	edgeless := strings.Replace(edged, "  - {name: edge, role: edge, count: 2}\n", "", 1)

	without, _, _ := strings.Cut(edged, "sites:")

	for text, want := range map[string]string{
		edgeless:           "sites: no group of the stack serves sites; add one under nodes, as in - {name: edge, ",
		without:            "nodes[3].role: nodes of role edge serve sites, and there are none",
		without + "sites:": "sites: must hold at least one",
	} {
		_, err := stack.Parse("stack.yaml", []byte(text), manifests(t))
		require.ErrorContains(t, err, want)
	}
}

func TestTheSitesAreTheAddressesOfTheStack(t *testing.T) {
	s, err := stack.Parse("stack.yaml", []byte(edged), manifests(t))
	require.NoError(t, err)
	require.Equal(t, []string{"https://www.example.org"}, s.URLs(manifests(t)))
}

func TestTheExampleOfAnEdgeIsRight(t *testing.T) {
	all := manifests(t)

	s, err := stack.Load("../examples/edge/stack.yaml", all)
	require.NoError(t, err)
	require.Equal(t, []string{"web"}, s.Watched(all["edge"]))
	require.Equal(t, []string{"site_magazine.certificate"}, s.SiteCertificates())
	require.Contains(t, s.SecretsOf(all["edge"], all), "site_magazine.key")
	require.NotContains(t, s.SecretsOf(all["web"], all), "site_magazine.key")

	// Of the load balancer the web nodes know nothing: the edge is all that they see.
	require.Equal(t, map[string]string{"sites.fronts": "edge"}, s.SiteSettings(all["web"], all, nil))

	direct := *s
	direct.LoadBalancer.Nodes = "web"
	require.Empty(t, direct.SiteSettings(all["web"], all, nil), "visitors come by the load balancer, too")
}
