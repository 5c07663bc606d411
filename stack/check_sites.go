package stack

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/hornero/hornero/roles"
)

// The bounds of what a site may say.
const (
	maxHSTS      = 365 * 24 * time.Hour
	maxSiteTime  = 24 * time.Hour
	maxSlowStart = 10 * time.Minute
	maxSiteLimit = 100000
	// maxSites keeps what the edge's nodes are told well below the 64 KiB of user-data.
	maxSites = 50
)

// siteCertificatePattern is a part of a secret's name.
var siteCertificatePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)

// affinities are what may keep a visitor with a node.
func affinities() []string {
	return []string{
		AffinityCookie,
		AffinitySource,
		AffinityApplication,
	}
}

func servesSites(manifest *roles.Manifest) bool { return manifest.Sites }

// behindSites tells whether nodes of a role can be behind a site.
func behindSites(manifest *roles.Manifest) bool {
	return speaksHTTP(manifest) && !manifest.Sites
}

// sites checks the sites of the stack's own edge.
func (c *check) sites(s *Stack) {
	if len(s.Sites) == 0 {
		c.noSites(s)
		return
	}

	if len(s.Sites) > maxSites {
		c.add("sites", "at most %d fit in a stack, got %d", maxSites, len(s.Sites))
	}

	if c.edges(s) == 0 && !c.wrongRole(s.Nodes) {
		c.add("sites", "no group of the stack serves sites; add one under nodes, as in - {name: edge, role: %s, "+
			"count: 2}", c.example(servesSites))
	}

	names := map[string]string{}

	for i, site := range s.Sites {
		path := sitePath(i)
		if !c.taken[path] {
			c.site(path, site, s)
			c.siteNames(path+".names", site.Names, names)
		}
	}
}

func sitePath(i int) string { return fmt.Sprintf("sites[%d]", i) }

// noSites checks that no edge stands there with nothing to serve.
func (c *check) noSites(s *Stack) {
	if c.doc.Has("sites") && !c.taken["sites"] {
		c.add("sites", "must hold at least one, as in - {names: [www.example.org], nodes: %s}; remove it when there "+
			"is to be none", c.example(behindSites))
	}

	for i, group := range s.Nodes {
		if manifest := c.roles[group.Role]; manifest != nil && manifest.Sites && !c.taken["sites"] {
			c.add(groupPath(i)+".role", "nodes of role %s serve sites, and there are none; write sites: "+
				"[{names: [www.example.org], nodes: %s}]", group.Role, c.example(behindSites))
		}
	}
}

// edges counts the stack's roles that serve sites. Two would have two balances of one site.
func (c *check) edges(s *Stack) int {
	var found []string
	for i, group := range s.Nodes {
		manifest := c.roles[group.Role]
		if manifest == nil || !manifest.Sites || slices.Contains(found, group.Role) {
			continue
		}

		if len(found) > 0 {
			c.add(groupPath(i)+".role", "role %s serves the sites already; a stack has one edge", found[0])
		}

		found = append(found, group.Role)
	}

	return len(found)
}

func (c *check) siteNames(path string, list []string, taken map[string]string) {
	if len(list) == 0 {
		c.need(path, "the names that visitors use, as in names: [www.example.org, example.org]")
		c.add(path, "must hold at least one, as in [www.example.org]")

		return
	}

	for k, name := range list {
		at := fmt.Sprintf("%s[%d]", path, k)

		if !domainPattern.MatchString(name) {
			c.add(at, "must be a name in lower case, as in www.example.org, got %q", name)
			continue
		}

		if before := taken[name]; before != "" {
			c.add(at, "%q is there already, as %s; a name leads to one site", name, before)
			continue
		}

		taken[name] = at
	}
}

func (c *check) site(path string, site Site, s *Stack) {
	if c.need(path+".nodes", "the role behind the site, as in nodes: "+c.example(behindSites)) {
		c.siteRole(path, site, s)
	}

	if at := path + ".certificate"; c.doc.Has(at) && !siteCertificatePattern.MatchString(site.Certificate) {
		c.add(at, "must be a word of at most 31 lower-case letters, digits and _, got %q; the secrets "+
			"site_WORD.certificate and site_WORD.key are the site's then, and of %s none", site.Certificate,
			RenewedCertificate)
	}

	if at := path + ".balance"; c.doc.Has(at) {
		c.oneOf(at, site.Balance, []string{BalanceLeast, BalanceRound})
	}

	if at := path + ".affinity"; c.doc.Has(at) {
		c.oneOf(at, site.Affinity, affinities())
	}

	if site.Affinity == AffinitySource && site.Balance != "" {
		c.add(path+".balance", "has no effect beside affinity: source, by which the address chooses the node; "+
			"remove it")
	}

	if site.HSTS != 0 && !site.Redirect {
		c.add(path+".hsts", "browsers that come by http must be sent to https first; write redirect: true")
	}

	c.sources(path+".trusted", site.Trusted)
	c.seconds(path+".hsts", site.HSTS, 0, maxHSTS)
	c.seconds(path+".idle", site.Idle, time.Second, maxSiteTime)
	c.seconds(path+".tunnel", site.Tunnel, time.Second, maxSiteTime)
	c.seconds(path+".slow_start", site.SlowStart, time.Second, maxSlowStart)
	c.siteLimits(path+".limits", site.Limits)
	c.variants(path, site, s)
}

func (c *check) siteRole(path string, site Site, s *Stack) {
	manifest := c.roles[site.Nodes]

	if c.unfitRole(site.Nodes) == "" && !behindSites(manifest) {
		c.add(path+".nodes", "nodes of role %s serve nothing that speaks HTTP for a site, else their manifest would "+
			"say so under serves; write nodes: %s", site.Nodes, c.example(behindSites))

		return
	}

	c.usedRole(path+".nodes", site.Nodes, s, behindSites)

	if c.taken[path+".nodes"] || manifest == nil {
		return
	}

	c.served(path+".serves", site.Serves, manifest, true)

	if serve, found := manifest.Balanced(site.Serves); found {
		c.siteServe(path, site, serve)
	}

	var known []string
	for _, group := range s.Nodes {
		if group.Role == site.Nodes {
			known = append(known, group.Name)
		}
	}

	for i, name := range site.Groups {
		c.oneOf(fmt.Sprintf("%s.groups[%d]", path, i), name, known)
	}
}

// siteServe looks for what a site asks of the manifest behind it.
func (c *check) siteServe(path string, site Site, serve roles.Serve) {
	if site.Affinity == AffinityApplication && serve.Sticky == "" {
		c.add(path+".affinity", "the manifest of role %s names no cookie of the application (serves[].sticky); write "+
			"affinity: %s, or remove it", site.Nodes, AffinityCookie)
	}

	if site.Limits != nil && site.Limits.Failures > 0 && len(serve.Brake) == 0 {
		c.add(path+".limits.failures", "has no effect: the manifest of role %s names no way in where failures count "+
			"(serves[].brake); remove it", site.Nodes)
	}
}

func (c *check) siteLimits(path string, limits *SiteLimits) {
	if !c.doc.Has(path) || c.taken[path] {
		return
	}

	if limits == nil {
		c.add(path, "must name a limit, as in {requests: 300}; remove it when there is to be none")
		return
	}

	for key, value := range map[string]int{
		".requests":    limits.Requests,
		".connections": limits.Connections,
		".per_node":    limits.PerNode,
		".failures":    limits.Failures,
	} {
		if c.doc.Has(path+key) && (value < 1 || value > maxSiteLimit) {
			c.add(path+key, "must be from 1 to %d, got %d", maxSiteLimit, value)
		}
	}
}
