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

// maxNodes bounds a stack.
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

	// What the reader has told of a place is not told again in other words.
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
	// The first problem at a place is the one to mend; more would only distract.
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

	if c.doc.Has("galera.sst_method") {
		c.oneOf("galera.sst_method", s.Galera.SSTMethod, []string{TransferMariabackup, TransferRsync})
	}

	c.drift(s)
	c.site(s.Site)
	c.groups(s.Nodes)
	c.balancer(s)
	c.reserved(s)
}

// minDriftEvery keeps a node from reading its disk all the time.
const minDriftEvery = time.Minute

func (c *check) drift(s *Stack) {
	if c.doc.Has("drift") {
		c.oneOf("drift", s.Drift, []string{DriftQuarantine, DriftReport})
	}
	if c.doc.Has("drift_every") && s.DriftEvery < minDriftEvery {
		c.add("drift_every", "must be at least %s, as in 6h, got %s", minDriftEvery, s.DriftEvery)
	}
}

func (c *check) name(path, name string) {
	if !namePattern.MatchString(name) {
		c.add(path, "must be lower-case letters, digits and dashes, begin with a letter and have at most 32 "+
			"characters, got %q", name)
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
	titled := c.need("site.title", "what the front page is called, as in title: Hornero")
	if titled && site.Title == "" {
		c.add("site.title", "must not be empty")
	}

	named := c.need("site.admin_user", "who administers the site, as in admin_user: admin")
	if named && !userPattern.MatchString(site.AdminUser) {
		c.add("site.admin_user", "must be letters, digits and any of . _ @ -, got %q", site.AdminUser)
	}

	reachable := c.need("site.admin_email", "an address, as in admin_email: admin@example.org")
	if reachable && !isMailAddress(site.AdminEmail) {
		c.add("site.admin_email", "must be a mail address, as in admin@example.org, got %q", site.AdminEmail)
	}

	if site.URL != "" && !isWebAddress(site.URL) {
		c.add("site.url", "must be a full address, as in https://example.org, got %q; leave it out for the load "+
			"balancer's own", site.URL)
	}
}

// isMailAddress tells whether a text is an address and nothing else: ParseAddress takes a name before it, too.
func isMailAddress(text string) bool {
	parsed, err := mail.ParseAddress(text)
	return err == nil && parsed.Address == text
}

func isWebAddress(text string) bool {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" {
		return false
	}

	return parsed.Scheme == "http" || parsed.Scheme == "https"
}

func (c *check) groups(groups []Group) {
	if len(groups) == 0 {
		c.add("nodes", "is missing or empty; write at least one group, as in - {name: web, role: web, count: 2}")
		return
	}

	total := 0
	names := map[string]int{}

	for i, group := range groups {
		path := groupPath(i)
		c.group(path, group)
		total += group.Count

		// Nodes are named after their group: two groups of a name would make the same nodes.
		first, twice := names[group.Name]
		if twice && group.Name != "" {
			c.add(path+".name", "%q is taken by nodes[%d]; give each group a name of its own", group.Name, first)
			continue
		}

		names[group.Name] = i
	}

	if total > maxNodes {
		c.add("nodes", "at most %d nodes fit in a stack, got %d", maxNodes, total)
	}

	c.arbitrator(groups)
	c.quorum(groups)
}

// groupPath is where a group stands in stack.yaml.
func groupPath(i int) string {
	return "nodes[" + strconv.Itoa(i) + "]"
}

func (c *check) group(path string, group Group) {
	if c.need(path+".name", "a name for the group, as in name: web") {
		c.name(path+".name", group.Name)
	}

	if c.need(path+".role", "one of "+strings.Join(c.launch, ", ")) {
		c.role(path+".role", group.Role)
	}

	counted := c.need(path+".count", "how many nodes, as in count: 2")
	if counted && group.Count < 1 {
		c.add(path+".count", "must be at least 1, got %d; remove the group when there is to be none", group.Count)
	}

	if c.doc.Has(path + ".size") {
		c.slug(path+".size", group.Size, DefaultSize)
	}
}

func (c *check) role(path, role string) {
	manifest := c.roles[role]

	switch {
	case manifest == nil:
		c.oneOf(path, role, c.launch)
	case manifest.Abstract:
		choice := strings.Join(c.launch, ", ")
		c.add(path, "%q is only a part of other roles; write one of %s", role, choice)
	}
}

