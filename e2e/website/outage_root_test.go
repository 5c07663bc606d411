//go:build root && browser

package website_test

import (
	"slices"
	"syscall"
)

// kill ends a node as a power cut does: nothing is handed over, and nobody is told.
func (n *webNode) kill() {
	n.t.Helper()

	n.killed = true
	n.site.serve()
	n.cut(true)

	for _, d := range []*daemon{n.nginx, n.fpm, n.media} {
		d.end(syscall.SIGKILL)
	}
}

// declareDead has the peer set take a killed node for dead, and all others hear of it.
func (s *site) declareDead(dead *webNode) {
	s.t.Helper()

	dead.dead = true

	for _, n := range s.living() {
		n.configure()
		n.reloadMedia()
	}
}

// drain takes a node away as a replacement does whose successor serves: what it was asked it still answers.
func (s *site) drain(old *webNode) {
	s.t.Helper()

	s.web = slices.DeleteFunc(s.web, func(n *webNode) bool { return n == old })
	s.serve()

	for _, n := range s.living() {
		n.configure()
		n.reloadMedia()
	}

	// nginx and PHP end what they are at; no more comes in.
	old.nginx.end(syscall.SIGQUIT)
	old.fpm.end(syscall.SIGQUIT)
	old.media.end(syscall.SIGTERM)
	old.cut(true)
}
