package main

import (
	"crypto/tls"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/pki"
)

// What a scraper is given names no node: other ports than that of the metrics refuse it.
func TestAScrapersCertificateIsWritten(t *testing.T) {
	secretsStack(t)

	folder := filepath.Join(t.TempDir(), "scrape")
	got := hornero(t, "secrets", "certificate", folder)
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stderr, "https://NODE:9203/metrics with them, server name any.node.hornero\n")

	shown := filepath.Join(folder, "metrics.pem")
	key := filepath.Join(folder, "metrics.key")

	_, err := tls.LoadX509KeyPair(shown, key)
	require.NoError(t, err)

	about, err := os.Stat(key)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), about.Mode())

	text, err := os.ReadFile(shown)
	require.NoError(t, err)

	certificate, err := pki.ParseCertificate(string(text))
	require.NoError(t, err)

	_, err = pki.NameOf(certificate)
	require.ErrorIs(t, err, pki.ErrNoNode)

	authority, err := os.ReadFile(filepath.Join(folder, "ca.pem"))
	require.NoError(t, err)
	require.Equal(t, hornero(t, "secrets", "show", "ca.certificate").stdout, string(authority)+"\n")
}
