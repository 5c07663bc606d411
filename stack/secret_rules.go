package stack

import (
	"maps"
	"slices"
	"strings"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/roles"
)

// SecretsOf are the secrets that a node of a role is given, sorted: those of its manifest and of the databases that it
// keeps.
func (s *Stack) SecretsOf(manifest *roles.Manifest, manifests map[string]*roles.Manifest) []string {
	names := map[string]bool{}
	for name, rule := range manifest.Secrets {
		if s.wants(manifest, rule) {
			names[name] = true
		}
	}

	for _, database := range s.DatabasesOf(manifest.Name, manifests) {
		names[database.Secret] = true
	}

	if manifest.Sites {
		for _, name := range s.SiteCertificates() {
			names[name] = true
			names[strings.TrimSuffix(name, certificateOf)+keyOf] = true
		}

		if s.renews() {
			names[roles.SecretRenewal] = true
		}
	}

	// Only nodes that may hold the address get the token that moves it.
	if s.MayHoldReservedIP(manifest.Name) && manifest.ReservedIP != nil {
		names[cloudinit.SecretReservedIPToken] = true

		for _, name := range manifest.ReservedIP.Secrets {
			names[name] = true
		}
	}

	return slices.Sorted(maps.Keys(names))
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
		for name, rule := range manifest.Secrets {
			if !s.wants(manifest, rule) {
				continue
			}

			if known, twice := rules[name]; twice {
				rule = stricter(known, rule)
			}

			rules[name] = rule
		}
	}

	maps.Copy(rules, s.siteRules())

	return rules
}

// wants tells whether the nodes of a role need a secret: some are for a setting that not every stack has.
func (s *Stack) wants(manifest *roles.Manifest, rule roles.SecretRule) bool {
	if rule.When == "" {
		return true
	}

	setting := manifest.Settings[rule.When]

	return slices.ContainsFunc(s.Nodes, func(group Group) bool {
		return group.Role == manifest.Name &&
			s.setting(group, manifest.Name, rule.When, setting) != setting.Fallback()
	})
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
