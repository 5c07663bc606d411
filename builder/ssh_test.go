package builder_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// serveSSH lets everybody in and returns its port.
func serveSSH(t *testing.T) int {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)

	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)

	config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
		return nil, nil
	}}
	config.AddHostKey(signer)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })

	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}

			go serveConnection(connection, config)
		}
	}()

	return listener.Addr().(*net.TCPAddr).Port
}

func serveConnection(connection net.Conn, config *ssh.ServerConfig) {
	defer connection.Close()

	_, channels, requests, err := ssh.NewServerConn(connection, config)
	if err != nil {
		return
	}

	go ssh.DiscardRequests(requests)

	for channel := range channels {
		_ = channel.Reject(ssh.Prohibited, "nothing runs here")
	}
}
