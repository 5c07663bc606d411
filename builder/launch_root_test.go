//go:build root

package builder_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"time"

	"github.com/digitalocean/godo"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/internal/do"
)

// sshWithin is how long a Droplet may take from active until its sshd lets somebody in.
const sshWithin = 2 * time.Minute

// launch boots a Droplet from an image and returns a way to run commands on it.
func (l *bakeLab) launch(image int, name string) func(string) string {
	l.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(l, err)

	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(l, err)

	key, _, err := l.client.Keys.Create(l.Context(), &godo.KeyCreateRequest{
		Name:      name,
		PublicKey: string(ssh.MarshalAuthorizedKey(signer.PublicKey())),
	})
	require.NoError(l, err)

	made, _, err := l.client.Droplets.Create(l.Context(), &godo.DropletCreateRequest{
		Name:    name,
		Region:  "nyc3",
		Size:    "s-1vcpu-1gb",
		Image:   godo.DropletCreateImage{ID: image},
		SSHKeys: []godo.DropletCreateSSHKey{{ID: key.ID}},
	})
	require.NoError(l, err)

	active, err := do.WaitDropletActive(l.Context(), l.client, made.ID, do.WaitOptions{})
	require.NoError(l, err)

	address, err := active.PublicIPv4()
	require.NoError(l, err)

	config := &ssh.ClientConfig{
		User:            "root",
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		Timeout:         2 * time.Second,
	}

	return func(command string) string {
		return l.run(address+":22", config, command)
	}
}

// run runs a command on a Droplet, and returns what it said.
func (l *bakeLab) run(address string, config *ssh.ClientConfig, command string) string {
	l.Helper()
	var client *ssh.Client
	err := do.Wait(l.Context(), "SSH at "+address, func(context.Context) (do.State, error) {
		var err error
		if client, err = ssh.Dial("tcp", address, config); err != nil {
			return do.Pending, do.Seen("%v", err)
		}

		return do.Done, nil
	}, do.WaitOptions{Timeout: sshWithin})
	require.NoError(l, err)
	defer client.Close()

	session, err := client.NewSession()
	require.NoError(l, err)

	output, err := session.CombinedOutput(command)
	require.NoError(l, err, "%s: %s", command, output)

	return strings.TrimSpace(string(output))
}
