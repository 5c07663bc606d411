package stack

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"
)

// What DigitalOcean takes (its API description, load balancers).
const (
	minBalancerIdle = 30 * time.Second
	maxBalancerIdle = 10 * time.Minute
	minHealthTime   = 3 * time.Second
	maxHealthTime   = 5 * time.Minute
	minThreshold    = 2
	maxThreshold    = 10
	minCookieName   = 2
	maxCookieName   = 40
	maxBalancerSize = 200 // its documentation, "Limits"; the description says 100
	httpPort        = 80
	httpsPort       = 443
)

// cookiePattern is a token (RFC 6265, 4.1.1) without the sign that begins a comment, as long as DigitalOcean takes it.
var cookiePattern = regexp.MustCompile("^[A-Za-z0-9!$%&*+.^_|~-]{2,40}$")

// balancerOptions checks all that is no rule.
func (c *check) balancerOptions(path string, balancer Balancer, s *Stack) {
	c.balancerWords(path, balancer)
	c.dualStack(path+".dual_stack", balancer, s)
	c.sticky(path, balancer)
	c.redirect(path, balancer)
	c.balancerHealth(path+".health", balancer.Health)
	c.sources(path+".allow", balancer.Allow)
	c.sources(path+".deny", balancer.Deny)
	c.balancerCertificate(path, balancer)

	if at := path + ".size"; c.doc.Has(at) && (balancer.Size < 1 || balancer.Size > maxBalancerSize) {
		c.add(at, "must be from 1 to %d, got %d", maxBalancerSize, balancer.Size)
	}

	c.seconds(path+".idle", balancer.Idle, minBalancerIdle, maxBalancerIdle)
}

// balancerWords checks the keys that take a word, and what goes with which.
func (c *check) balancerWords(path string, balancer Balancer) {
	if c.doc.Has(path + ".network") {
		c.oneOf(path+".network", balancer.Network, []string{NetworkExternal, NetworkInternal})
	}

	if balancer.Type == typeGlobal {
		c.add(path+".type", "a global load balancer stands before stacks of several regions, and a stack is one "+
			"region; make it at DigitalOcean, with the load balancers of your stacks for its targets")
	}

	if c.doc.Has(path + ".type") {
		c.oneOf(path+".type", balancer.Type, []string{TypeNetwork, TypeRegional})
	}

	if c.doc.Has(path + ".ciphers") {
		c.oneOf(path+".ciphers", balancer.Ciphers, []string{CiphersDefault, CiphersStrong})
	}

	if balancer.Ciphers == CiphersStrong && !balancer.EndsTLS() {
		c.add(path+".ciphers", "no rule ends TLS at the load balancer, so there is nothing to choose; remove it")
	}

	if balancer.ProxyProtocol && balancer.Type == TypeNetwork {
		c.add(path+".proxy_protocol", "a load balancer of type network passes packets on as they are, with the "+
			"visitor's address; remove it")
	}
}

// dualStack checks what an IPv6 address asks of the rest.
func (c *check) dualStack(path string, balancer Balancer, s *Stack) {
	if balancer.DualStack && balancer.Network == NetworkInternal {
		c.add(path, "an internal load balancer has no IPv6 address; remove it")
	}

	for _, group := range s.Nodes {
		if balancer.DualStack && balancer.Type == TypeNetwork && group.Role == balancer.Nodes && !group.IPv6 {
			c.add(path, "a load balancer of type network has an IPv6 address only when all nodes have one; write "+
				"ipv6: true for group %s, or remove it", group.Name)
		}
	}
}

func (c *check) sticky(path string, balancer Balancer) {
	at := path + ".sticky"
	if !c.doc.Has(at) || c.taken[at] {
		return
	}

	if balancer.Sticky == nil {
		c.add(at, "must name a cookie and how long it is good for, as in {cookie: node, ttl: 1h}; remove it when any "+
			"node may answer")

		return
	}

	if !balancer.ReadsHTTP() {
		c.add(at, "the load balancer reads no requests, so it can set no cookie: all its rules are tcp, udp or passed "+
			"through; remove it")

		return
	}

	name := balancer.Sticky.Cookie

	if c.need(at+".cookie", "the cookie's name, as in cookie: node") && !cookiePattern.MatchString(name) {
		c.add(at+".cookie", "must be from 2 to 40 characters that a cookie's name can hold, got %q", name)
	}

	if c.need(at+".ttl", "how long the cookie is good for, as in ttl: 1h") {
		c.seconds(at+".ttl", balancer.Sticky.TTL, time.Second, 0)
	}
}

