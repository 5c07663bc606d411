package stack

import (
	"maps"
	"slices"
	"strings"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/roles"
)

// SecretsOf are the secrets that nodes of a role are given, sorted: those of its manifest, for each schema that its
// groups use, and of the databases that it keeps.
func (s *Stack) SecretsOf(manifest *roles.Manifest, manifests map[string]*roles.Manifest) []string {
	var all []string
	for _, schema := range s.schemas(manifest) {
		all = slices.AppendSeq(all, maps.Values(s.secretsIn(schema, manifest, manifests)))
	}

	slices.Sort(all)

	return slices.Compact(all)
}

// NodeSecrets are the secrets that a node is given: the name of each in the secrets file, by the name that the role's
// manifest has for it.
func (s *Stack) NodeSecrets(
	node Node,
	manifest *roles.Manifest,
	manifests map[string]*roles.Manifest,
) map[string]string {
	return s.secretsIn(
		schemaOf(s.group(node.Group), manifest),
		manifest,
		manifests,
	)
}

// secretsIn are those of the nodes of a role that use a schema.
func (s *Stack) secretsIn(
	schema string,
	manifest *roles.Manifest,
	manifests map[string]*roles.Manifest,
) map[string]string {
	names := s.declaredSecrets(schema, manifest)
	add := func(more ...string) {
		for _, name := range more {
			names[name] = name
		}
	}

	for _, database := range s.DatabasesOf(manifest.Name, manifests) {
		add(database.Secret)
	}

	if manifest.Sites {
		for _, name := range s.SiteCertificates() {
			add(name, strings.TrimSuffix(name, certificateOf)+keyOf)
		}

		add(slices.Collect(maps.Keys(s.renewalRules()))...)
	}

	// Only nodes that may hold the address get the token that moves it.
	if s.MayHoldReservedIP(manifest.Name) && manifest.ReservedIP != nil {
		add(cloudinit.SecretReservedIPToken)
		add(manifest.ReservedIP.Secrets...)
	}

	return names
}

// declaredSecrets are those of the manifest.
func (s *Stack) declaredSecrets(schema string, manifest *roles.Manifest) map[string]string {
	names := map[string]string{}
	for name := range manifest.Secrets {
		if s.wants(schema, manifest, name) {
			names[name] = secretName(schema, manifest, name)
		}
	}

	return names
}

// secretName is what a role's secret is called in the secrets file, for the groups that use a schema.
func secretName(schema string, manifest *roles.Manifest, name string) string {
	if !manifest.OwnsSecret(name) {
		return name
	}

	return roles.SchemaSecret(name, schema)
}

// SecretNames are the secrets that the manifests of the stack's roles ask for, sorted: those that are made.
func (s *Stack) SecretNames(manifests map[string]*roles.Manifest) []string {
	// The token of the reserved IP is not among them: only the operator can give it.
	rules := s.secretRules(manifests)
	names := slices.Sorted(maps.Keys(rules))

	return slices.DeleteFunc(names, func(name string) bool { return rules[name].Given() })
}

// secretRules are the rules of all secrets of the stack's roles, by name.
func (s *Stack) secretRules(manifests map[string]*roles.Manifest) map[string]roles.SecretRule {
	rules := map[string]roles.SecretRule{}
	for _, manifest := range s.usedManifests(manifests) {
		for _, schema := range s.schemas(manifest) {
			for name, as := range s.declaredSecrets(schema, manifest) {
				rule := manifest.Secrets[name]
				if as != name {
					rule.Help = strings.TrimPrefix(rule.Help+", for the schema "+schema, ", ")
				}

				if known, twice := rules[as]; twice {
					rule = stricter(known, rule)
				}

				rules[as] = rule
			}
		}
	}

	maps.Copy(rules, s.siteRules())

	return rules
}

// wants tells whether the nodes of a role that use a schema need a secret: some are for a setting that not every group
// has. A secret that all groups share is given to all nodes of the role.
func (s *Stack) wants(schema string, manifest *roles.Manifest, name string) bool {
	rule := manifest.Secrets[name]
	if rule.When == "" && rule.With == "" {
		return true
	}

	return slices.ContainsFunc(s.Nodes, func(group Group) bool {
		return group.Role == manifest.Name &&
			(!manifest.OwnsSecret(name) || schemaOf(group, manifest) == schema) &&
			s.groupWants(group, manifest, rule)
	})
}

// groupWants tells whether a group's settings are such that its nodes need a secret.
func (s *Stack) groupWants(group Group, manifest *roles.Manifest, rule roles.SecretRule) bool {
	if when := rule.When; when != "" {
		setting := manifest.Settings[when]
		if s.setting(group, manifest.Name, when, setting) == setting.Fallback() {
			return false
		}
	}

	if rule.With == "" {
		return true
	}

	for name, setting := range manifest.Settings {
		if setting.Needed(s.setting(group, manifest.Name, name, setting)) == rule.With {
			return true
		}
	}

	return false
}

// stricter is the rule that serves two roles with one secret: a made-up value opens nothing where one is to be given,
// and a longer one will do where a shorter is asked for.
func stricter(a, b roles.SecretRule) roles.SecretRule {
	if a.Given() {
		return a
	}
	if b.Given() {
		return b
	}

	a.Length = max(lengthOf(a), lengthOf(b))

	return a
}

// lengthOf is how many letters and digits a secret has.
func lengthOf(rule roles.SecretRule) int {
	if rule.Length == 0 {
		return roles.DefaultSecretLength
	}

	return rule.Length
}
