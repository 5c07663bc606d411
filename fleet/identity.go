package fleet

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// Document makes a node's document: its identity, and no secret that its role does not ask for.
func (f *Fleet) Document(node stack.Node, incarnation int, founds bool, join []string) (cloudinit.Node, error) {
	document, err := f.lasting(node)
	if err != nil {
		return cloudinit.Node{}, fmt.Errorf(
			"write document of %s: %w",
			node.Name,
			err,
		)
	}

	document.Incarnation = incarnation
	document.Found = founds
	document.Join = join
	document.Expected = f.Stack.Expected()

	// Without the setting a node asks DigitalOcean's own API.
	if f.Stack.MayHoldReservedIP(node.Role) && f.APIInside != "" {
		document.Settings[cloudinit.SettingReservedIPAPI] = f.APIInside
	}

	if document.TLS, err = f.issueTLS(node, incarnation); err != nil {
		return cloudinit.Node{}, err
	}

	document.SSH, err = f.shell.hostIdentity(node.Name)

	return document, err
}

// lasting is the part of a node's document that stays as it is from one launch to the next.
func (f *Fleet) lasting(node stack.Node) (cloudinit.Node, error) {
	manifest, ok := f.Manifests[node.Role]
	if !ok {
		return cloudinit.Node{}, fmt.Errorf("no role %q", node.Role)
	}

	secrets, err := f.secrets(node, manifest)

	settings := f.Stack.SettingsOf(node, manifest)
	maps.Copy(settings, f.Stack.SiteSettings(manifest, f.Manifests, f.Secrets))
	maps.Copy(settings, f.Stack.WallSettings(manifest))

	return cloudinit.Node{
		Stack:     f.Stack.Name,
		Role:      node.Role,
		Node:      node.Name,
		Roles:     f.Stack.Rights(f.Manifests),
		Databases: f.databases(node.Role),
		Settings:  settings,
		Secrets:   secrets,
	}, err
}

// databases are those that the nodes of a role make and keep for others.
func (f *Fleet) databases(role string) []cloudinit.Database {
	var kept []cloudinit.Database

	for _, database := range f.Stack.DatabasesOf(role, f.Manifests) {
		one := cloudinit.Database{
			Name:   database.Name,
			User:   database.User,
			Secret: database.Secret,
			Grants: database.Grants,
		}

		kept = append(kept, one)
	}

	return kept
}

// secrets are those that a node is given, and no other, by the names that its role has for them.
func (f *Fleet) secrets(node stack.Node, manifest *roles.Manifest) (map[string]report.Secret, error) {
	secrets := map[string]report.Secret{}

	names := f.Stack.NodeSecrets(
		node,
		manifest,
		f.Manifests,
	)

	for name, as := range names {
		secret, err := f.Secrets.Get(as)
		if err != nil {
			// If it is for the operator to give, he is told so.
			return nil, cmp.Or(f.checkGiven(), f.checkSpaces(), err)
		}

		secrets[name] = secret
	}

	// While a password is rotated the old one works, too, for the nodes that still have it.
	for _, database := range f.Stack.DatabasesOf(manifest.Name, f.Manifests) {
		name := roles.PreviousSecret(database.Secret)

		previous, err := f.Secrets.Get(name)
		if errors.Is(err, stack.ErrNoSecret) {
			continue
		}

		if err != nil {
			return nil, err
		}

		secrets[name] = previous
	}

	return secrets, nil
}

// issueTLS makes a node's certificates, anew for each launch: the incarnation is in them, and no node ever has
// another's key.
func (f *Fleet) issueTLS(node stack.Node, incarnation int) (cloudinit.TLS, error) {
	manifest := f.manifest(node.Role)

	name := pki.Name{
		Stack:       f.Stack.Name,
		Role:        node.Role,
		Node:        node.Name,
		Incarnation: incarnation,
		Kind:        f.kind(node.Role),
	}

	own, err := f.issue(stack.StackAuthority, name)
	if err != nil {
		return cloudinit.TLS{}, err
	}

	others := map[string]cloudinit.Identity{}

	for _, certificate := range manifest.Certificates {
		authority := certificate.Authority

		identity, err := f.issue(stack.AuthorityOf(authority), name)
		if err != nil {
			return cloudinit.TLS{}, err
		}

		others[authority] = identity
	}

	return cloudinit.TLS{
		CA:          own.CA,
		Certificate: own.Certificate,
		Key:         own.Key,
		Authorities: others,
	}, nil
}

// issue makes a node's certificate of an authority.
func (f *Fleet) issue(authority string, name pki.Name) (cloudinit.Identity, error) {
	by, err := f.Secrets.Authority(authority)
	if err != nil {
		return cloudinit.Identity{}, err
	}

	pair, err := by.Issuing.Issue(name)
	if err != nil {
		return cloudinit.Identity{}, err
	}

	return cloudinit.Identity{
		CA:          by.Bundle(),
		Certificate: pair.Certificate,
		Key:         pair.Key,
	}, nil
}

// hostIdentity makes a host key signed by the stack's SSH authority, so that nobody trusts on first use.
func (s *shell) hostIdentity(node string) (cloudinit.SSH, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return cloudinit.SSH{}, err
	}

	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return cloudinit.SSH{}, err
	}

	// For the node's name, not its address: the next Droplet of the node has another.
	certificate := &ssh.Certificate{
		Key:             key,
		CertType:        ssh.HostCert,
		KeyId:           node,
		ValidPrincipals: []string{node},
		ValidBefore:     ssh.CertTimeInfinity,
	}

	if err := certificate.SignCert(rand.Reader, s.authority); err != nil {
		return cloudinit.SSH{}, fmt.Errorf("sign host key of %s: %w", node, err)
	}

	block, err := ssh.MarshalPrivateKey(private, node)
	if err != nil {
		return cloudinit.SSH{}, err
	}

	return cloudinit.SSH{
		HostKey:         report.Secret(pem.EncodeToMemory(block)),
		HostPublicKey:   authorizedKey(key),
		HostCertificate: authorizedKey(certificate),
		AuthorizedKeys:  []string{authorizedKey(s.operator.PublicKey())},
	}, nil
}

// authorizedKey is a key as a line of an authorized_keys file.
func authorizedKey(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}
