package stack

import (
	"slices"

	"github.com/hornero/hornero/roles"
)

// Space is a Space of DigitalOcean's that stack.yaml asks `hornero up` to make.
type Space struct {
	Bucket   string
	Region   string
	Endpoint string // where another than DigitalOcean serves the region; "" for DigitalOcean
}

// SpaceKey is a key that opens Spaces of the stack, and nothing else of the account. It names the secrets that hold it.
type SpaceKey struct {
	Access string
	Secret string
	Spaces []Space // in the order of stack.yaml, each once
}

// SpaceKeys are the keys that stack.yaml asks to be made, in the order of stack.yaml. Two groups of nodes that keep
// what they have in Spaces of their own share one, as they share the secret.
func (s *Stack) SpaceKeys(manifests map[string]*roles.Manifest) []SpaceKey {
	var all []SpaceKey

	for _, group := range s.Nodes {
		manifest := manifests[group.Role]
		if manifest == nil {
			continue // a stack that names no role of its own is refused elsewhere
		}

		for _, declared := range manifest.Spaces {
			if space, asked := s.space(group, manifest, declared); asked {
				all = addSpace(all, declared, space)
			}
		}
	}

	return all
}

// spaceSecrets are the secrets that hold such keys.
func (s *Stack) spaceSecrets(manifests map[string]*roles.Manifest) []string {
	var names []string
	for _, key := range s.SpaceKeys(manifests) {
		names = append(names, key.Access, key.Secret)
	}

	return names
}

// space is what a group of nodes says of a Space that its role declares, and whether that is to be made.
func (s *Stack) space(
	group Group,
	manifest *roles.Manifest,
	declared roles.Space,
) (Space, bool) {
	value := func(name string) string {
		if name == "" {
			return ""
		}

		return s.setting(group, manifest.Name, name, manifest.Settings[name])
	}

	space := Space{
		Bucket:   value(declared.Bucket),
		Region:   value(declared.Region),
		Endpoint: value(declared.Endpoint),
	}

	return space, value(declared.Make) == "true" && space.Bucket != "" && space.Region != ""
}

func addSpace(all []SpaceKey, declared roles.Space, space Space) []SpaceKey {
	at := slices.IndexFunc(all, func(key SpaceKey) bool { return key.Access == declared.Key })
	if at < 0 {
		return append(all, SpaceKey{
			Access: declared.Key,
			Secret: declared.Secret,
			Spaces: []Space{space},
		})
	}

	if !slices.Contains(all[at].Spaces, space) {
		all[at].Spaces = append(all[at].Spaces, space)
	}

	return all
}
