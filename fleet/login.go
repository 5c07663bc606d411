package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// errUnaddressed is a Droplet that DigitalOcean is still making.
var errUnaddressed = errors.New("it has no address yet; `hornero up` waits for it")

// Where a node's sshd listens, and who it knows.
const (
	loginPort = "22"
	loginUser = "root"
)

// Login is what a program needs to log in to a node by SSH.
type Login struct {
	Node    string // the name that the node's host certificate is for
	Address string // where it is reached
	Port    string
	User    string

	PublicKey  string // the operator's, as in authorized_keys
	KnownHosts string // the lines that vouch for the node: no host key is trusted on first use
	// FormerKey is the operator's key before it was rotated, which nodes from before know; empty when there is none.
	FormerKey string
}

// Login tells how a node is logged in to.
func (f *Fleet) Login(ctx context.Context, name string) (Login, error) {
	m, err := f.chooseOne(ctx, name)
	if err != nil {
		return Login{}, err
	}

	var known []string
	for _, authority := range f.shell.authorities() {
		key := authorizedKey(authority.PublicKey())
		line := "@cert-authority " + m.Node + " " + key

		known = append(known, line)
	}

	var former string

	keys := f.shell.formerOperators
	if len(keys) > 0 {
		former = authorizedKey(keys[0].PublicKey())
	}

	return Login{
		Node:       m.Node,
		Address:    m.public(),
		Port:       loginPort,
		User:       loginUser,
		PublicKey:  authorizedKey(f.shell.operator.PublicKey()),
		KnownHosts: strings.Join(known, "\n"),
		FormerKey:  former,
	}, nil
}

// Keys is an SSH agent that signs with the operator's key: who asks it never sees the key.
func (f *Fleet) Keys() (agent.Agent, error) {
	keys := agent.NewKeyring()

	names := []string{
		stack.SSHKey,
		roles.PreviousSecret(stack.SSHKey),
	}

	for _, name := range names {
		key, err := f.Secrets.Get(name)
		if errors.Is(err, stack.ErrNoSecret) && name != stack.SSHKey {
			continue
		}

		if err != nil {
			return nil, err
		}

		private, err := ssh.ParseRawPrivateKey([]byte(key.Reveal()))
		if err != nil {
			return nil, fmt.Errorf("read secret %s: %w", name, err)
		}

		added := agent.AddedKey{PrivateKey: private}

		if err := keys.Add(added); err != nil {
			return nil, err
		}
	}

	return keys, nil
}

// chooseOne finds the one node of a name that has an address.
func (f *Fleet) chooseOne(ctx context.Context, name string) (member, error) {
	chosen, err := f.choose(ctx, []string{name})

	switch {
	case err != nil:
		return member{}, err
	case len(chosen.nodes) > 1:
		return member{}, fmt.Errorf("role %s has several nodes; say one of %s", name, chosen.names())
	case len(chosen.members) == 0:
		return member{}, ErrNoDroplet
	case chosen.members[0].public() == "":
		return member{}, errUnaddressed
	}

	return chosen.members[0], nil
}
