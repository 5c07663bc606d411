package stack

import "github.com/hornero/hornero/roles"

// siteHelp says in a line what stands at each place of a site.
var siteHelp = map[string]string{
	"":              "sites of the stack's own edge, nodes of the role edge",
	"[].names":      "that visitors use; who comes by another than the first is sent to it",
	"[].nodes":      "the role behind the site",
	"[].groups":     "the groups of that role that serve it; without it all",
	"[].variants":   "groups that only those visitors get who ask for them; the first that fits",
	"[].canary":     "what visitors get a canary with, whatever its share (hornero roll --strategy canary)",
	"[].serves":     "what of the role's manifest visitors get; without it the first that speaks HTTP",
	"[].redirect":   "send who comes by http to https",
	"[].http2":      "let browsers speak HTTP/2; true without it",
	"[].balance":    "leastconn: whoever has the fewest requests; roundrobin: in turn",
	"[].trusted":    "addresses and networks of front ends whose word for the visitor's address is believed",
	"[].limits":     "what the site takes at most",
	"[].idle":       "how long an answer may take; without it what the role's manifest says",
	"[].tunnel":     "how long a WebSocket may be silent",
	"[].slow_start": "how long a node takes to its whole share of the visitors",

	"[].certificate": "a word: the certificate of the secrets site_WORD.certificate and site_WORD.key; without it " +
		"site.certificate, which the stack makes by itself; acme: one that renews itself",

	"[].hsts": "how long browsers shall ask by https only, as in 5m at first; never told of the stack's own " +
		"certificate",
	"[].affinity": "cookie: a cookie of the edge keeps a visitor with a node; source: his address does; application: " +
		"the application's own cookie does, on every node of the edge; without it any node answers",

	"[].variants[].group":  "whose nodes the variant is: of the site's role, and not among its groups",
	"[].variants[].header": "names of headers with their values; each alone leads to the variant",
	"[].variants[].cookie": "names of cookies with their values; each alone leads to the variant",
	"[].canary.header":     "names of headers with their values; each alone leads to the canary",
	"[].canary.cookie":     "names of cookies with their values; each alone leads to the canary",

	"[].limits.requests":    "of one visitor's address in ten seconds; more get 429",
	"[].limits.connections": "requests at the same time at one node of the edge; more get 503",
	"[].limits.failures": "of one visitor's address in ten minutes at the ways in that the role's manifest names, as " +
		"wrong passwords; more get 429 there",
	"[].limits.per_node": "requests at the same time to a node behind it; more wait",
}

// addSiteLimits adds what the values of sites may be.
func addSiteLimits(limits map[string]schema, manifests map[string]*roles.Manifest) {
	count := schema{"minimum": 1, "maximum": maxSiteLimit}

	for key, limit := range map[string]schema{
		"":                      {"minItems": 1, "maxItems": maxSites},
		"[]":                    {"required": []string{"names", "nodes"}},
		"[].names":              {"minItems": 1},
		"[].names[]":            {"pattern": domainPattern.String()},
		"[].nodes":              {"enum": roleNames(manifests, behindSites)},
		"[].certificate":        {"pattern": siteCertificatePattern.String()},
		"[].affinity":           {"enum": affinities()},
		"[].redirect":           {"default": false},
		"[].http2":              {"default": true},
		"[].balance":            {"enum": []string{BalanceLeast, BalanceRound}, "default": BalanceLeast},
		"[].tunnel":             {"default": DefaultTunnel.String()},
		"[].slow_start":         {"default": DefaultSlowStart.String()},
		"[].limits.requests":    count,
		"[].limits.per_node":    count,
		"[].limits.failures":    {"minimum": 1, "maximum": maxSiteLimit, "default": DefaultFailures},
		"[].limits.connections": count,
	} {
		limits["sites"+key] = limit
	}

	limits["sites[].variants"] = schema{"minItems": 1, "maxItems": maxVariants}
	limits["sites[].variants[]"] = schema{"required": []string{"group"}}

	asked := schema{
		"propertyNames":        schema{"pattern": askedNamePattern.String()},
		"additionalProperties": schema{"type": "string", "pattern": askedValuePattern.String()},
	}
	for _, of := range []string{"variants[]", "canary"} {
		limits["sites[]."+of+".header"] = asked
		limits["sites[]."+of+".cookie"] = asked
	}
}
