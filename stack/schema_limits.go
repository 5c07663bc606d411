package stack

import (
	"fmt"

	"github.com/hornero/hornero/roles"
)

// schemaHelp says in a line what stands at each place of stack.yaml.
var schemaHelp = map[string]string{
	"version":             "of this file's format",
	"name":                "the stack's name, part of every tag and Droplet name on the cloud",
	"cloud":               "lab: a DigitalOcean on this computer; digitalocean: the real one",
	"region":              "a DigitalOcean region's slug; the images must be there",
	"release":             "which images the nodes start from",
	"secrets":             "the encrypted secrets, beside this file",
	"roles":               "what the roles of the stack are told: the settings that their manifests declare",
	"nodes":               "groups of equal nodes",
	"nodes[].name":        "the group's name; its nodes are this and a number",
	"nodes[].role":        "a folder of roles",
	"nodes[].count":       "how many nodes",
	"nodes[].size":        "a DigitalOcean size's slug",
	"nodes[].image":       "a snapshot's number, which the nodes are launched from; without it the newest of the role",
	"nodes[].schema":      "the group's own in the database cluster, with a user and secrets; without it the role's",
	"nodes[].settings":    "the group's own settings, over those of its role",
	"nodes[].monitoring":  "DigitalOcean's metrics of its agent, where the image has that",
	"nodes[].ipv6":        "a public IPv6 address",
	"nodes[].backups":     "DigitalOcean's image of each disk once a week, for a fifth of the Droplet's price",
	"load_balancer":       "the only load balancer; several stand under balancers",
	"balancers":           "load balancers, one a role in public",
	"reserved_ip":         "an address of the account that one node of a role holds",
	"reserved_ip.nodes":   "the role whose nodes hold it",
	"reserved_ip.address": "a reserved IP of the account, in the stack's region",
	"acme":                "the authority of the certificates of sites that renew themselves (certificate: acme)",
	"acme.email":          "whom the authority reaches, and who agrees to its terms",
	"acme.directory":      "where clients of the authority begin; without it Let's Encrypt's",
	"acme.profile":        "which of the authority's kinds of certificates, by its name; without it the usual one",
	"acme.authority":      "PEM of who vouches for the directory's host, where Debian does not trust it",
	"acme.eab":            "the key id of an account that the authority knows; the secret site.eab_key is its key",
	"acme.fallback":       "a second authority, asked when the first gives nothing and an eighth of a life is left",

	"acme.fallback.directory": "where clients of the second authority begin",
	"acme.fallback.profile":   "which of its kinds of certificates, by its name; without it the usual one",
	"acme.fallback.authority": "PEM of who vouches for its directory's host, where Debian does not trust it",
	"acme.fallback.eab":       "the key id of an account that it knows; the secret site.fallback_eab_key is its key",

	"drift":            "what a node does whose files are not as they were baked",
	"drift_every":      "how often a node compares its whole disk with its image's record",
	"images":           "what holds for the images of the stack's roles",
	"images.max_age":   "how old an image may be before a bake makes another, as in 30d; without it any age",
	"images.signed_by": "public keys (ssh-ed25519 AAAA...) whose word for an image is taken",
	"images.unsigned":  "what happens to an image that no key signed: tell, or refuse to launch nodes from it",

	"domain":                "names of a domain of the account that are the stack's",
	"domain.name":           "a domain of the account; it is yours, and stays",
	"domain.records":        "which names point at the stack",
	"domain.records[].name": "a name below the domain's, or @ for the domain itself",
	"domain.records[].to":   "load_balancer, a load balancer's name, or reserved_ip; without it the first of these",
	"domain.records[].ttl":  "seconds for which visitors remember the address",
	"vpc":                   "the stack's own network; it cannot be changed afterwards",
	"vpc.range":             "its private addresses; without it a /24 that is free in the account",
	"project":               "the account's project that Droplets, load balancers and the reserved IP are in; it stays",
	"ssh_keys":              "keys of the account that log in, too: names, fingerprints or numbers",
	"operator_addresses":    "who may reach port 22: addresses and networks; without it everybody",
	"client_addresses": "who uses what the stack serves and is no node of it, such as its database: addresses and " +
		"networks; without it nobody",
}

