package stack

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hornero/hornero/roles"
)

// SettingsOf are a node's settings: all that its role's manifest declares, and those of every node. Each of them is
// there, as a template that asks for a missing one is an error.
func (s *Stack) SettingsOf(node Node, manifest *roles.Manifest) map[string]string {
	settings := map[string]string{
		roles.SettingDrift:      s.Drift,
		roles.SettingDriftEvery: s.DriftEvery.String(),
	}

	group := s.group(node.Group)
	for name, rule := range manifest.Settings {
		settings[name] = s.setting(group, manifest.Name, name, rule)
	}

	maps.Copy(settings, s.schemaSettings(group, manifest))

	// A role that only could hold the address is not given the secrets of those that do.
	if manifest.ReservedIP != nil {
		settings[roles.SettingReservedIP] = ""
	}
	if manifest.ReservedIP != nil && s.MayHoldReservedIP(manifest.Name) {
		settings[roles.SettingReservedIP] = s.ReservedIP.Address
	}

	return settings
}

// setting is the value of one setting: the group's, or the role's, or the manifest's default.
func (s *Stack) setting(group Group, role, name string, rule roles.Setting) string {
	value, said := group.Settings[name]
	if !said {
		value, said = s.Roles[role][name]
	}

	if !said {
		return rule.Fallback()
	}

	text, _ := rule.Parse(value) // the check has read it

	return text
}

// group finds a group by its name; none has an empty one.
func (s *Stack) group(name string) Group {
	at := slices.IndexFunc(s.Nodes, func(group Group) bool { return group.Name == name })
	if at < 0 {
		return Group{}
	}

	return s.Nodes[at]
}

// URLs are the addresses that visitors use, as the stack's roles say them: none where a load balancer's own address
// is the site.
func (s *Stack) URLs(manifests map[string]*roles.Manifest) []string {
	urls, _ := s.renderURLs(manifests) // Parse has told what is wrong

	return urls
}

func (s *Stack) renderURLs(manifests map[string]*roles.Manifest) ([]string, error) {
	var urls []string
	for _, manifest := range s.usedManifests(manifests) {
		for _, serve := range manifest.Serves {
			url, err := s.renderURL(manifest, serve, manifests)
			if err != nil {
				return nil, fmt.Errorf("work out the address of %s: %w", manifest.Name, err)
			}

			if url != "" && !slices.Contains(urls, url) {
				urls = append(urls, url)
			}
		}
	}

	return urls, nil
}

// renderURL writes an address with the settings of the role's first group.
func (s *Stack) renderURL(
	manifest *roles.Manifest,
	serve roles.Serve,
	manifests map[string]*roles.Manifest,
) (string, error) {
	at := slices.IndexFunc(s.Nodes, func(group Group) bool { return group.Role == manifest.Name })
	node := Node{Role: manifest.Name, Group: s.Nodes[at].Name}

	facts := roles.Facts{
		Stack:    s.Name,
		Role:     manifest.Name,
		Release:  s.Release,
		Settings: s.SettingsOf(node, manifest),
	}
	maps.Copy(facts.Settings, s.SiteSettings(manifest, manifests, nil))

	text, err := manifest.RenderText("serves "+serve.Name, serve.URL, facts)

	return strings.TrimSpace(string(text)), err
}
