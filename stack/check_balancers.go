package stack

import (
	"fmt"
	"strings"

	"github.com/hornero/hornero/roles"
)

// balancers checks both forms: load_balancer, and balancers.
func (c *check) balancers(s *Stack) {
	c.shortBalancer(s)

	names := map[string]int{}
	for i, balancer := range s.Balancers {
		path := fmt.Sprintf("balancers[%d]", i)
		if c.taken[path] {
			continue
		}

		if c.need(path+".name", "a name for the load balancer, as in name: public") {
			c.name(path+".name", balancer.Name)
		}

		if first, twice := names[balancer.Name]; twice && balancer.Name != "" {
			c.add(path+".name", "%q is taken by balancers[%d]; give each load balancer a name of its own",
				balancer.Name, first)
		} else {
			names[balancer.Name] = i
		}

		c.balancer(path, balancer, s)
	}
}

// shortBalancer checks the short form.
func (c *check) shortBalancer(s *Stack) {
	const short = "load_balancer"
	if !c.doc.Has(short) || c.taken[short] {
		return
	}

	// The key is there and holds nothing: YAML's null.
	if s.LoadBalancer == nil {
		c.add(short, "must name the role behind it and a port, as in {nodes: %s, http: 80}; remove it when there is "+
			"to be none", c.example(speaksHTTP))

		return
	}

	if c.doc.Has("balancers") {
		c.add(short, "cannot stand beside balancers: it is the short form of a single one; write it there, too, "+
			"with a name")
	}

	if c.doc.Has(short + ".name") {
		c.add(short+".name", "stands under balancers only: the short form has no name; remove it, or write "+
			"balancers: [{name: %s, ...}]", s.LoadBalancer.Name)
	}

	c.balancer(short, *s.LoadBalancer, s)
}

func (c *check) balancer(path string, balancer Balancer, s *Stack) {
	example := "the role behind the load balancer, as in nodes: " + c.example(speaksHTTP)

	switch {
	// A list: the reader says only that it is no text.
	case c.doc.Has(path + ".nodes[0]"):
		c.instead[path+".nodes"] = "a load balancer of DigitalOcean serves one role; keep one here, and write a " +
			"second load balancer under balancers, as in - {name: second, nodes: ROLE, http: 80}"

	case c.need(path+".nodes", example):
		c.balanced(path, balancer, s)
	}

	said := c.doc.Has(path+".http") || c.doc.Has(path+".https") || c.doc.Has(path+".rules")
	if !said && !c.taken[path+".https"] && !c.taken[path+".rules"] {
		c.need(path+".http", "a port, as in http: 80, or https: 443")
	}

	c.port(path+".http", balancer.HTTP)
	c.port(path+".https", balancer.HTTPS)

	if balancer.HTTP != 0 && balancer.HTTP == balancer.HTTPS {
		c.add(path+".https", "must differ from http, got %d for both", balancer.HTTPS)
	}

	c.balancerRules(path, balancer)
	c.balancerOptions(path, balancer, s)
}

// balanced checks that the nodes behind a load balancer serve what it can point at.
func (c *check) balanced(path string, balancer Balancer, s *Stack) {
	role := balancer.Nodes
	manifest := c.roles[role]
	fits := speaksHTTP

	// One that only passes bytes on may stand before anything.
	if !balancer.ReadsHTTP() && len(balancer.Rules) > 0 {
		fits = func(*roles.Manifest) bool { return true }
	}

	if c.unfitRole(role) == "" && !fits(manifest) {
		c.add(path+".nodes", "nodes of role %s serve nothing that speaks HTTP, else their manifest would say so under "+
			"serves; write nodes: %s", role, c.example(speaksHTTP))

		return
	}

	c.usedRole(path+".nodes", role, s, fits)

	// The role that is meant is not known: nor is what it serves.
	if c.taken[path+".nodes"] || manifest == nil {
		return
	}

	c.served(path+".serves", balancer.Serves, manifest, balancer.HTTP != 0 || balancer.HTTPS != 0)

	for i, rule := range balancer.Rules {
		c.ruleServed(fmt.Sprintf("%s.rules[%d]", path, i), balancer, rule, manifest)
	}
}

// served checks that a role serves something of that name; "" is the first that speaks HTTP.
func (c *check) served(path, name string, manifest *roles.Manifest, http bool) {
	var known, all []string

	for _, serve := range manifest.Serves {
		all = append(all, serve.Name)

		if serve.HTTP() {
			known = append(known, serve.Name)
		}
	}

	if !http {
		known = all
	}

	serve, found := manifest.Balanced(name)

	switch {
	case !found && name == "" && !http: // each rule says its own
	case !found:
		c.add(path, "%s", noSuch(name, known))
	case http && !serve.HTTP():
		c.add(path, "%q of role %s does not speak HTTP, but %s; write one of %s",
			serve.Name, manifest.Name, serve.Protocol, strings.Join(known, ", "))
	}
}
