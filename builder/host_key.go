package builder

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"

	"github.com/hashicorp/packer-plugin-sdk/multistep"
	"golang.org/x/crypto/ssh"
	"gopkg.in/yaml.v3"
)

// ErrHostKey is a server that answers at the Droplet's address and is not the Droplet of this build.
var ErrHostKey = errors.New("another host key than this build's")

// hostKey is the SSH host key that the builder makes for one Droplet. The Droplet gets it in its user-data, and the
// builder talks to nobody who does not hold it: an address alone says nothing of who answers there.
type hostKey struct {
	private string // as OpenSSH writes it
	public  ssh.PublicKey
}

// newHostKey makes an Ed25519 key, which sshd of every release takes and cloud-init of every release installs.
func newHostKey() (hostKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return hostKey{}, fmt.Errorf("make a host key: %w", err)
	}

	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return hostKey{}, fmt.Errorf("write the host key: %w", err)
	}

	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return hostKey{}, fmt.Errorf("read the host key: %w", err)
	}

	return hostKey{
		private: string(pem.EncodeToMemory(block)),
		public:  key,
	}, nil
}

// cloudConfig is what has cloud-init install the key before sshd starts.
func (k hostKey) cloudConfig() (string, error) {
	text, err := yaml.Marshal(map[string]any{
		"ssh_deletekeys": true,
		"ssh_keys": map[string]string{
			"ed25519_private": k.private,
			"ed25519_public":  string(ssh.MarshalAuthorizedKey(k.public)),
		},
	})
	if err != nil {
		return "", fmt.Errorf("write the user-data of the host key: %w", err)
	}

	return "#cloud-config\n" + string(text), nil
}

// check is the callback of a connection: it refuses all keys but this one.
func (k hostKey) check(address string, _ net.Addr, shown ssh.PublicKey) error {
	if bytes.Equal(shown.Marshal(), k.public.Marshal()) {
		return nil
	}

	return fmt.Errorf(
		"%w: %s shows %s, user-data gave the Droplet %s",
		ErrHostKey,
		address,
		ssh.FingerprintSHA256(shown),
		ssh.FingerprintSHA256(k.public),
	)
}

// sshConfig is what the build logs in with, at the host that has its key. The SDK's own takes any host.
func (c *Config) sshConfig() func(multistep.StateBag) (*ssh.ClientConfig, error) {
	login := c.Comm.SSHConfigFunc()

	return func(state multistep.StateBag) (*ssh.ClientConfig, error) {
		config, err := login(state)
		if err != nil {
			return nil, err
		}

		config.HostKeyCallback = c.hostKey.check
		// A server with keys of other kinds, too, would show one of those.
		config.HostKeyAlgorithms = []string{c.hostKey.public.Type()}

		return config, nil
	}
}