// quorum holds the database roles and the arbitrator together to an odd number of votes.
func (c *check) quorum(groups []Group) {
	counts := map[string]int{}
	last := map[string]int{} // the group to name in a problem
	arbitrators := 0

	for i, group := range groups {
		switch c.driver(group) {
		case "arbitrator":
			arbitrators += group.Count
		case "galera":
			// A count below 1 has its own problem.
			if group.Count > 0 {
				counts[group.Role] += group.Count
				last[group.Role] = i
			}
		}
	}

	for _, role := range slices.Sorted(maps.Keys(counts)) {
		count := counts[role]
		path := groupPath(last[role]) + ".count"

		switch {
		// The arbitrator has a vote of its own, so that the databases must be even for the sum to be odd.
		case arbitrators == 1 && count%2 == 1:
			c.add(path, "must be an even number of %s nodes beside an arbitrator, so that half of the votes is "+
				"never a tie, got %d; write %d, or remove the arbitrator", role, count, count+1)

		case arbitrators == 0 && count%2 == 0:
			c.add(path, "must give an odd number of %s nodes, so that half of them is never a tie, got %d; "+
				"write %d or %d, or add a group of one node with role: arbitrator", role, count, count-1, count+1)
		}
	}
}

// driver is the driver of a group's role; "" for a role that is not known.
func (c *check) driver(group Group) string {
	if manifest := c.roles[group.Role]; manifest != nil {
		return manifest.Driver
	}

	return ""
}

// arbitrator holds a stack to one arbitrator, whatever its groups are.
func (c *check) arbitrator(groups []Group) {
	arbitrators := 0

	for i, group := range groups {
		if c.driver(group) != "arbitrator" {
			continue
		}

		// At the group that is too many, not at the first.
		arbitrators += group.Count
		if arbitrators > 1 {
			c.add(groupPath(i)+".count", "must be 1: one arbitrator at most makes the number of votes odd, got %d",
				arbitrators)
		}
	}
}

// usedRole checks that the stack has a role and that the role fits. It says nothing while a group's own role is
// wrong: that group may be the one meant.
func (c *check) usedRole(path, role string, s *Stack, fits func(*roles.Manifest) bool) {
	used := map[string]bool{}

	for i, group := range s.Nodes {
		if c.taken[groupPath(i)+".role"] {
			return
		}

		manifest := c.roles[group.Role]
		if manifest != nil && fits(manifest) {
			used[group.Role] = true
		}
	}

	// Without any fitting role the groups have a problem of their own.
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

	// The key is there and holds nothing: YAML's null.
	if s.ReservedIP == nil {
		c.add("reserved_ip", "must name the role that holds it and the address, as in {nodes: proxy, address: "+
			"203.0.113.9}; remove it when there is to be none")

		return
	}

	if c.need("reserved_ip.nodes", "the role whose nodes hold it, as in nodes: proxy") {
		c.reservedIPRole(s)
	}

	const example = "an address of the account, as in address: 203.0.113.9; `hornero reserved-ip create` reserves one"
	if !c.need("reserved_ip.address", example) {
		return
	}

	address, err := netip.ParseAddr(s.ReservedIP.Address)
	if err != nil || !address.Is4() {
		c.add("reserved_ip.address", "must be an IPv4 address of the account, as in 203.0.113.9, got %q; "+
			"`hornero reserved-ip create` reserves one", s.ReservedIP.Address)
	}
}

// reservedIPRole checks that the nodes that are to hold the reserved IP can.
func (c *check) reservedIPRole(s *Stack) {
	mayHold := func(m *roles.Manifest) bool { return m.ReservedIP != nil }
	role := s.ReservedIP.Nodes

	if manifest := c.roles[role]; manifest != nil && !mayHold(manifest) {
		c.add("reserved_ip.nodes", "nodes of role %s serve nothing at a reserved IP, else their manifest would "+
			"say reserved_ip; write nodes: proxy", role)
	}

	c.usedRole("reserved_ip.nodes", role, s, mayHold)
}

func (c *check) port(path string, port int) {
	// Zero stands for a port that is left out; written, it is a mistake.
	if c.doc.Has(path) && (port < 1 || port > 65535) {
		c.add(path, "must be a port from 1 to 65535, got %d", port)
	}
}

func (c *check) balancer(s *Stack) {
	if !c.need("load_balancer.nodes", "the role behind the load balancer, as in nodes: web") {
		return
	}

	c.usedRole("load_balancer.nodes", s.LoadBalancer.Nodes, s, anyRole)
	c.need("load_balancer.http", "the port for HTTP, as in http: 80")

	c.port("load_balancer.http", s.LoadBalancer.HTTP)
	c.port("load_balancer.https", s.LoadBalancer.HTTPS)

	if s.LoadBalancer.HTTP != 0 && s.LoadBalancer.HTTP == s.LoadBalancer.HTTPS {
		c.add("load_balancer.https", "must differ from http, got %d for both", s.LoadBalancer.HTTPS)
	}
}
