package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Each command says what it did, which nodes are to be replaced, and what comes next.
func TestAnAuthorityIsRotatedStepByStep(t *testing.T) {
	secretsStack(t)

	got := hornero(t, "secrets", "rotate", "galera.ca")
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stderr, "changed in secrets.age: galera.ca.certificate.next, galera.ca.key.next\n")
	require.Contains(t, got.stderr, "in this order:\n  db-1 db-2 db-3\n")
	require.Contains(t, got.stderr, "`hornero secrets rotate galera.ca` makes the new one sign")

	listed := hornero(t, "secrets", "list", "--long").stdout
	require.Regexp(t, `(?m)^galera.ca.key.next +next +- +signs after the next .hornero secrets rotate galera`, listed)

	got = hornero(t, "secrets", "retire", "--unchecked", "galera.ca")
	require.Equal(t, 1, got.code, "no node has a certificate of the next one")

	got = hornero(t, "secrets", "rotate", "--unchecked", "galera.ca")
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stderr, "in this order:\n  db-1 db-2 db-3\n")
	require.Contains(t, got.stderr, "`hornero secrets retire galera.ca` ends the trust in the old one")

	got = hornero(t, "secrets", "retire", "--unchecked", "galera.ca")
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stderr, "changed in secrets.age: galera.ca.certificate.previous\n")
	require.NotContains(t, hornero(t, "secrets", "list").stdout, "previous")

	got = hornero(t, "secrets", "rotate", "ssh.key")
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stderr, "until `hornero secrets retire ssh.key`")
}
