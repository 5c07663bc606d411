package stack

import (
	"slices"
	"strings"

	"github.com/hornero/hornero/roles"
)

// WallSettings are what the nodes of a role are told so that they know whom to let in: nothing where the role's
// manifest asks for none of it.
func (s *Stack) WallSettings(manifest *roles.Manifest) map[string]string {
	settings := map[string]string{}

	letsIn := slices.ContainsFunc(manifest.Ports, func(port roles.Port) bool {
		return slices.Contains(port.From, roles.FromClients)
	})

	if letsIn && len(s.ClientAddresses) > 0 {
		settings[roles.SettingClients] = strings.Join(s.ClientAddresses, " ")
	}

	return settings
}
