package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pluginRepository is where Packer looks for the plugin github.com/hornero/hornero.
const pluginRepository = "hornero/packer-plugin-hornero"

const template = `packer {
  required_plugins {
    hornero = {
      source  = "github.com/hornero/hornero"
      version = "0.7.1"
    }
  }
}
`

// Packer itself finds the version, reads the sums, and unpacks the zip, from a GitHub that this test plays.
func TestPackerInit(t *testing.T) {
	folder := checkout(t)
	dist := release(t, folder)

	packer, err := filepath.Abs("../../.cache/packer")
	require.NoError(t, err)
	_, err = exec.LookPath(packer)
	require.NoError(t, err, "run make packer")

	work := t.TempDir()
	plugins := filepath.Join(work, "plugins")
	path := filepath.Join(work, "first.pkr.hcl")
	require.NoError(t, os.WriteFile(path, []byte(template), 0o644))

	initialize := exec.Command(packer, "init", path)
	initialize.Env = append(
		playGitHub(t, work, dist),
		"PACKER_PLUGIN_PATH="+plugins,
		"CHECKPOINT_DISABLE=1",
		"HOME="+work,
		"PATH="+os.Getenv("PATH"),
	)

	said, err := initialize.CombinedOutput()
	require.NoError(t, err, string(said))
	require.Contains(t, string(said), "Installed plugin github.com/hornero/hornero v0.7.1 in")

	installed := filepath.Join(plugins, "github.com", "hornero", "hornero", pluginName)
	require.Equal(t, read(t, folder, "bin", "packer-plugin-hornero"), read(t, installed))
}

// playGitHub serves a release's files as GitHub would, and returns the environment in which a program believes it.
func playGitHub(t *testing.T, work, dist string) []string {
	t.Helper()

	routes := http.NewServeMux()
	tags := "/repos/" + pluginRepository + "/git/matching-refs/tags"
	routes.HandleFunc(tags, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `[{"ref": "refs/tags/v0.7.1"}]`)
	})

	files := "/" + pluginRepository + "/releases/download/v0.7.1/"
	routes.Handle(files, http.StripPrefix(files, http.FileServer(http.Dir(dist))))

	certificate := newCertificate(t, "github.com", "api.github.com")
	authority := filepath.Join(work, "ca.pem")
	require.NoError(t, os.WriteFile(
		authority,
		pem.EncodeToMemory(&pem.Block{
			Type:  "CERTIFICATE",
			Bytes: certificate.Certificate[0],
		}),
		0o644,
	))

	server := httptest.NewUnstartedServer(routes)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)

	proxy := httptest.NewServer(connectTo(server.Listener.Addr().String()))
	t.Cleanup(proxy.Close)

	return []string{
		"HTTPS_PROXY=" + proxy.URL,
		"SSL_CERT_FILE=" + authority,
	}
}

// connectTo is a proxy that leads every connection to one address.
func connectTo(address string) http.HandlerFunc {
	return func(w http.ResponseWriter, request *http.Request) {
		if request.Method != http.MethodConnect {
			http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
			return
		}

		server, err := net.Dial("tcp", address)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer server.Close()

		client, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer client.Close()

		fmt.Fprint(client, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			_, _ = io.Copy(server, client) // ends with the connection
		}()
		_, _ = io.Copy(client, server)
	}
}

// newCertificate is signed by itself, and so its own authority.
func newCertificate(t *testing.T, names ...string) tls.Certificate {
	t.Helper()

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)

	wanted := x509.Certificate{
		SerialNumber:          big.NewInt(1),
		DNSNames:              names,
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	signed, err := x509.CreateCertificate(
		rand.Reader,
		&wanted,
		&wanted,
		&key.PublicKey,
		key,
	)
	require.NoError(t, err)

	return tls.Certificate{
		Certificate: [][]byte{signed},
		PrivateKey:  key,
	}
}
