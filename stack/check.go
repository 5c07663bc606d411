package stack

import (
	"maps"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

const maxNodes = 100

var (
	namePattern = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$`)
	slugPattern = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	userPattern = regexp.MustCompile(`^[A-Za-z0-9._@-]{1,60}$`)
)

// releases that images/ has a file for.
func releases() []string {
	return []string{"debian-9", "debian-12", "debian-13"}
}

// check walks a decoded stack and adds a problem for each thing that cannot be; never two at one place.
type check struct {
	doc    *report.Document
	taken  map[string]bool
	roles  map[string]*roles.Manifest
	launch []string // names of roles that a Droplet can have
}

func newCheck(doc *report.Document, manifests map[string]*roles.Manifest) *check {
	c := &check{
		doc:   doc,
		taken: map[string]bool{},
		roles: manifests,
	}

	problems, _ := report.Of(doc.Problems())
	for _, problem := range problems {
		c.taken[problem.Path] = true
		if meant := misspelt(problem); meant != "" {
			c.taken[meant] = true // it is not missing as well
		}
	}

	for _, manifest := range roles.Deployable(manifests) {
		c.launch = append(c.launch, manifest.Name)
	}

	return c
}

var suggestion = regexp.MustCompile(`^unknown key; did you mean "(.*)"\?$`)

// misspelt is the path that an unknown key was most likely meant to be; "" when none is near.
func misspelt(problem report.Problem) string {
	found := suggestion.FindStringSubmatch(problem.Message)
	if found == nil {
		return ""
	}

	return problem.Path[:strings.LastIndex(problem.Path, ".")+1] + found[1]
}

func (c *check) add(path, format string, args ...any) {
	if !c.taken[path] {
		c.taken[path] = true
		c.doc.Add(path, format, args...)
	}
}

// need adds a problem when a path is missing, with what to write there.
func (c *check) need(path, example string) bool {
	if !c.doc.Has(path) {
		c.add(path, "is missing; write %s", example)
		return false
	}

	return true
}

func (c *check) stack(s *Stack) {
	if c.need("version", "version: 1") && s.Version != Version {
		c.add("version", "must be %d, got %d", Version, s.Version)
	}

	if c.need("name", "a name for the stack, as in name: blog") {
		c.name("name", s.Name)
	}

	if c.need("cloud", "cloud: lab, or cloud: digitalocean") {
		c.oneOf("cloud", s.Cloud, []string{CloudDigitalOcean, CloudLab})
	}

	if c.need("region", "a region's slug, as in region: fra1") {
		c.slug("region", s.Region, "fra1")
	}

	if c.doc.Has("release") {
		c.oneOf("release", s.Release, releases())
	}

	if c.doc.Has("secrets") && s.Secrets == "" {
		c.add("secrets", "must name a file, as in secrets: %s", DefaultSecrets)
	}

	c.drift(s)

	if c.doc.Has("galera.sst_method") {
		c.oneOf(
			"galera.sst_method",
			s.Galera.SSTMethod,
			[]string{TransferMariabackup, TransferRsync},
		)
	}

	c.site(s.Site)
	c.groups(s.Nodes)
	c.balancer(s)
	c.reserved(s)
}

// leastDriftEvery keeps a node from reading its disk all the time.
const leastDriftEvery = time.Minute

func (c *check) drift(s *Stack) {
	if c.doc.Has("drift") {
		c.oneOf("drift", s.Drift, []string{DriftQuarantine, DriftReport})
	}
	if c.doc.Has("drift_every") && s.DriftEvery < leastDriftEvery {
		c.add("drift_every", "must be at least %s, as in 6h, got %s", leastDriftEvery, s.DriftEvery)
	}
}

func (c *check) name(path, name string) {
	if !namePattern.MatchString(name) {
		c.add(
			path,
			"must be lower-case letters, digits and dashes, begin with a letter and have at most 32 "+
				"characters, got %q",
			name,
		)
	}
}

func (c *check) slug(path, slug, example string) {
	if !slugPattern.MatchString(slug) {
		c.add(path, "must be a slug of DigitalOcean's, as in %s, got %q", example, slug)
	}
}

func (c *check) oneOf(path, value string, known []string) {
	if slices.Contains(known, value) {
		return
	}
	if near := report.Nearest(value, known); near != "" {
		c.add(path, "there is no %q; did you mean %q?", value, near)
		return
	}

	c.add(path, "there is no %q; write one of %s", value, strings.Join(known, ", "))
}

func (c *check) site(site Site) {
	if c.need(
		"site.title",
		"what the front page is called, as in title: Hornero",
	) && site.Title == "" {
		c.add("site.title", "must not be empty")
	}

	if c.need("site.admin_user", "who administers the site, as in admin_user: admin") &&
		!userPattern.MatchString(site.AdminUser) {
		c.add(
			"site.admin_user",
			"must be letters, digits and any of . _ @ -, got %q",
			site.AdminUser,
		)
	}

	if c.need("site.admin_email", "an address, as in admin_email: admin@example.org") {
		if parsed, err := mail.ParseAddress(site.AdminEmail); err != nil || parsed.Address != site.AdminEmail {
			c.add(
				"site.admin_email",
				"must be a mail address, as in admin@example.org, got %q",
				site.AdminEmail,
			)
		}
	}

	if site.URL != "" {
		parsed, err := url.Parse(site.URL)
		if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
			c.add(
				"site.url",
				"must be a full address, as in https://example.org, got %q; leave it out for the load "+
					"balancer's own",
				site.URL,
			)
		}
	}
}

func (c *check) groups(groups []Group) {
	if len(groups) == 0 {
		c.add(
			"nodes",
			"is missing or empty; write at least one group, as in - {name: web, role: web, count: 2}",
		)

		return
	}

	total, names := 0, map[string]int{}

	for i, group := range groups {
		path := "nodes[" + strconv.Itoa(i) + "]"
		c.group(path, group)

		if first, twice := names[group.Name]; twice && group.Name != "" {
			c.add(
				path+".name",
				"%q is taken by nodes[%d]; give each group a name of its own",
				group.Name,
				first,
			)
		} else {
			names[group.Name] = i
		}

		total += group.Count
	}

	if total > maxNodes {
		c.add("nodes", "at most %d nodes fit in a stack, got %d", maxNodes, total)
	}

	c.quorum(groups)
}

func (c *check) group(path string, group Group) {
	if c.need(path+".name", "a name for the group, as in name: web") {
		c.name(path+".name", group.Name)
	}

	if c.need(path+".role", "one of "+strings.Join(c.launch, ", ")) {
		c.role(path+".role", group.Role)
	}

	if c.need(path+".count", "how many nodes, as in count: 2") && group.Count < 1 {
		c.add(
			path+".count",
			"must be at least 1, got %d; remove the group when there is to be none",
			group.Count,
		)
	}

	if c.doc.Has(path + ".size") {
		c.slug(path+".size", group.Size, DefaultSize)
	}
}

func (c *check) role(path, role string) {
	manifest := c.roles[role]
	if manifest != nil && manifest.Abstract {
		c.add(
			path,
			"%q is only a part of other roles; write one of %s",
			role,
			strings.Join(c.launch, ", "),
		)

		return
	}

	if manifest == nil {
		c.oneOf(path, role, c.launch)
	}
}

// quorum holds the database roles and the arbitrator together to an odd number of votes.
func (c *check) quorum(groups []Group) {
	counts, last := map[string]int{}, map[string]int{}
	arbitrators := 0

	for i, group := range groups {
		if manifest := c.roles[group.Role]; manifest != nil && manifest.Driver == "arbitrator" {
			if arbitrators += group.Count; arbitrators > 1 {
				c.add(
					"nodes["+strconv.Itoa(i)+"].count",
					"must be 1: one arbitrator at most makes the number of votes odd, got %d",
					arbitrators,
				)
			}
		}

		if manifest := c.roles[group.Role]; manifest != nil && manifest.Driver == "galera" && group.Count > 0 {
			counts[group.Role] += group.Count
			last[group.Role] = i
		}
	}

	for _, role := range slices.Sorted(maps.Keys(counts)) {
		count := counts[role]
		path := "nodes[" + strconv.Itoa(last[role]) + "].count"

		switch {
		case arbitrators == 1 && count%2 == 1:
			c.add(
				path,
				"must be an even number of %s nodes beside an arbitrator, so that half of the votes is never a "+
					"tie, got %d; write %d, or remove the arbitrator",
				role,
				count,
				count+1,
			)

		case arbitrators == 0 && count%2 == 0:
			c.add(
				path,
				"must give an odd number of %s nodes, so that half of them is never a tie, got %d; write %d or "+
					"%d, or add a group of one node with role: arbitrator",
				role,
				count,
				count-1,
				count+1,
			)
		}
	}
}

// usedRole holds a path to a role that the stack has and that fits. A group whose role is wrong itself may be
// the one meant.
func (c *check) usedRole(path, role string, s *Stack, fits func(*roles.Manifest) bool) {
	used := map[string]bool{}
	for i, group := range s.Nodes {
		if c.taken["nodes["+strconv.Itoa(i)+"].role"] {
			return
		}
		if manifest := c.roles[group.Role]; manifest != nil && fits(manifest) {
			used[group.Role] = true
		}
	}

	if len(used) > 0 {
		c.oneOf(path, role, slices.Sorted(maps.Keys(used)))
	}
}

func anyRole(*roles.Manifest) bool { return true }

// reserved checks the reserved IP. Whether the account has it is for the cloud to say.
func (c *check) reserved(s *Stack) {
	if !c.doc.Has("reserved_ip") {
		return
	}

	if s.ReservedIP == nil {
		c.add(
			"reserved_ip",
			"must name the role that holds it and the address, as in {nodes: proxy, address: 203.0.113.9}; "+
				"remove it when there is to be none",
		)

		return
	}

	if c.need("reserved_ip.nodes", "the role whose nodes hold it, as in nodes: proxy") {
		holds := func(m *roles.Manifest) bool { return m.ReservedIP != nil }
		if manifest := c.roles[s.ReservedIP.Nodes]; manifest != nil && !holds(manifest) {
			c.add(
				"reserved_ip.nodes",
				"nodes of role %s serve nothing at a reserved IP, else their manifest would say reserved_ip; "+
					"write nodes: proxy",
				s.ReservedIP.Nodes,
			)
		}

		c.usedRole("reserved_ip.nodes", s.ReservedIP.Nodes, s, holds)
	}

	if c.need(
		"reserved_ip.address",
		"an address of the account, as in address: 203.0.113.9; `hornero reserved-ip create` reserves one",
	) {
		address, err := netip.ParseAddr(s.ReservedIP.Address)
		if err != nil || !address.Is4() {
			c.add(
				"reserved_ip.address",
				"must be an IPv4 address of the account, as in 203.0.113.9, got %q; `hornero reserved-ip "+
					"create` reserves one",
				s.ReservedIP.Address,
			)
		}
	}
}

func (c *check) balancer(s *Stack) {
	if !c.need("load_balancer.nodes", "the role behind the load balancer, as in nodes: web") {
		return
	}

	c.usedRole("load_balancer.nodes", s.LoadBalancer.Nodes, s, anyRole)
	c.need("load_balancer.http", "the port for HTTP, as in http: 80")

	for _, port := range []struct {
		path  string
		value int
	}{{"load_balancer.http", s.LoadBalancer.HTTP}, {"load_balancer.https", s.LoadBalancer.HTTPS}} {
		if c.doc.Has(port.path) && (port.value < 1 || port.value > 65535) {
			c.add(port.path, "must be a port from 1 to 65535, got %d", port.value)
		}
	}

	if s.LoadBalancer.HTTP != 0 && s.LoadBalancer.HTTP == s.LoadBalancer.HTTPS {
		c.add("load_balancer.https", "must differ from http, got %d for both", s.LoadBalancer.HTTPS)
	}
}
