package stack_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/roles"
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

func TestTheApplicationsCookieIsOneThatItsManifestNames(t *testing.T) {
	all := manifests(t)
	text := strings.Replace(edged, "nodes: web}", "nodes: web, affinity: application}", 1)

	s, err := stack.Parse("stack.yaml", []byte(text), all)
	require.NoError(t, err)

	sites, err := roles.ParseSites(s.SiteSettings(all["edge"], all, nil)[roles.SettingSites])
	require.NoError(t, err)
	require.Equal(t, "PHPSESSID", sites[0].Cookie)

	web := *all["web"]
	web.Serves = slices.Clone(web.Serves)
	web.Serves[0].Sticky = ""
	all["web"] = &web

	_, err = stack.Parse("stack.yaml", []byte(text), all)
	require.ErrorContains(t, err, "sites[0].affinity: the manifest of role web names no cookie of the application")
}

func TestFailuresCountWhereTheManifestSaysSo(t *testing.T) {
	all := manifests(t)
	text := strings.Replace(edged, "nodes: web}", "nodes: web, limits: {failures: 25}}", 1)

	failures := func(text string) (int, []roles.Brake) {
		s, err := stack.Parse("stack.yaml", []byte(text), all)
		require.NoError(t, err)

		sites, err := roles.ParseSites(s.SiteSettings(all["edge"], all, nil)[roles.SettingSites])
		require.NoError(t, err)

		return sites[0].Failures, sites[0].Brakes
	}

	limit, brakes := failures(text)
	require.Equal(t, 25, limit)
	require.Equal(t, all["web"].Serves[0].Brake, brakes)

	limit, _ = failures(edged)
	require.Equal(t, stack.DefaultFailures, limit)

	web := *all["web"]
	web.Serves = slices.Clone(web.Serves)
	web.Serves[0].Brake = nil
	all["web"] = &web

	limit, brakes = failures(edged)
	require.Zero(t, limit)
	require.Empty(t, brakes)

	_, err := stack.Parse("stack.yaml", []byte(text), all)
	require.ErrorContains(t, err, "sites[0].limits.failures: has no effect: the manifest of role web names no way in")
}

func TestTheSitesAreTheAddressesOfTheStack(t *testing.T) {
	s, err := stack.Parse("stack.yaml", []byte(edged), manifests(t))
	require.NoError(t, err)
	require.Equal(t, []string{"https://www.example.org"}, s.URLs(manifests(t)))
}

// The example has the role of another: its README says to copy that, and to build the role's program.
func TestTheExampleOfAnEdgeIsRight(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.CopyFS(folder, os.DirFS("../examples/api/roles")))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "api", "api"), nil, 0o755))

	all, err := roles.LoadDir(roles.Overlay(os.DirFS(folder)))
	require.NoError(t, err)

	s, err := stack.Load("../examples/edge/stack.yaml", all)
	require.NoError(t, err)
	require.Equal(t, []string{"api", "edge", "web"}, s.Watched(all["edge"]))
	require.Equal(t, []string{"site_magazine.certificate", "site_notes.certificate"}, s.SiteCertificates())
	require.Equal(t, "edge", s.ReservedIP.Nodes)

	for role, given := range map[string]bool{"edge": true, "web": false, "api": false} {
		for _, key := range []string{"site_magazine.key", "site_notes.key"} {
			require.Equal(t, given, slices.Contains(s.SecretsOf(all[role], all), key), "%s of %s", key, role)
		}
	}

	// Visitors come to both by the edge and by nothing else.
	for _, role := range []string{"web", "api"} {
		require.Equal(t, map[string]string{"sites.fronts": "edge"}, s.SiteSettings(all[role], all, nil))
	}

	direct := *s
	direct.LoadBalancer = &stack.Balancer{Nodes: "web"}
	require.Empty(t, direct.SiteSettings(all["web"], all, nil), "visitors come by the load balancer, too")
}
