package acme_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/acme"
	"github.com/hornero/hornero/internal/pki"
)

const haproxyConfig = `global
	stats socket %[1]s/admin.sock mode 600 level admin
	ssl-server-verify none
defaults
	mode http
	timeout connect 1s
	timeout client 1m
	timeout server 1m
frontend sites
	bind fd@%[2]d ssl crt-list %[1]s/sites.list strict-sni
	http-request return status 200
`

// haproxy is a real one that shows a certificate.
type haproxy struct {
	acme.Shown
	address string
}

// write gives the certificate's file another certificate.
func (h haproxy) write(t *testing.T, wanted acme.Wanted) {
	t.Helper()

	ca, err := pki.NewCA("test")
	require.NoError(t, err)

	pair, err := ca.IssueSite("test", wanted.Names...)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(h.Path(wanted), []byte(pair.Certificate+"\n"+pair.Key.Reveal()), 0o600))
}

func startHAProxy(t *testing.T, wanted acme.Wanted) haproxy {
	t.Helper()

	folder := t.TempDir()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)

	socket, err := listener.(*net.TCPListener).File()
	require.NoError(t, err)
	defer socket.Close()

	h := haproxy{
		Shown:   acme.Shown{Socket: filepath.Join(folder, "admin.sock"), Folder: folder},
		address: listener.Addr().String(),
	}
	require.NoError(t, listener.Close())

	h.write(t, wanted)

	list := h.Path(wanted) + " " + strings.Join(wanted.Names, " ") + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "sites.list"), []byte(list), 0o600))

	file := filepath.Join(folder, "haproxy.cfg")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, haproxyConfig, folder, 3), 0o600))

	command := exec.Command("haproxy", "-db", "-f", file)
	command.ExtraFiles = []*os.File{socket} // the first is 3
	command.Stderr = os.Stderr
	require.NoError(t, command.Start())

	t.Cleanup(func() {
		require.NoError(t, command.Process.Kill())
		_ = command.Wait() // it was killed
	})

	require.Eventually(t, func() bool {
		_, err := h.Serial(t.Context(), wanted)
		return err == nil
	}, patience, 20*time.Millisecond)

	return h
}

// serial is that of the certificate that a visitor gets. The connection stays open.
func (h haproxy) visit(t *testing.T, wanted acme.Wanted) (*tls.Conn, string) {
	t.Helper()

	connection, err := tls.Dial("tcp", h.address, &tls.Config{
		ServerName:         wanted.Names[0],
		InsecureSkipVerify: true,
	})
	require.NoError(t, err)
	t.Cleanup(func() { connection.Close() })

	return connection, connection.ConnectionState().PeerCertificates[0].SerialNumber.Text(16)
}

func TestHAProxyShowsAnotherCertificateAndEndsNoConnection(t *testing.T) {
	wanted := acme.Wanted{Name: "www.example.org", Names: []string{"www.example.org", "example.org"}}
	h := startHAProxy(t, wanted)

	before, first := h.visit(t, wanted)

	changed, err := h.Show(t.Context(), wanted)
	require.NoError(t, err)
	require.False(t, changed, "it has read the file by itself")

	h.write(t, wanted)

	changed, err = h.Show(t.Context(), wanted)
	require.NoError(t, err)
	require.True(t, changed)

	_, second := h.visit(t, wanted)
	require.NotEqual(t, first, second)

	shown, err := h.Serial(t.Context(), wanted)
	require.NoError(t, err)
	require.True(t, acme.SameSerial(shown, second), "%s is not %s", shown, second)

	// Who came before is still there.
	_, err = before.Write([]byte("GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n"))
	require.NoError(t, err)

	answer := make([]byte, len("HTTP/1.1 200"))
	_, err = before.Read(answer)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 200", string(answer))
}

func TestAHAProxyThatDoesNotRunIsToldNothing(t *testing.T) {
	wanted := acme.Wanted{Name: "www.example.org", Names: []string{"www.example.org"}}
	folder := t.TempDir()

	h := haproxy{Shown: acme.Shown{Socket: filepath.Join(folder, "admin.sock"), Folder: folder}}
	h.write(t, wanted)

	_, err := h.Show(t.Context(), wanted)
	require.ErrorIs(t, err, acme.ErrNotRunning)
}

func TestAFileThatIsNoCertificateIsNotShown(t *testing.T) {
	wanted := acme.Wanted{Name: "www.example.org", Names: []string{"www.example.org"}}
	h := startHAProxy(t, wanted)
	_, first := h.visit(t, wanted)

	require.NoError(t, os.WriteFile(h.Path(wanted), []byte("no certificate"), 0o600))

	_, err := h.Show(t.Context(), wanted)
	require.ErrorContains(t, err, "it is no certificate")

	_, second := h.visit(t, wanted)
	require.Equal(t, first, second)
}
