package stack

import (
	"errors"
	"fmt"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// ErrRotating refuses a third value of a password: a database takes two.
var ErrRotating = errors.New("the one before it still works")

// Rotate makes a secret anew. Running nodes keep the old one until they are replaced.
func (s *Secrets) Rotate(name string, of *Stack, manifests map[string]*roles.Manifest) error {
	if authority, is := of.AuthorityNamed(name, manifests); is {
		return s.RotateAuthority(authority, of.Name)
	}

	rule := of.secretRules(manifests)[name]

	return s.update(func(values map[string]report.Secret) error {
		if _, there := values[name]; !there {
			// Get's error suggests the nearest name.
			_, err := s.Get(name)
			return err
		}

		switch name {
		case SSHCA, SSHKey:
			return rotateKey(values, name, of.Name)

		case PlanKey:
			return fmt.Errorf("rotate %s: %w; with another one every node would look changed to `hornero plan`",
				name, ErrFixed)

		case SiteCertificate, SiteKey:
			return makeSite(values, of, of.URLs(manifests))

		// A token that is made up opens nothing.
		case cloudinit.SecretReservedIPToken:
			return fmt.Errorf("rotate %s: %w; make another at DigitalOcean, and `hornero secrets set %s`",
				name, ErrForeign, name)
		}

		if rule.Given() || name == ImageKey {
			return fmt.Errorf("rotate %s: %w; make another where it comes from, and `hornero secrets set %s`",
				name, ErrForeign, name)
		}

		return keepPrevious(values, name, random(lengthOf(rule)), of, manifests)
	})
}

// Replace puts an operator's own value in place of what was there, as Rotate does.
func (s *Secrets) Replace(
	name string,
	value report.Secret,
	of *Stack,
	manifests map[string]*roles.Manifest,
) error {
	return s.update(func(values map[string]report.Secret) error {
		return keepPrevious(values, name, value, of, manifests)
	})
}

// keepPrevious puts a value in place of another. A database's password works on while nodes have it: the database takes
// both until Retire.
func keepPrevious(
	values map[string]report.Secret,
	name string,
	value report.Secret,
	of *Stack,
	manifests map[string]*roles.Manifest,
) error {
	old, there := values[name]
	previous := roles.PreviousSecret(name)

	if there && old != value && of.opensDatabase(name, manifests) {
		if _, rotating := values[previous]; rotating {
			return fmt.Errorf("rotate %s: %w: `hornero up` replaces the nodes that have it, and "+
				"`hornero secrets retire %[1]s` ends that", name, ErrRotating)
		}

		values[previous] = old
	}

	values[name] = value

	return nil
}

// opensDatabase tells whether a secret is the password of a database of the stack.
func (s *Stack) opensDatabase(name string, manifests map[string]*roles.Manifest) bool {
	for role := range s.Expected() {
		for _, database := range s.DatabasesOf(role, manifests) {
			if database.Secret == name {
				return true
			}
		}
	}

	return false
}

// ErrNotRotating means that a password has no other value beside it.
var ErrNotRotating = errors.New("it has no value but the one that is in the file")

// Retire ends the rotation of a database's password: the database nodes that are launched next take the new one alone.
func (s *Secrets) Retire(name string) error {
	return s.update(func(values map[string]report.Secret) error {
		previous := roles.PreviousSecret(name)
		if _, there := values[previous]; !there {
			return fmt.Errorf("retire %s: %w; `hornero secrets rotate %[1]s` makes another", name, ErrNotRotating)
		}

		delete(values, previous)

		return nil
	})
}
