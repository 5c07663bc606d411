package stack

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// maxVariants keeps what a request is looked through for short.
const maxVariants = 8

// What a request may be told by. The value stands in a configuration of HAProxy's, and a cookie's name in a path of
// what is wrong.
var (
	askedNamePattern  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`)
	askedValuePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$`)
)

// ownHeaders say something else: the site's name, all cookies, or what the edge takes off.
var ownHeaders = regexp.MustCompile(`(?i)^(connection|cookie|forwarded|host|proxy|x-real-ip|x-forwarded-.*)$`)

// variants checks what visitors of a site may ask for.
func (c *check) variants(path string, site Site, s *Stack) {
	taken := map[string]string{}

	if at := path + ".canary"; c.doc.Has(at) && !c.taken[at] {
		var asked Asked
		if site.Canary != nil {
			asked = *site.Canary
		}

		c.asked(at, asked, taken)
	}

	if at := path + ".variants"; c.doc.Has(at) && !c.taken[at] {
		c.variantList(at, site, taken)
	}

	hasOwn := slices.ContainsFunc(s.Nodes, func(group Group) bool {
		return group.Role == site.Nodes && site.serves(group.Name)
	})
	if len(site.Variants) > 0 && !hasOwn && slices.Contains(s.usedRoles(), site.Nodes) {
		c.add(
			path+".variants",
			"no group is left for the other visitors of the site; add one of role %s",
			site.Nodes,
		)
	}

	for i, variant := range site.Variants {
		c.variantGroup(fmt.Sprintf("%s.variants[%d].group", path, i), i, variant, site, s)
	}
}

func (c *check) variantList(path string, site Site, taken map[string]string) {
	if count := len(site.Variants); count == 0 || count > maxVariants {
		c.add(
			path,
			"must hold from 1 to %d, as in - {group: b, header: {X-Variant: b}}, got %d",
			maxVariants,
			count,
		)
	}

	for i, variant := range site.Variants {
		at := fmt.Sprintf("%s[%d]", path, i)
		if !c.taken[at] {
			c.asked(at, variant.asked(), taken)
		}
	}
}

// variantGroup checks whose nodes a variant is.
func (c *check) variantGroup(path string, at int, variant Variant, site Site, s *Stack) {
	if !c.need(path, "whose nodes the variant is, as in group: b") || c.taken[path] {
		return
	}

	var known []string
	for _, group := range s.Nodes {
		if group.Role == site.Nodes {
			known = append(known, group.Name)
		}
	}

	switch {
	case len(known) == 0:
		// The site's role has its own problem.
	case s.group(variant.Group).Role != "" && !slices.Contains(known, variant.Group):
		c.add(
			path,
			"nodes of group %s are of role %s; a variant's are of the site's role, %s",
			variant.Group,
			s.group(variant.Group).Role,
			site.Nodes,
		)
	case slices.Contains(site.Groups, variant.Group):
		c.add(
			path,
			"%q serves all visitors of the site already (groups); take it out there",
			variant.Group,
		)
	case slices.ContainsFunc(site.Variants[:at], func(v Variant) bool { return v.Group == variant.Group }):
		c.add(
			path,
			"%q is a variant already; one entry may have several headers and cookies",
			variant.Group,
		)
	default:
		c.oneOf(path, variant.Group, known)
	}
}

// asked checks what a request must have with it.
func (c *check) asked(path string, asked Asked, taken map[string]string) {
	if len(asked.Header)+len(asked.Cookie) == 0 {
		c.add(
			path,
			"must say what visitors ask with, as in header: {X-Variant: b} or cookie: {variant: b}",
		)

		return
	}

	c.askedBy(path+".header", asked.Header, taken)
	c.askedBy(path+".cookie", asked.Cookie, taken)

	for _, name := range slices.Sorted(maps.Keys(asked.Header)) {
		if ownHeaders.MatchString(name) {
			c.addKey(
				path+".header."+name,
				"says something else to the edge; choose another header, as in X-Variant, or a cookie",
			)
		}
	}
}

// askedBy checks the headers or the cookies. No two entries may ask for the same: the first would always win.
func (c *check) askedBy(path string, values map[string]string, taken map[string]string) {
	kind := path[strings.LastIndex(path, "."):]

	for _, name := range slices.Sorted(maps.Keys(values)) {
		at := path + "." + name
		value := values[name]

		// Headers are the same in capitals.
		key := kind + " " + name + " " + value
		if kind == ".header" {
			key = kind + " " + strings.ToLower(name) + " " + value
		}

		switch {
		case !askedNamePattern.MatchString(name):
			c.addKey(
				at,
				"must be a name of letters, digits, _ and - that begins with a letter, got %q",
				name,
			)
		case !askedValuePattern.MatchString(value):
			c.add(
				at,
				"must be at most 64 letters, digits, and . _ ~ -, and begin with a letter or digit, got %q",
				value,
			)
		case taken[key] != "":
			c.add(
				at,
				"asks for what %s asks for; one request leads to one place",
				taken[key],
			)
		default:
			taken[key] = at
		}
	}
}