// redirect checks that there is something to send visitors from, and to: DigitalOcean does so from port 80 to 443 only.
func (c *check) redirect(path string, balancer Balancer) {
	if !balancer.Redirect {
		return
	}

	_, from := balancer.Listens(func(r Rule) bool { return r.Protocol == ProtocolHTTP && r.Port == httpPort })
	_, to := balancer.Listens(func(r Rule) bool { return r.Secure() && r.Port == httpsPort })

	if !from || !to {
		c.add(path+".redirect", "a load balancer redirects from http at port %d to https at port %d; write http: %d "+
			"and https: %d, or remove it", httpPort, httpsPort, httpPort, httpsPort)
	}
}

func (c *check) balancerHealth(path string, health *BalancerHealth) {
	if !c.doc.Has(path) || c.taken[path] {
		return
	}

	if health == nil {
		c.add(path, "must say how nodes are checked, as in {path: /health, interval: 5s}; remove it, and each node's "+
			"bootstrap is asked")

		return
	}

	if c.doc.Has(path + ".protocol") {
		c.oneOf(path+".protocol", health.Protocol, []string{ProtocolHTTP, ProtocolHTTPS, ProtocolTCP})
	}

	c.port(path+".port", health.Port)

	switch {
	case !c.doc.Has(path + ".path"):
	case health.Protocol == ProtocolTCP:
		c.add(path+".path", "a check by tcp asks for no path; remove it")
	case !strings.HasPrefix(health.Path, "/") || strings.ContainsAny(health.Path, " \t\"'\\#"):
		c.add(path+".path", "must begin with / and hold no white space, quote, backslash or #, got %q", health.Path)
	}

	c.seconds(path+".interval", health.Interval, minHealthTime, maxHealthTime)
	c.seconds(path+".timeout", health.Timeout, minHealthTime, maxHealthTime)
	c.threshold(path+".unhealthy", health.Unhealthy)
	c.threshold(path+".healthy", health.Healthy)
}

func (c *check) threshold(path string, number int) {
	if c.doc.Has(path) && (number < minThreshold || number > maxThreshold) {
		c.add(path, "must be from %d to %d, got %d", minThreshold, maxThreshold, number)
	}
}

// seconds checks a time that the API takes in whole seconds; no highest is 0.
func (c *check) seconds(path string, is, lowest, highest time.Duration) {
	if !c.doc.Has(path) {
		return
	}

	switch {
	case is < lowest && highest == 0:
		c.add(path, "must be at least %s, got %s", lowest, is)
	case is < lowest || highest != 0 && is > highest:
		c.add(path, "must be from %s to %s, got %s", lowest, highest, is)
	case is%time.Second != 0:
		c.add(path, "must be whole seconds, got %s", is)
	}
}

// sources checks addresses and networks of visitors.
func (c *check) sources(path string, list []string) {
	first := map[netip.Prefix]int{}

	for i, text := range list {
		at := fmt.Sprintf("%s[%d]", path, i)

		prefix, err := sourcePrefix(text)
		if err != nil {
			c.add(at, "must be an address or a network, as in 203.0.113.7 or 198.51.100.0/24, got %q", text)
			continue
		}

		if prefix.Masked() != prefix {
			c.add(at, "%q is an address inside of a network; write %s for the network, or %s for the address alone",
				text, prefix.Masked(), prefix.Addr())

			continue
		}

		if before, twice := first[prefix]; twice {
			c.add(at, "%q is there already, as %s[%d]; remove one", text, path, before)
		} else {
			first[prefix] = i
		}
	}
}

func sourcePrefix(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}

	return netip.ParsePrefix(text)
}

func (c *check) balancerCertificate(path string, balancer Balancer) {
	at := path + ".certificate"
	if !c.doc.Has(at) || c.taken[at] {
		return
	}

	names := balancer.IssuedNames()

	if len(names) == 0 {
		c.add(at, "must name what Let's Encrypt issues it for, as in {lets_encrypt: [www.example.org]}; remove it, "+
			"and the certificate of the secrets file is used")

		return
	}

	if !balancer.EndsTLS() {
		c.add(at, "no rule needs one: none of https, http2 or http3 ends at the load balancer; remove it, or write "+
			"https: 443")
	}

	first := map[string]int{}

	for i, name := range names {
		one := fmt.Sprintf("%s.lets_encrypt[%d]", at, i)

		if !domainPattern.MatchString(strings.TrimPrefix(name, "*.")) {
			c.add(one, "must be a name in lower case, as in www.example.org or *.example.org, got %q", name)
		}

		if before, twice := first[name]; twice {
			c.add(one, "%q is there already, as %s.lets_encrypt[%d]; remove one", name, at, before)
		} else {
			first[name] = i
		}
	}
}
