package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// How long a node may take: to take a connection, to shake hands, and to answer a question with both. A busy one shakes
// hands slowly, a dead one takes no connection.
const (
	dialTimeout      = 3 * time.Second
	handshakeTimeout = 6 * time.Second
	answerTimeout    = 12 * time.Second
)

// shell reaches nodes by SSH. A node proves itself by a host certificate of the stack's authority.
type shell struct {
	operator  ssh.Signer
	authority ssh.Signer
	// former are the keys that these take the place of, while nodes know those: none at other times.
	formerOperators   []ssh.Signer
	formerAuthorities []ssh.Signer

	reach func(ctx context.Context, network, address string) (net.Conn, error)

	mu      sync.Mutex
	clients map[string]*login // by address
}

// login is a connection to a node.
type login struct {
	*ssh.Client
	feed  *feed // that nobody uses now; nil for none
	plain bool  // the node is of a version without one
}

func newShell(
	secrets *stack.Secrets,
	reach func(context.Context, string, string) (net.Conn, error),
) (*shell, error) {
	s := &shell{
		reach:   reach,
		clients: map[string]*login{},
	}

	for name, key := range map[string]struct {
		signer *ssh.Signer
		former *[]ssh.Signer
	}{
		stack.SSHKey: {&s.operator, &s.formerOperators},
		stack.SSHCA:  {&s.authority, &s.formerAuthorities},
	} {
		signer, err := signerOf(secrets, name)
		if err != nil {
			return nil, err
		}

		*key.signer = signer

		former, err := signerOf(secrets, roles.PreviousSecret(name))
		if errors.Is(err, stack.ErrNoSecret) {
			continue
		}

		if err != nil {
			return nil, err
		}

		*key.former = []ssh.Signer{former}
	}

	return s, nil
}

// signerOf reads one of the SSH keys of the secrets file.
func signerOf(secrets *stack.Secrets, name string) (ssh.Signer, error) {
	key, err := secrets.Get(name)
	if err != nil {
		return nil, err
	}

	signer, err := ssh.ParsePrivateKey([]byte(key.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("read secret %s: %w", name, err)
	}

	return signer, nil
}

// operators are the keys to log in with, the one that new nodes know first.
func (s *shell) operators() []ssh.Signer {
	keys := []ssh.Signer{s.operator}

	return append(keys, s.formerOperators...)
}

// authorities are those that may vouch for a node.
func (s *shell) authorities() []ssh.Signer {
	keys := []ssh.Signer{s.authority}

	return append(keys, s.formerAuthorities...)
}

func (s *shell) close() {
	s.mu.Lock()
	defer s.mu.Unlock()

	for _, client := range s.clients {
		client.Close()
	}

	clear(s.clients)
}

func (s *shell) config() *ssh.ClientConfig {
	checker := &ssh.CertChecker{IsHostAuthority: func(authority ssh.PublicKey, _ string) bool {
		shown := authority.Marshal()

		return slices.ContainsFunc(s.authorities(), func(signer ssh.Signer) bool {
			known := signer.PublicKey().Marshal()

			return bytes.Equal(shown, known)
		})
	}}

	return &ssh.ClientConfig{
		// Certificates only: a plain host key would have to be trusted on first use.
		User:              loginUser,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(s.operators()...)},
		HostKeyCallback:   checker.CheckHostKey,
		HostKeyAlgorithms: []string{ssh.CertAlgoED25519v01},
		Timeout:           dialTimeout,
	}
}

func (s *shell) dial(ctx context.Context, m member) (*login, error) {
	address := m.public()

	// Not held while dialling: one node that does not answer would hold up all others.
	s.mu.Lock()
	client := s.clients[address]
	s.mu.Unlock()

	if client != nil {
		return client, nil
	}

	connection, err := s.reach(ctx, "tcp", net.JoinHostPort(address, loginPort))
	if err != nil {
		return nil, fmt.Errorf("reach %s by SSH: %w", m.Node, err)
	}

	_ = connection.SetDeadline(time.Now().Add(handshakeTimeout)) // only the handshake is bounded

	// The host certificate vouches for the name of the node, not for its address.
	host := net.JoinHostPort(m.Node, loginPort)
	inner, channels, requests, err := ssh.NewClientConn(connection, host, s.config())
	if err != nil {
		connection.Close()
		return nil, fmt.Errorf("reach %s by SSH: %w", m.Node, err)
	}

	// A command may run for long; its own context bounds it.
	_ = connection.SetDeadline(time.Time{})
	client = &login{Client: ssh.NewClient(inner, channels, requests)}

	s.mu.Lock()
	s.clients[address] = client
	s.mu.Unlock()

	return client, nil
}

// drop closes the connection to a node, so that the next command makes a new one.
func (s *shell) drop(m member) {
	s.mu.Lock()
	defer s.mu.Unlock()

	if client := s.clients[m.public()]; client != nil {
		client.Close()
		delete(s.clients, m.public())
	}
}

// session opens one on a node.
func (s *shell) session(ctx context.Context, m member) (*ssh.Session, error) {
	client, err := s.dial(ctx, m)
	if err != nil {
		return nil, err
	}

	session, err := client.NewSession()
	if err != nil {
		s.drop(m)
		return nil, fmt.Errorf("reach %s by SSH: %w", m.Node, err)
	}

	return session, nil
}

// run runs a command on a node and returns its exit code.
func (s *shell) run(
	ctx context.Context,
	m member,
	command string,
	stdin io.Reader,
	stdout, stderr io.Writer,
) (int, error) {
	session, err := s.session(ctx, m)
	if err != nil {
		return 0, err
	}
	defer session.Close()

	// A session knows no context: closing its connection is what ends a command that hangs.
	stop := context.AfterFunc(ctx, func() { s.drop(m) })
	defer stop()

	session.Stdin = stdin
	session.Stdout = stdout
	session.Stderr = stderr

	return s.ended(ctx, m, session.Run(command))
}

// ended makes of how a session ended an exit code.
func (s *shell) ended(ctx context.Context, m member, err error) (int, error) {
	var exited *ssh.ExitError
	if errors.As(err, &exited) {
		return exited.ExitStatus(), nil
	}

	if err != nil {
		s.drop(m)
		return 0, fmt.Errorf("run on %s: %w", m.Node, errors.Join(err, ctx.Err()))
	}

	return 0, nil
}
