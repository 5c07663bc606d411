package stack

import "fmt"

// sshKeys checks the keys of the account. Which there are is for the cloud to say.
func (c *check) sshKeys(s *Stack) {
	const key = "ssh_keys"
	if !c.doc.Has(key) {
		return
	}

	if len(s.SSHKeys) == 0 {
		c.add(key, "must name SSH keys of the account, by name, fingerprint or number, as in [ann, 512189]; remove it "+
			"when there are to be none")

		return
	}

	first := map[string]int{}

	for i, name := range s.SSHKeys {
		path := fmt.Sprintf("%s[%d]", key, i)

		if name == "" {
			c.add(path, "must be the name, the fingerprint or the number of an SSH key of the account")
			continue
		}

		if before, twice := first[name]; twice {
			c.add(path, "%q is there already, as %s[%d]; remove one", name, key, before)
		} else {
			first[name] = i
		}
	}
}
