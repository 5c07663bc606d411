package fleet

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/digitalocean/godo"
	"gopkg.in/yaml.v3"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// specVersion stands before the digits in the tag. It changes with what a spec holds and how it is written: Droplets
// with another one are not comparable.
const specVersion = "1-"

// specDigits are enough that no two specs of one stack ever have the same ones by chance.
const specDigits = 12

// spec is what a node's Droplet is made from, as far as another Droplet has to take its place when it changes.
// User-data cannot be read back from the cloud: a tag made of the spec tells what a Droplet was launched with.
//
// What each launch makes anew is left out (certificates, host keys), and so is who else is there: nodes learn that from
// each other.
type spec struct {
	Image  int    `yaml:"image"` // the snapshot's number: two bakes of one digest have other packages
	Size   string `yaml:"size"`
	Region string `yaml:"region"`
	// Authorities are those that the node trusts and has certificates of: the stack's, that of host keys, the
	// operator's key, those of the role's certificates. Of two that are trusted the one that signs is first.
	Authorities []report.Secret `yaml:"authorities"`

	// SSHKeys are the fingerprints of the account's keys that it was given, sorted.
	SSHKeys []string `yaml:"ssh_keys,omitempty"`

	// Peers is roles.Client where the role's nodes may be members, and are not as the stack has enough of them.
	Peers string `yaml:"peers,omitempty"`

	// Written as in the node's document, where a new key with nothing to say is left out.
	Roles     map[string]cloudinit.Rights `yaml:"roles"`
	Databases []cloudinit.Database        `yaml:"databases"`
	Settings  map[string]string           `yaml:"settings"`
	Secrets   map[string]report.Secret    `yaml:"secrets"`
}

// sum is what the tag tells of a spec. It is keyed: a plain digest in a tag would let its readers try passwords.
func (s spec) sum(key report.Secret) string {
	text, _ := yaml.Marshal(s) // sorted by key; plain values can always be written

	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write(text)

	return specVersion + hex.EncodeToString(mac.Sum(nil))[:specDigits]
}

// comparableSum tells whether a Droplet's sum is of this version.
func comparableSum(made string) bool { return strings.HasPrefix(made, specVersion) }

// spec is what a node would be launched from now.
func (f *Fleet) spec(ctx context.Context, node stack.Node, image int) (spec, error) {
	lasting, err := f.lasting(node)
	if err != nil {
		return spec{}, fmt.Errorf("work out the spec of %s: %w", node.Name, err)
	}

	authorities, err := f.authoritiesOf(node.Role)
	if err != nil {
		return spec{}, fmt.Errorf("work out the spec of %s: %w", node.Name, err)
	}

	keys, err := f.fingerprints(ctx)
	if err != nil {
		return spec{}, fmt.Errorf("work out the spec of %s: %w", node.Name, err)
	}

	// Of the node's own role only: a role that is added to the stack has the rights that every role has, and no running
	// node has to know of it.
	rights := map[string]cloudinit.Rights{
		node.Role: lasting.Roles[node.Role],
	}

	// For the others their rights say it, and sums without it stay as they were.
	peers := ""
	if f.mayBeMember(node.Role) && f.kind(node.Role) == roles.Client {
		peers = roles.Client
	}

	return spec{
		Image:       image,
		Size:        node.Size,
		Region:      f.Stack.Region,
		Authorities: authorities,
		SSHKeys:     keys,
		Peers:       peers,
		Roles:       rights,
		Databases:   lasting.Databases,
		Settings:    lasting.Settings,
		Secrets:     lasting.Secrets,
	}, nil
}

// authoritiesOf are those of a spec, in an order that a role's certificates are added to.
func (f *Fleet) authoritiesOf(role string) ([]report.Secret, error) {
	authorities, err := f.trusted(stack.StackAuthority)
	if err != nil {
		return nil, err
	}

	for _, name := range []string{stack.SSHCA, stack.SSHKey} {
		key, err := f.Secrets.Get(name)
		if err != nil {
			return nil, err
		}

		authorities = append(authorities, key)
	}

	manifest := f.manifest(role)

	for _, certificate := range manifest.Certificates {
		name := stack.AuthorityOf(certificate.Authority)

		more, err := f.trusted(name)
		if err != nil {
			return nil, err
		}

		authorities = append(authorities, more...)
	}

	return authorities, nil
}

// trusted are the certificates that nodes trust for an authority.
func (f *Fleet) trusted(name string) ([]report.Secret, error) {
	authority, err := f.Secrets.Authority(name)
	if err != nil {
		return nil, err
	}

	var certificates []report.Secret
	for _, certificate := range authority.Trusted() {
		certificates = append(certificates, report.Secret(certificate))
	}

	return certificates, nil
}

// made is what the spec of a node comes to that is launched from an image.
func (f *Fleet) made(ctx context.Context, node stack.Node, image godo.Image) (string, error) {
	key, err := f.Secrets.Get(stack.PlanKey)
	if err != nil {
		return "", err
	}

	made, err := f.spec(ctx, node, image.ID)
	if err != nil {
		return "", err
	}

	return made.sum(key), nil
}
