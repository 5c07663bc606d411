package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/hornero/hornero/fleet"
)

// sshNode is an SSH server on loopback, with a host certificate for a name.
type sshNode struct {
	t        *testing.T
	operator ed25519.PrivateKey
	listener net.Listener
	config   *ssh.ServerConfig
	login    fleet.Login
}

func newKey(t *testing.T) (ed25519.PrivateKey, ssh.Signer) {
	t.Helper()

	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)

	return private, signer
}

func line(key ssh.PublicKey) string {
	return string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(key)))
}

func newSSHNode(t *testing.T, name string) *sshNode {
	t.Helper()

	operator, operatorKey := newKey(t)
	_, authority := newKey(t)
	_, host := newKey(t)

	certificate := &ssh.Certificate{
		Key:             host.PublicKey(),
		CertType:        ssh.HostCert,
		ValidPrincipals: []string{name},
		ValidBefore:     ssh.CertTimeInfinity,
	}
	require.NoError(t, certificate.SignCert(rand.Reader, authority))
	signer, err := ssh.NewCertSigner(certificate, host)
	require.NoError(t, err)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })

	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)

	n := &sshNode{
		t:        t,
		operator: operator,
		listener: listener,
		login: fleet.Login{
			Node:       name,
			Address:    "127.0.0.1",
			Port:       port,
			User:       "root",
			PublicKey:  line(operatorKey.PublicKey()),
			KnownHosts: "@cert-authority " + name + " " + line(authority.PublicKey()),
		},
	}

	n.config = &ssh.ServerConfig{PublicKeyCallback: n.authorize}
	n.config.AddHostKey(signer)

	go n.serve()

	return n
}

func (n *sshNode) authorize(user ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	if user.User() != n.login.User || line(key) != n.login.PublicKey {
		return nil, errors.New("a stranger")
	}

	return nil, nil
}

func (n *sshNode) serve() {
	for {
		connection, err := n.listener.Accept()
		if err != nil {
			return
		}

		_, channels, requests, err := ssh.NewServerConn(connection, n.config)
		if err != nil {
			continue // ssh says why
		}

		go ssh.DiscardRequests(requests)

		go func() {
			for channel := range channels {
				session, asked, err := channel.Accept()
				if err == nil {
					go n.answer(session, asked)
				}
			}
		}()
	}
}

// answer says what was asked for, with the standard input, and exits with 7.
func (n *sshNode) answer(session ssh.Channel, asked <-chan *ssh.Request) {
	defer session.Close()

	for request := range asked {
		_ = request.Reply(request.Type == "exec", nil)

		if request.Type != "exec" {
			continue
		}

		input, _ := io.ReadAll(session)
		_, _ = io.WriteString(session, string(request.Payload[4:])+" <"+string(input))
		_, _ = session.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{7}))

		return
	}
}

// run logs in with this machine's ssh, and returns what it wrote.
func (n *sshNode) run(words ...string) (string, string, error) {
	program, err := exec.LookPath("ssh")
	require.NoError(n.t, err, "scripts/deps.sh installs openssh-client")

	// Files of one's own must not change the outcome, and the paths of the login have to be quoted.
	temporary, err := os.MkdirTemp("", "a %h b")
	require.NoError(n.t, err)
	defer os.Remove(temporary)

	n.t.Setenv("HOME", n.t.TempDir())
	n.t.Setenv("XDG_RUNTIME_DIR", temporary)

	keys := agent.NewKeyring()
	require.NoError(n.t, keys.Add(agent.AddedKey{PrivateKey: n.operator}))

	var stdout, stderr bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetContext(n.t.Context())
	cmd.SetIn(bytes.NewBufferString("typed"))
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)

	err = sshSession{
		program: program,
		login:   n.login,
		keys:    keys,
		words:   words,
	}.run(cmd)

	left, _ := filepath.Glob(filepath.Join(temporary, "*"))
	require.Empty(n.t, left, "it leaves nothing")

	return stdout.String(), stderr.String(), err
}

func TestThisMachinesSSHLogsInToANode(t *testing.T) {
	n := newSSHNode(t, "web-1")

	stdout, stderr, err := n.run("echo", "it's", "-f")
	require.Equal(t, exit(7), err, stderr)
	require.Equal(t, `echo 'it'\''s' -f <typed`, stdout)
}

func TestSSHRefusesANodeThatIsAnother(t *testing.T) {
	n := newSSHNode(t, "web-1")
	n.login.Node = "web-2"

	stdout, stderr, err := n.run("echo")
	require.Equal(t, exit(255), err)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "erification failed")
}

func TestSSHIsAskedForBeforeACloudIs(t *testing.T) {
	toolStack(t)
	t.Setenv("PATH", t.TempDir())

	got := hornero(t, "ssh", "vault-1")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "hornero: there is no program ssh on this machine; install it")
}

func TestAPathForSSH(t *testing.T) {
	require.Equal(t, `"/tmp/a b/%%h"`, sshPath("/tmp/a b/%h"))
}
