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
