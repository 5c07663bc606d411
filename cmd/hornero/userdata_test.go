package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/report"
)

func webNode() cloudinit.Node {
	return cloudinit.Node{
		Stack:       "blog",
		Role:        "web",
		Node:        "web-1",
		Incarnation: 2,
		Join:        []string{"10.0.0.2"},
		Secrets:     map[string]report.Secret{"wordpress.db_password": "swordfish-one"},
		TLS: cloudinit.TLS{
			CA:          "authority",
			Certificate: "certificate",
			Key:         "swordfish-two",
		},
		SSH: cloudinit.SSH{HostKey: "swordfish-three", HostPublicKey: "ssh-ed25519 AAAA"},
	}
}

func TestUserDataIsPrintedWithoutItsSecrets(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		var masked, revealed bytes.Buffer
		require.NoError(t, printUserData(&masked, webNode(), false, asJSON))
		require.NotContains(t, masked.String(), "swordfish")
		require.Contains(t, masked.String(), "(masked)")
		require.NoError(t, printUserData(&revealed, webNode(), true, asJSON))

		for _, secret := range []string{"swordfish-one", "swordfish-two", "swordfish-three"} {
			require.Contains(t, revealed.String(), secret)
		}
	}
}

func TestUserDataIsWhatTheNodeReads(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, printUserData(&out, webNode(), true, false))

	node, err := cloudinit.Decode("user-data", out.Bytes())
	require.NoError(t, err)
	require.Equal(t, webNode().Secrets, node.Secrets)

	launched, err := cloudinit.Encode(webNode())
	require.NoError(t, err)
	require.Equal(t, string(launched), out.String())

	out.Reset()
	require.NoError(t, printUserData(&out, webNode(), false, true))
	var said preview
	require.NoError(t, json.Unmarshal(out.Bytes(), &said))
	require.Equal(t, len(launched), said.Bytes, "its size is that of what is launched")
	require.Equal(t, cloudinit.MaxUserData, said.Limit)
	require.True(t, said.Masked)
	require.Equal(t, "web-1", said.Document["node"])
	require.EqualValues(t, cloudinit.Version, said.Document["version"])
	require.Equal(t, map[string]any{"wordpress.db_password": "(masked)"}, said.Document["secrets"])
}
