package cloudinit_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/cloudinit"
)

func document() cloudinit.Node {
	nodes := []string{"db-1", "db-2", "db-3"}

	return cloudinit.Node{
		Stack:       "blog",
		Role:        "db",
		Node:        "db-2",
		Incarnation: 3,
		Join:        []string{"10.0.0.2"},
		Expected:    map[string][]string{"db": nodes},
		TLS: cloudinit.TLS{
			CA:          "authority",
			Certificate: "certificate",
			Key:         "key",
		},
		SSH: cloudinit.SSH{
			HostKey:        "host key",
			HostPublicKey:  "ssh-ed25519 AAAA",
			AuthorizedKeys: []string{"ssh-ed25519 BBBB"},
		},
	}
}

func encoded(t *testing.T) []byte {
	data, err := cloudinit.Encode(document())
	require.NoError(t, err)
	return data
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	node, err := cloudinit.Decode("user-data", encoded(t))
	require.NoError(t, err)

	want := document()
	want.Version = cloudinit.Version
	require.Equal(t, want.Node, node.Node)
	require.Equal(t, want.TLS, node.TLS)
	require.Equal(t, want.SSH, node.SSH)
	require.Equal(t, want.Expected, node.Expected)
	require.Equal(t, want.Version, node.Version)
}

// A document that uses nothing new is read by images of every version that reads version 1.
func TestADocumentHasNoMoreKeysThanTheFirstOnes(t *testing.T) {
	node := document()
	node.Version = 1
	fields, err := node.Fields()
	require.NoError(t, err)

	for within, keys := range map[string][]string{
		"": {
			"version",
			"stack",
			"role",
			"node",
			"incarnation",
			"found",
			"join",
			"expected",
			"settings",
			"secrets",
			"tls",
			"ssh",
		},
		"tls": {"ca", "certificate", "key"},
		"ssh": {"host_key", "host_public_key", "host_certificate", "authorized_keys"},
	} {
		part := fields
		if within != "" {
			part = fields[within].(map[string]any)
		}

		require.ElementsMatch(t,
			keys,
			slices.Collect(maps.Keys(part)),
			"leave a key out when it has nothing to say (omitempty)",
		)
	}
}

func TestUserDataThatIsNotOursIsRefused(t *testing.T) {
	for _, foreign := range []string{
		"", "#!/bin/sh\ntrue\n", "#cloud-config\n",
		"#cloud-config\nwrite_files: [{path: /etc/motd, content: hello}]\n",
		"#cloud-config\n\t: [", "Content-Type: multipart/mixed\n",
	} {
		_, err := cloudinit.Decode("user-data", []byte(foreign))
		require.ErrorIs(t, err, cloudinit.ErrNotOurs, "%q", foreign)
	}
}

func TestTruncatedUserDataIsRefusedWhereverItIsCut(t *testing.T) {
	whole := encoded(t)
	for length := range len(whole) - 1 { // the last byte is the last line's end
		_, err := cloudinit.Decode("user-data", whole[:length])
		require.ErrorIs(t,
			err,
			cloudinit.ErrNotOurs,
			"cut after %d of %d bytes",
			length,
			len(whole),
		)
	}
}

func TestTooMuchUserDataIsRefused(t *testing.T) {
	fat := append(
		encoded(t),
		[]byte("# "+strings.Repeat("x", cloudinit.MaxUserData))...,
	)

	_, err := cloudinit.Decode("user-data", fat)
	require.ErrorIs(t, err, cloudinit.ErrTooLarge)

	server := httptest.NewServer(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(fat)
		}),
	)
	defer server.Close()

	found, err := cloudinit.Sources{
		Metadata: server.URL,
		Root:     t.TempDir(),
	}.Find(t.Context())
	require.NoError(t, err)

	_, err = cloudinit.Decode(found.Source, found.Data)
	require.ErrorIs(t, err, cloudinit.ErrTooLarge, "no metadata service makes it read on")

	node := document()
	node.Settings = map[string]string{"site.title": strings.Repeat("x", cloudinit.MaxUserData)}
	_, err = cloudinit.Encode(node)
	require.ErrorIs(t, err, cloudinit.ErrTooLarge)
}

func TestADocumentIsReadStrictly(t *testing.T) {
	_, err := cloudinit.DecodeNode(
		"node.yaml",
		[]byte("version: 1\nstack: blog\nrole: db\nnode: db-1\nincarnation: one\nfuond: true\n"),
	)
	require.ErrorContains(t, err, "node.yaml:5:14: error: incarnation")
	require.ErrorContains(t, err, "node.yaml:6:1: error: fuond: unknown key")
	require.ErrorContains(t, err, "tls.key: is missing")
}