// schemaLimits are what values may be, by their place in stack.yaml.
func schemaLimits(manifests map[string]*roles.Manifest) map[string]schema {
	anyRole := func(*roles.Manifest) bool { return true }
	name := schema{"pattern": namePattern.String()}
	slug := schema{"pattern": slugPattern.String()}

	limits := map[string]schema{
		"": {
			"required": []string{"version", "name", "cloud", "region", "nodes"},
			"not":      schema{"required": []string{"load_balancer", "balancers"}},
		},
		"version":     {"const": Version},
		"name":        name,
		"cloud":       {"enum": []string{CloudDigitalOcean, CloudLab}},
		"region":      slug,
		"release":     {"enum": releases(), "default": DefaultRelease},
		"secrets":     {"minLength": 1, "default": DefaultSecrets},
		"drift":       {"enum": []string{DriftQuarantine, DriftReport}, "default": DefaultDrift},
		"drift_every": {"default": DefaultDriftEvery.String()},

		"nodes": {"minItems": 1, "maxItems": maxNodes},
		"nodes[]": {
			"required": []string{"name", "role", "count"},
			"allOf":    groupSettings(manifests),
		},
		"nodes[].name":   name,
		"nodes[].role":   {"enum": roleNames(manifests, anyRole)},
		"nodes[].count":  {"minimum": 1, "maximum": maxNodes},
		"nodes[].size":   {"pattern": slugPattern.String(), "default": DefaultSize},
		"nodes[].image":  {"minimum": 1},
		"nodes[].schema": {"pattern": "^[a-z][a-z0-9_]{0,31}$"},

		"images.max_age":  {"pattern": agePattern.String()},
		"images.unsigned": {"enum": []string{UnsignedTell, UnsignedRefuse}, "default": UnsignedTell},

		"reserved_ip":         {"required": []string{"nodes", "address"}},
		"reserved_ip.nodes":   {"enum": roleNames(manifests, mayHold)},
		"reserved_ip.address": {"format": "ipv4"},

		"acme":           {"required": []string{"email"}},
		"acme.email":     {"pattern": "@"},
		"acme.directory": {"pattern": "^https://", "default": DefaultDirectory},
		"acme.eab":       {"pattern": accountPattern.String()},

		"acme.fallback":           {"required": []string{"directory"}},
		"acme.fallback.directory": {"pattern": "^https://"},
		"acme.fallback.eab":       {"pattern": accountPattern.String()},

		"domain":                {"required": []string{"name", "records"}},
		"domain.name":           {"pattern": domainPattern.String()},
		"domain.records":        {"minItems": 1},
		"domain.records[]":      {"required": []string{"name"}},
		"domain.records[].name": {"pattern": recordPattern.String()},
		"domain.records[].ttl":  {"minimum": minRecordTTL, "maximum": maxRecordTTL, "default": DefaultRecordTTL},

		"vpc":       {"required": []string{"range"}},
		"vpc.range": {"pattern": `^[0-9]{1,3}(\.[0-9]{1,3}){3}/(1[6-9]|2[0-8])$`},

		"project": {"pattern": fmt.Sprintf("^.{1,%d}$", maxProjectName)},

		"ssh_keys":   {"minItems": 1},
		"ssh_keys[]": {"type": []string{"string", "integer"}, "minLength": 1},

		"operator_addresses":   {"minItems": 1},
		"operator_addresses[]": {"pattern": `^[0-9a-fA-F.:]+(/[0-9]{1,3})?$`},

		"client_addresses":   {"minItems": 1},
		"client_addresses[]": {"pattern": `^[0-9a-fA-F.:]+(/[0-9]{1,3})?$`},
	}

	addBalancerLimits(limits, manifests)
	addSiteLimits(limits, manifests)

	return limits
}
