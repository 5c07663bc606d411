//go:build root

package website_test

import "slices"

// living are the web nodes that have not been killed.
func (s *site) living() []*webNode {
	return slices.DeleteFunc(slices.Clone(s.web), func(n *webNode) bool { return n.killed })
}

// serve has viewers ask the nodes that there are now.
func (s *site) serve() {
	living := s.living()
	s.serving.Store(&living)
}
