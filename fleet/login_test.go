package fleet_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/fleet"
)

func TestALoginIsWhatSSHNeeds(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()

	login, err := w.fleet().Login(t.Context(), "web-2")
	require.NoError(t, err)
	require.Equal(t, "web-2", login.Node)
	require.Equal(t, "root", login.User)
	require.Equal(t, "22", login.Port)

	// The address is the node's, its authority the one that signed its host key, and the key one that it lets in.
	for _, document := range w.documents() {
		if document.Node != "web-2" {
			continue
		}

		require.Equal(t, document.SSH.AuthorizedKeys, []string{login.PublicKey})

		marker, hosts, authority, _, _, err := ssh.ParseKnownHosts([]byte(login.KnownHosts))
		require.NoError(t, err)
		require.Equal(t, "cert-authority", marker)
		require.Equal(t, []string{"web-2"}, hosts)

		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(document.SSH.HostCertificate))
		require.NoError(t, err)
		require.True(t, bytes.Equal(authority.Marshal(), key.(*ssh.Certificate).SignatureKey.Marshal()))
	}

	keys, err := w.fleet().Keys()
	require.NoError(t, err)
	listed, err := keys.List()
	require.NoError(t, err)
	require.Len(t, listed, 1)
	require.Equal(t, login.PublicKey, string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(listed[0]))))

	_, err = w.fleet().Login(t.Context(), "web")
	require.EqualError(t, err, "role web has several nodes; say one of web-1, web-2")

	w.destroyDroplet("web-2", 6)
	w.awaitDroplets(6)
	_, err = w.fleet().Login(t.Context(), "web-2")
	require.ErrorIs(t, err, fleet.ErrNoDroplet)
}
