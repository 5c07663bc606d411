package builder_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// server is an SSH server on loopback that lets everybody in.
type server struct {
	port int

	mutex     sync.Mutex
	key       ssh.Signer
	logins    int
	afterward func() // what happens after a connection ended without a login
}

func serveSSH(t *testing.T) *server {
	t.Helper()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })

	s := &server{
		port: listener.Addr().(*net.TCPAddr).Port,
		key:  someKey(t),
	}

	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}

			go s.serve(connection)
		}
	}()

	return s
}

// someKey is a host key that nobody was told.
func someKey(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)

	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)

	return signer
}

func (s *server) show(key ssh.Signer) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.key = key
}

// tried is how many times somebody began to log in.
func (s *server) tried() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	return s.logins
}

func (s *server) serve(connection net.Conn) {
	defer connection.Close()

	config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.logins++

		return nil, nil
	}}

	s.mutex.Lock()
	config.AddHostKey(s.key)
	s.mutex.Unlock()

	_, channels, requests, err := ssh.NewServerConn(connection, config)
	if err != nil {
		s.mutex.Lock()
		afterward := s.afterward
		s.mutex.Unlock()

		if afterward != nil {
			afterward()
		}

		return
	}

	go ssh.DiscardRequests(requests)

	for channel := range channels {
		_ = channel.Reject(ssh.Prohibited, "nothing runs here")
	}
}
