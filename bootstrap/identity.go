package bootstrap

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/hornero/hornero/bootstrap/api"
	"github.com/hornero/hornero/bootstrap/peerset"
	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/roles"
)

func (a *Agent) pair() pki.Pair {
	return pki.Pair{
		Certificate: a.node.TLS.Certificate,
		Key:         a.node.TLS.Key,
	}
}

// peerTLS is this node's towards all peers, as the server of the agents' API.
func (a *Agent) peerTLS() (*tls.Config, error) {
	config, err := pki.PeerTLS(a.node.TLS.CA, a.pair(), a.node.Stack)
	if err != nil {
		return nil, err
	}

	return pki.Guard(config, api.RefusalAt("the agents' API", a.recordRefusal)), nil
}

// memberTLS is this node's towards members only: on dqlite's port, and when it asks them.
func (a *Agent) memberTLS() (*tls.Config, error) {
	member := func(name pki.Name) error {
		return peerset.MemberOnly(name.Kind, name.Role)
	}

	config, err := pki.PeerTLS(a.node.TLS.CA, a.pair(), a.node.Stack, member)
	if err != nil {
		return nil, err
	}

	return pki.Guard(config, api.RefusalAt("dqlite", a.recordRefusal)), nil
}

// identity is what the node shows its peers.
func (a *Agent) identity() cloudinit.Identity {
	return cloudinit.Identity{
		CA:          a.node.TLS.CA,
		Certificate: a.node.TLS.Certificate,
		Key:         a.node.TLS.Key,
	}
}

// identify checks that the certificates say what the document says.
func (a *Agent) identify() error {
	for authority, identity := range a.node.TLS.Authorities {
		if _, err := a.identified(identity.Certificate); err != nil {
			return fmt.Errorf("%w, of authority %s", err, authority)
		}
	}

	name, err := a.identified(a.node.TLS.Certificate)
	if err != nil {
		return err
	}

	// Its own certificate says which of the two a node is.
	if a.manifest.Peers == roles.Auto {
		a.mu.Lock()
		a.manifest.Peers = cmp.Or(name.Kind, roles.Client)
		a.mu.Unlock()
	}

	// A role that became a member needs a certificate that says so, which only the operator's tool can issue.
	if !peerset.MayBe(a.manifest.Peers, name.Kind) {
		return fmt.Errorf("%w: role %s is a %s of the peer set, its certificate is not for one; "+
			"`hornero replace %s` gives it one that is",
			ErrRefused, a.node.Role, a.manifest.Peers, a.node.Node)
	}

	return nil
}

// identified reads a certificate that must be for this node.
func (a *Agent) identified(text string) (pki.Name, error) {
	certificate, err := pki.ParseCertificate(text)
	if err != nil {
		return pki.Name{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}

	name, err := pki.NameOf(certificate)
	if err != nil {
		return pki.Name{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}

	want := pki.Name{
		Stack:       a.node.Stack,
		Role:        a.node.Role,
		Node:        a.node.Node,
		Incarnation: a.node.Incarnation,
		Kind:        name.Kind, // no document names one: the role's manifest says what it may be
	}
	if name != want {
		return name, fmt.Errorf("%w: the certificate is for %+v, the document for %+v", ErrRefused, name, want)
	}

	return name, nil
}

// writeIdentity leaves the certificate for the services of the node.
func (a *Agent) writeIdentity() error {
	// The user-data, with all its secrets, lies in this folder.
	if err := os.MkdirAll(a.State, 0o700); err != nil {
		return err
	}

	for name, text := range map[string]string{
		"ca.pem":   a.node.TLS.CA,
		"node.pem": a.node.TLS.Certificate,
		"node.key": a.node.TLS.Key.Reveal(),
	} {
		path := filepath.Join(a.PKI, name)
		if _, err := file.Write(path, []byte(text), file.Options{Mode: 0o600}); err != nil {
			return err
		}
	}

	return nil
}

// network returns the VPC's range, or "" when the metadata has no netmask.
func network(droplet cloudinit.Droplet) string {
	private := droplet.Networks.Private[0].IPv4

	address, err := netip.ParseAddr(private.Address)
	if err != nil {
		return ""
	}

	mask, err := netip.ParseAddr(private.Netmask)
	if err != nil || !mask.Is4() {
		return ""
	}

	// The metadata gives the mask as an address: 255.255.240.0, for instance.
	bits := 0

	for _, octet := range mask.As4() {
		for ; octet&0x80 != 0; octet <<= 1 {
			bits++
		}
	}

	return netip.PrefixFrom(address, bits).Masked().String()
}
