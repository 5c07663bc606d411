package derived_test

import (
	"testing"

	"github.com/mholt/acmez/v3/acme"
	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/derived"
	"github.com/hornero/hornero/internal/report"
)

const secret = report.Secret("q7Y2mB0cV5xN8zK3aL6dF9gH1jP4rT7wE2uI5oS8vX")

func TestWhatIsSealedIsOpenedByItsSecretAndName(t *testing.T) {
	sealed, err := derived.Seal(
		secret,
		"acme.www",
		[]byte("a key"),
	)
	require.NoError(t, err)
	require.NotContains(t, sealed, "a key")

	plain, err := derived.Open(
		secret,
		"acme.www",
		sealed,
	)
	require.NoError(t, err)
	require.Equal(
		t,
		"a key",
		string(plain),
	)

	again, err := derived.Seal(
		secret,
		"acme.www",
		[]byte("a key"),
	)
	require.NoError(t, err)
	require.NotEqual(
		t,
		sealed,
		again,
		"equal texts must not be seen to be equal",
	)
}

func TestNothingElseOpensIt(t *testing.T) {
	sealed, err := derived.Seal(
		secret,
		"acme.www",
		[]byte("a key"),
	)
	require.NoError(t, err)

	for what, open := range map[string]func() ([]byte, error){
		"another secret": func() ([]byte, error) { return derived.Open("other", "acme.www", sealed) },
		"another name":   func() ([]byte, error) { return derived.Open(secret, "acme.shop", sealed) },
		"a changed text": func() ([]byte, error) { return derived.Open(secret, "acme.www", "AAAA"+sealed[4:]) },
		"a short text":   func() ([]byte, error) { return derived.Open(secret, "acme.www", "AAAA") },
		"no base64":      func() ([]byte, error) { return derived.Open(secret, "acme.www", "!") },
	} {
		_, err := open()
		require.ErrorIs(
			t,
			err,
			derived.ErrSealed,
			what,
		)
	}

	_, err = derived.Seal(
		"",
		"acme.www",
		nil,
	)
	require.ErrorContains(t, err, "no secret")
}

func TestAnAccountIsTheSameEachTimeAndHasTheThumbprintOfItsKey(t *testing.T) {
	key, err := derived.Account(secret)
	require.NoError(t, err)

	again, err := derived.Account(secret)
	require.NoError(t, err)
	require.True(
		t,
		key.Equal(again),
	)

	other, err := derived.Account(secret + "x")
	require.NoError(t, err)
	require.False(
		t,
		key.Equal(other),
	)

	// The library that asks for certificates computes it from the key.
	want, err := (&acme.Account{PrivateKey: key}).Thumbprint()
	require.NoError(t, err)

	thumbprint, err := derived.Thumbprint(secret)
	require.NoError(t, err)
	require.Equal(t, want, thumbprint)
}
