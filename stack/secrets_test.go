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
	require.Len(t, told, 11) // the age key, six keys and certificates, four secrets
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

func TestWhatIsUnmadeIsNamedAndNotMade(t *testing.T) {
	secrets := openSecrets(t)
	s := loaded(t)
	all := manifests(t)

	unmade := secrets.Unmade(s, all)
	require.Contains(t, unmade, stack.PlanKey)
	require.Contains(t, unmade, "wordpress.salt")
	require.Empty(t, secrets.Names())

	require.NoError(t, secrets.Ensure(s, all))
	require.Empty(t, secrets.Unmade(s, all))
	require.Subset(t, secrets.Names(), unmade)
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
	require.NoError(t, secrets.Rotate("wordpress.salt", loaded(t), manifests(t)))

	after, err := secrets.Get("wordpress.salt")
	require.NoError(t, err)
	require.NotEqual(t, before.Reveal(), after.Reveal())

	require.ErrorIs(t, secrets.Rotate(stack.PlanKey, loaded(t), manifests(t)), stack.ErrFixed)
	require.ErrorIs(t, secrets.Rotate("wordpress.sald", loaded(t), manifests(t)), stack.ErrNoSecret)
}

func TestSecretsOfARoleOfOnesOwn(t *testing.T) {
	all := withRoles(t, apiRole)
	s, err := parseAPI(t, all)
	require.NoError(t, err)
	require.NotContains(t, s.SecretNames(all), "api.token", "nobody makes it")

	secrets := openSecrets(t)
	require.NoError(t, secrets.Ensure(s, all))

	password, err := secrets.Get("api.db_password")
	require.NoError(t, err)
	require.Regexp(t, `^[A-Za-z0-9]{40}$`, password.Reveal(), "as long as the manifest says")

	_, err = secrets.Get("api.token")
	require.ErrorIs(t, err, stack.ErrNoSecret)

	want := "the nodes of role api need api.token (of who takes the money): `hornero secrets set api.token` reads it " +
		"from standard input"
	require.Equal(t, []string{want}, secrets.Missing(s, all))

	require.NoError(t, secrets.Set("api.token", "given"))
	require.Empty(t, secrets.Missing(s, all))

	require.ErrorIs(t, secrets.Rotate("api.token", s, all), stack.ErrForeign)
	require.NoError(t, secrets.Rotate("api.db_password", s, all))

	after, err := secrets.Get("api.db_password")
	require.NoError(t, err)
	require.Regexp(t, `^[A-Za-z0-9]{40}$`, after.Reveal())
	require.NotEqual(t, password.Reveal(), after.Reveal())

	token, err := secrets.Get("api.token")
	require.NoError(t, err)
	require.Equal(t, "given", token.Reveal(), "the rotation left it alone")
}

func TestASecretOfTwoRolesServesBoth(t *testing.T) {
	manifest := func(name, rule string) string {
		return "version: 1\nname: " + name + "\npeers: client\nsecrets:\n  shared.word: " + rule + "\n"
	}

	for _, c := range []struct {
		name        string
		first       string
		second      string
		wantMissing int
		wantLength  int // of the one that is made
	}{
		{name: "the longer", first: "{length: 12}", second: "{length: 50}", wantLength: 50},
		{name: "the default is longer", first: "{}", second: "{length: 9}", wantLength: 28},
		{name: "given to one", first: "{}", second: "{make: given}", wantMissing: 1},
		{name: "given to the other", first: "{make: given}", second: "{}", wantMissing: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := withRoles(t, apiRole, manifest("one", c.first), manifest("two", c.second))
			s, err := parseAPI(t, all,
				"  - {name: api, role: api, count: 2}\n",
				"  - {name: one, role: one, count: 1}\n  - {name: two, role: two, count: 1}\n",
			)
			require.NoError(t, err)

			secrets := openSecrets(t)
			require.NoError(t, secrets.Ensure(s, all))
			require.Len(t, secrets.Missing(s, all), c.wantMissing)

			if c.wantMissing > 0 {
				require.Contains(t, secrets.Missing(s, all)[0], "the nodes of role one and two need shared.word: ")
				return
			}

			value, err := secrets.Get("shared.word")
			require.NoError(t, err)
			require.Len(t, value.Reveal(), c.wantLength)
		})
	}
}

func TestTheSitesCertificateHasTheNamesThatVisitorsUse(t *testing.T) {
	all := withRoles(t, apiRole)
	s, err := parseAPI(t, all, "greeting: Hello", "greeting: Hello, address: 'https://api.example.org:8443'")
	require.NoError(t, err)

	secrets := openSecrets(t)
	require.NoError(t, secrets.Ensure(s, all))

	text, err := secrets.Get(stack.SiteCertificate)
	require.NoError(t, err)

	certificate, err := pki.ParseCertificate(text.Reveal())
	require.NoError(t, err)
	require.Equal(t, "www.example.org", certificate.Subject.CommonName)

	want := []string{"www.example.org", "api.example.org", "shop.hornero", "localhost"}
	require.Equal(t, want, certificate.DNSNames)
}
