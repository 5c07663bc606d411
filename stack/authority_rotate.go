package stack

import (
	"fmt"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// RotateAuthority takes an authority one phase on: first nodes are to trust another one, too, then that one signs. All
// nodes must be of one phase before the next begins: each knows its neighbours' only.
func (s *Secrets) RotateAuthority(authority, stack string) error {
	return s.update(func(values map[string]report.Secret) error {
		certificate, key := authority+certificateOf, authority+keyOf

		// Get's error says how it is made.
		if _, err := s.Get(certificate); err != nil {
			return err
		}

		if _, retiring := values[roles.PreviousSecret(certificate)]; retiring {
			return fmt.Errorf("rotate %s: %w: `hornero up` replaces the nodes that have a certificate of it, and "+
				"`hornero secrets retire %[1]s` ends that", authority, ErrRotating)
		}

		next, trusting := values[nextSecret(certificate)]
		if !trusting {
			return makeNext(values, authority, stack)
		}

		values[roles.PreviousSecret(certificate)] = values[certificate]
		values[certificate] = next
		values[key] = values[nextSecret(key)]

		delete(values, nextSecret(certificate))
		delete(values, nextSecret(key))

		return nil
	})
}

// RetireAuthority ends the rotation of an authority: nodes that are launched next trust the new one alone.
func (s *Secrets) RetireAuthority(authority string) error {
	certificate := authority + certificateOf

	if _, trusting := s.values[nextSecret(certificate)]; trusting {
		return fmt.Errorf("retire %s: %w: nodes are made to trust the next one; `hornero secrets rotate %[1]s` "+
			"makes that one sign, when nothing is to be replaced any more", authority, ErrRotating)
	}

	return s.Retire(certificate)
}

// rotateKey makes one of the SSH keys anew. The one before is known to the operator's machine until it is retired, for
// the nodes that are not replaced yet.
func rotateKey(values map[string]report.Secret, name, stack string) error {
	previous := roles.PreviousSecret(name)
	if _, rotating := values[previous]; rotating {
		return fmt.Errorf("rotate %s: %w: `hornero up` replaces the nodes that know it, and "+
			"`hornero secrets retire %[1]s` ends that", name, ErrRotating)
	}

	old := values[name]
	if err := makeSSHKey(values, name, sshComment(name, stack)); err != nil {
		return err
	}

	values[previous] = old

	return nil
}

// NextStep says what ends the phase that an authority is in; "" where there is nothing to end.
func (a Authority) NextStep() string {
	switch a.Phase {
	case PhaseTrust:
		return fmt.Sprintf("%s is on its way to another: nodes are made to trust both; when nothing is to be replaced "+
			"any more, `hornero secrets rotate %[1]s` makes the new one sign, and `hornero up` replaces the nodes "+
			"again", a.Name)
	case PhaseRetire:
		return fmt.Sprintf("%s is on its way to another: nodes get certificates of the new one; when nothing is to be "+
			"replaced any more, `hornero secrets retire %[1]s` ends the trust in the old one, and `hornero up` "+
			"replaces the nodes again", a.Name)
	}

	return ""
}
