package stack_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/stack"
)

func loaded(t *testing.T) *stack.Stack {
	t.Helper()
	s, err := stack.Load("../stack.yaml", manifests(t))
	require.NoError(t, err)

	return s
}

// openSecrets opens a secrets file in a folder of its own.
func openSecrets(t *testing.T) *stack.Secrets {
	t.Helper()
	folder := t.TempDir()
	path := filepath.Join(folder, "s.age")
	key := filepath.Join(folder, "age.key")

	secrets, err := stack.OpenSecrets(path, key, nil)
	require.NoError(t, err)

	return secrets
}

func TestSecretsAreMadeOnceAndKeptSealed(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "secrets.age")
	key := filepath.Join(folder, "config", "age.key")

	var told []string
	secrets, err := stack.OpenSecrets(path, key, func(line string) {
		told = append(told, line)
	})
	require.NoError(t, err)
	require.NoError(t, secrets.Ensure(loaded(t), manifests(t)))
	require.Len(t, told, 9) // the age key, four keys and certificates, four secrets
	require.Contains(t, told[0], "made the age key "+key)

	again, err := stack.OpenSecrets(path, key, func(line string) {
		t.Error("made again: " + line)
	})
	require.NoError(t, err)
	require.NoError(t, again.Ensure(loaded(t), manifests(t)))

	password, err := again.Get("wordpress.admin_password")
	require.NoError(t, err)
	require.Regexp(t, `^[A-Za-z0-9]{28}$`, password.Reveal())

	first, err := secrets.Get("wordpress.admin_password")
	require.NoError(t, err)
	require.Equal(t, first.Reveal(), password.Reveal())

	sealed, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(sealed), "age-encryption.org/"))
	require.NotContains(t, string(sealed), password.Reveal())

	for _, file := range []string{path, key} {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}

	certificate, err := again.Get(stack.SiteCertificate)
	require.NoError(t, err)

	_, err = pki.ParseCertificate(certificate.Reveal())
	require.NoError(t, err)

	operator, err := again.Get(stack.SSHKey)
	require.NoError(t, err)

	_, err = ssh.ParsePrivateKey([]byte(operator.Reveal()))
	require.NoError(t, err)
}

func TestAWrongKeyNeverOverwrites(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "s.age")
	key := filepath.Join(folder, "a.key")
	other := filepath.Join(folder, "b.key")

	secrets, err := stack.OpenSecrets(path, key, nil)
	require.NoError(t, err)
	require.NoError(t, secrets.Set("a.b", "c"))

	stranger, err := stack.OpenSecrets(filepath.Join(folder, "other.age"), other, nil)
	require.NoError(t, err)
	require.NoError(t, stranger.Set("a.b", "d"))

	before, err := os.ReadFile(path)
	require.NoError(t, err)

	wrong, err := stack.OpenSecrets(path, other, nil)
	require.ErrorIs(t, err, stack.ErrLocked)
	require.ErrorIs(t, wrong.Set("a.b", "e"), stack.ErrLocked)

	missing := filepath.Join(folder, "none.key")
	_, err = stack.OpenSecrets(path, missing, nil)
	require.ErrorIs(t, err, stack.ErrNoKey)
	require.NoFileExists(t, missing)

	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestTwoAtOnceEndWithTheSameSecrets(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "s.age")
	key := filepath.Join(folder, "age.key")
	s := loaded(t)
	roles := manifests(t)

	var all [4]*stack.Secrets
	var group sync.WaitGroup

	for i := range all {
		group.Go(func() {
			all[i], _ = stack.OpenSecrets(path, key, nil)
			_ = all[i].Ensure(s, roles)
		})
	}

	group.Wait()

	for _, secrets := range all {
		for _, name := range all[0].Names() {
			want, err := all[0].Get(name)
			require.NoError(t, err)

			got, err := secrets.Get(name)
			require.NoError(t, err)
			require.Equal(t, want.Reveal(), got.Reveal(), name)
		}
	}
}

func TestRotate(t *testing.T) {
	secrets := openSecrets(t)
	require.NoError(t, secrets.Ensure(loaded(t), manifests(t)))

	before, err := secrets.Get("wordpress.salt")
	require.NoError(t, err)
	require.NoError(t, secrets.Rotate("wordpress.salt", loaded(t)))

	after, err := secrets.Get("wordpress.salt")
	require.NoError(t, err)
	require.NotEqual(t, before.Reveal(), after.Reveal())

	require.ErrorIs(t, secrets.Rotate(stack.CAKey, loaded(t)), stack.ErrFixed)
	require.ErrorIs(t, secrets.Rotate("wordpress.sald", loaded(t)), stack.ErrNoSecret)
}
