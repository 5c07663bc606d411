package stack_test

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/pki"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/stack"
)

const galeraCA = "galera.ca"

func authority(t *testing.T, secrets *stack.Secrets, name string) stack.Authority {
	t.Helper()
	a, err := secrets.Authority(name)
	require.NoError(t, err)

	return a
}

func made(t *testing.T) *stack.Secrets {
	t.Helper()
	secrets := openSecrets(t)
	require.NoError(t, secrets.Ensure(loaded(t), manifests(t)))

	return secrets
}

// names are the nodes that are to be replaced for a change of secrets.
func names(t *testing.T, before, after map[string]report.Secret) []string {
	t.Helper()

	var list []string
	for _, node := range loaded(t).NodesGiven(stack.Changed(before, after), manifests(t)) {
		list = append(list, node.Name)
	}

	return list
}

func TestANewStackHasAnAuthorityForGalera(t *testing.T) {
	secrets := made(t)
	require.Equal(t, []string{"ca", galeraCA}, loaded(t).Authorities(manifests(t)))

	own, galera := authority(t, secrets, stack.StackAuthority), authority(t, secrets, galeraCA)
	require.NotEqual(t, own.Issuing.Certificate, galera.Issuing.Certificate)
	require.Equal(t, stack.PhaseOne, galera.Phase)
	require.Equal(t, galera.Issuing.Certificate, galera.Bundle())
	require.Empty(t, galera.NextStep())
}

// Galera of the nodes that run trusts the stack's authority only, so that one goes on signing until all know the other.
func TestAStackOfTheVersionBeforeIsOnItsWayToAnAuthorityForGalera(t *testing.T) {
	secrets := made(t)
	earlier := secrets.All()
	delete(earlier, galeraCA+".certificate")
	delete(earlier, galeraCA+".key")
	require.NoError(t, secrets.Change(secrets.All(), earlier))

	require.NoError(t, secrets.Ensure(loaded(t), manifests(t)))

	own, galera := authority(t, secrets, stack.StackAuthority), authority(t, secrets, galeraCA)
	require.Equal(t, own.Issuing, galera.Issuing)
	require.Equal(t, stack.PhaseTrust, galera.Phase)
	require.Len(t, galera.Trusted(), 2)
	require.Contains(t, galera.NextStep(), "`hornero secrets rotate galera.ca`")

	require.NoError(t, secrets.RotateAuthority(galeraCA, "shop"))
	require.NoError(t, secrets.RetireAuthority(galeraCA))

	after := authority(t, secrets, galeraCA)
	require.Equal(t, galera.Trusted()[1], after.Bundle())
	require.Equal(t, own, authority(t, secrets, stack.StackAuthority), "it goes on for what it is for")
}

// Nodes of one phase take those of the phase before and the one after for what they are.
func TestAnAuthorityIsRotatedInPhasesThatGetOnWithEachOther(t *testing.T) {
	secrets := made(t)
	before := authority(t, secrets, stack.StackAuthority)

	phases := []stack.Authority{before}
	step := func(take func() error) {
		t.Helper()
		held := secrets.All()
		require.NoError(t, take())
		require.Len(t, names(t, held, secrets.All()), len(loaded(t).All()), "every node is replaced")

		phases = append(phases, authority(t, secrets, stack.StackAuthority))
	}

	rotate := func() error { return secrets.Rotate("ca", loaded(t), manifests(t)) }

	step(rotate)
	require.ErrorIs(t, secrets.RetireAuthority("ca"), stack.ErrRotating, "nobody has a certificate of the new one yet")
	step(rotate)
	require.ErrorIs(t, rotate(), stack.ErrRotating, "a third")
	step(func() error { return secrets.RetireAuthority("ca") })
	require.ErrorIs(t, secrets.RetireAuthority("ca"), stack.ErrNotRotating)

	for i := 1; i < len(phases); i++ {
		older, newer := phases[i-1], phases[i]
		require.Contains(t, older.Trusted(), newer.Issuing.Certificate, "phase %d", i)
		require.Contains(t, newer.Trusted(), older.Issuing.Certificate, "phase %d", i)
	}

	after := phases[len(phases)-1]
	require.Equal(t, stack.PhaseOne, after.Phase)
	require.NotContains(t, after.Trusted(), before.Issuing.Certificate)

	// By TLS, too: what the old one signs is refused at the end.
	node := pki.Name{Stack: "shop", Role: "db", Node: "db-1", Incarnation: 1}
	old, err := before.Issuing.Issue(node)
	require.NoError(t, err)
	require.False(t, vouches(t, after, old))

	fresh, err := after.Issuing.Issue(node)
	require.NoError(t, err)
	require.True(t, vouches(t, after, fresh))
	require.True(t, vouches(t, phases[1], old))
	require.True(t, vouches(t, phases[1], fresh))
}

func TestOnlyNodesWithACertificateOfAnAuthorityAreReplacedForIt(t *testing.T) {
	secrets := made(t)
	before := secrets.All()
	require.NoError(t, secrets.Rotate("galera.ca.certificate", loaded(t), manifests(t)))
	require.Equal(t, []string{"db-1", "db-2", "db-3"}, names(t, before, secrets.All()))
}

// One replacement is enough: the operator's machine takes both for as long as it must.
func TestAnSSHKeyIsRotated(t *testing.T) {
	secrets := made(t)

	for _, name := range []string{stack.SSHCA, stack.SSHKey} {
		before := secrets.All()
		require.NoError(t, secrets.Rotate(name, loaded(t), manifests(t)))
		require.NotEqual(t, before[name], secrets.All()[name])
		require.Equal(t, before[name], secrets.All()[name+".previous"])
		require.Len(t, names(t, before, secrets.All()), len(loaded(t).All()))
		require.ErrorIs(t, secrets.Rotate(name, loaded(t), manifests(t)), stack.ErrRotating)

		held := secrets.All()
		require.NoError(t, secrets.Retire(name))
		require.NotContains(t, secrets.All(), name+".previous")
		require.Empty(t, names(t, held, secrets.All()), "no node knows the one before by then")
	}
}

// vouches tells whether who trusts an authority takes a certificate for one of it.
func vouches(t *testing.T, by stack.Authority, shown pki.Pair) bool {
	t.Helper()
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(by.Bundle())))

	certificate, err := pki.ParseCertificate(shown.Certificate)
	require.NoError(t, err)

	_, err = certificate.Verify(x509.VerifyOptions{Roots: roots})

	return err == nil
}
