package stack

import (
	"maps"
	"slices"

	"github.com/hornero/hornero/cloudinit"
)

// secrets checks that no role asks for what its nodes must not have: who holds the stack's authorities is any node.
func (c *check) secrets(s *Stack) {
	kept := []string{CAKey, SSHKey, SSHCA, PlanKey, cloudinit.SecretReservedIPToken}

	for _, manifest := range s.usedManifests(c.roles) {
		names := slices.Sorted(maps.Keys(manifest.Secrets))
		if manifest.ReservedIP != nil {
			names = append(names, manifest.ReservedIP.Secrets...)
		}

		for _, name := range names {
			if slices.Contains(kept, name) {
				c.add(groupPath(firstGroup(s, manifest.Name))+".role", "role %s asks for %s, which is the stack's "+
					"own; give the secret another name in its manifest", manifest.Name, name)
			}
		}
	}
}
