package lab

import "net/netip"

// Settle shows the tests how a lab's range is chosen.
func (f Folder) Settle(public netip.Prefix) (netip.Prefix, error) {
	if err := f.make(); err != nil {
		return netip.Prefix{}, err
	}

	s, err := f.settle(public)

	return s.Public, err
}

// Secret is the folder's token.
func (f Folder) Secret() (string, error) {
	return f.token()
}

// CheckLoopback is what an address to listen on must pass.
func CheckLoopback(address string) error { return checkLoopback(address) }
