package lab

import "net/netip"

// ChooseRange shows the tests how a lab's range is chosen; claim says what is free on this computer.
func (f Folder) ChooseRange(public netip.Prefix, claim func(netip.Prefix) error) (netip.Prefix, error) {
	if err := f.make(); err != nil {
		return netip.Prefix{}, err
	}

	s, err := f.chooseSettings(public, claim)

	return s.Public, err
}

// Secret is the folder's token.
func (f Folder) Secret() (string, error) {
	return f.token()
}

// CheckLoopback is what an address to listen on must pass.
func CheckLoopback(address string) error { return checkLoopback(address) }

// ClaimName keeps other folders' labs of that name from starting.
func ClaimName(name string) (release func(), err error) { return claimName(name) }

// Situation is what the choice of a lab depends on.
type Situation = situation

// Choose is the rule by which a lab is chosen.
func Choose(s Situation) Choice { return choose(s) }

// OwnName is the name of the lab that belongs to one folder.
func OwnName(folder string) string { return ownName(folder) }

// StartedFor leaves what a start of the lab for a stack's file writes down.
func (f Folder) StartedFor(stackFile string) error {
	if err := f.make(); err != nil {
		return err
	}

	kept, _ := f.settings()
	kept.Owner = ownerAfter(kept.Owner, stackFile)

	return f.keepSettings(kept)
}
