package stack

import (
	"maps"

	"github.com/hornero/hornero/internal/jsonschema"
	"github.com/hornero/hornero/roles"
)

// balancerPlaces are where a load balancer may stand.
func balancerPlaces() []string { return []string{"load_balancer", "balancers[]"} }

// balancerHelp says in a line what stands at each place of a load balancer.
var balancerHelp = map[string]string{
	".nodes":  "the role behind it",
	".serves": "what of the role's manifest it points at; without it the first that speaks HTTP",
	".http":   "the port for HTTP",
	".https":  "the port for HTTPS, with the stack's own certificate",

	".rules":               "what else it listens for, and where that goes",
	".rules[].protocol":    "what visitors speak",
	".rules[].port":        "the port that they come to",
	".rules[].to":          "what nodes are spoken to in; without it http, or the same where nothing is read",
	".rules[].serves":      "what of the role's manifest it goes to; without it as the load balancer's own",
	".rules[].target_port": "the nodes' port, in place of serves; for udp the rule's own without it",
	".rules[].passthrough": "leave TLS to the nodes",

	".redirect":         "send who comes by http at port 80 to https at port 443",
	".sticky":           "keep a visitor with one node, by a cookie",
	".sticky.cookie":    "the cookie's name",
	".sticky.ttl":       "how long it is good for",
	".health":           "how nodes are checked; without it each node's bootstrap is asked",
	".health.protocol":  "what the check speaks",
	".health.port":      "the port that is asked; without it that of what is served",
	".health.path":      "what is asked for",
	".health.interval":  "between two checks",
	".health.timeout":   "how long an answer may take",
	".health.unhealthy": "bad answers until nothing is sent there any more",
	".health.healthy":   "good answers until something is",
	".proxy_protocol":   "tell nodes the visitor's address by the PROXY protocol",
	".allow":            "addresses and networks that alone get in; without it all do",
	".deny":             "addresses and networks that do not get in",
	".size":             "in units, each of which is paid for",
	".idle":             "how long a connection may be silent; without it what the role's manifest says",
	".keepalive":        "use connections to nodes again",
	".network":          "external: reached from the internet; internal: from the stack's VPC only; for good",
	".type":             "network passes tcp and udp packets on as they are; it cannot be changed in place",
	".ciphers":          "strong: only those with forward secrecy",
	".dual_stack":       "have an IPv6 address, too; it cannot be changed in place",

	".certificate":              "where the certificate comes from; without it the secrets file",
	".certificate.lets_encrypt": "names that DigitalOcean has Let's Encrypt issue one for; it must have their domain",
	".certificate.dns_records":  "let DigitalOcean point these names at the load balancer by itself",
}

// helpOfAll is schemaHelp with what is said of sites, and of load balancers wherever they stand.
func helpOfAll() map[string]string {
	all := maps.Clone(schemaHelp)

	for _, place := range balancerPlaces() {
		for key, help := range balancerHelp {
			all[place+key] = help
		}
	}

	for key, help := range siteHelp {
		all["sites"+key] = help
	}

	all["balancers[].name"] = "the load balancer's name in the stack"

	return all
}

// addBalancerLimits adds what the values of load balancers may be.
func addBalancerLimits(limits map[string]schema, manifests map[string]*roles.Manifest) {
	// A short form is for roles that speak HTTP.
	short := schema{"nodes": schema{"enum": roleNames(manifests, speaksHTTP)}}
	aPort := []schema{
		{"required": []string{"http"}, "properties": short},
		{"required": []string{"https"}, "properties": short},
		{"required": []string{"rules"}},
	}

	for _, place := range balancerPlaces() {
		for key, limit := range balancerLimits(manifests) {
			limits[place+key] = limit
		}
	}

	limits["load_balancer"] = schema{"required": []string{"nodes"}, "anyOf": aPort}
	limits["balancers[]"] = schema{"required": []string{"name", "nodes"}, "anyOf": aPort}
	limits["balancers[].name"] = schema{"pattern": namePattern.String()}
}

// balancerLimits are what the values of a load balancer may be.
func balancerLimits(manifests map[string]*roles.Manifest) map[string]schema {
	port := jsonschema.Port()
	threshold := schema{"minimum": minThreshold, "maximum": maxThreshold, "default": DefaultBalancerThreshold}
	serves := func(manifest *roles.Manifest) bool { return len(manifest.Serves) > 0 }

	limits := map[string]schema{
		".nodes": {"enum": roleNames(manifests, serves)},
		".http":  port,
		".https": port,

		".rules":               {"minItems": 1},
		".rules[]":             {"required": []string{"protocol", "port"}},
		".rules[].protocol":    {"enum": ruleProtocols()},
		".rules[].port":        port,
		".rules[].to":          {"enum": ruleProtocols()},
		".rules[].target_port": port,

		".sticky":           {"required": []string{"cookie", "ttl"}},
		".sticky.cookie":    {"pattern": cookiePattern.String()},
		".health.protocol":  {"enum": []string{ProtocolHTTP, ProtocolHTTPS, ProtocolTCP}},
		".health.port":      port,
		".health.path":      {"pattern": "^/"},
		".health.interval":  {"default": DefaultBalancerInterval.String()},
		".health.timeout":   {"default": DefaultBalancerTimeout.String()},
		".health.unhealthy": threshold,
		".health.healthy":   threshold,

		".size":    {"minimum": 1, "maximum": maxBalancerSize, "default": DefaultBalancerSize},
		".network": {"enum": []string{NetworkExternal, NetworkInternal}, "default": NetworkExternal},
		".type":    {"enum": []string{TypeNetwork, TypeRegional}, "default": TypeRegional},
		".ciphers": {"enum": []string{CiphersDefault, CiphersStrong}, "default": CiphersDefault},

		".certificate":              {"required": []string{"lets_encrypt"}},
		".certificate.lets_encrypt": {"minItems": 1},
	}

	for _, flag := range []string{
		".rules[].passthrough",
		".redirect",
		".proxy_protocol",
		".keepalive",
		".dual_stack",
		".certificate.dns_records",
	} {
		limits[flag] = schema{"default": false}
	}

	return limits
}
