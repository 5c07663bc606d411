package acme_test

import (
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/acme"
	"github.com/hornero/hornero/internal/certificates"
	"github.com/hornero/hornero/internal/derived"
	lab "github.com/hornero/hornero/lab/acme"
)

// known are the accounts of an authority that takes no others.
var known = map[string]string{"kid-1": "dGhpcnR5LXR3byBieXRlcyBvciBtb3JlIGFyZSB3aGF0IEhNQUMgd2FudHM"}

func TestAnAuthorityThatWantsAnAccountOfItsOwnIsToldOne(t *testing.T) {
	w := newWorldFor(t, lab.Config{Accounts: known})
	store := newMemory()
	now := time.Now()

	m := w.manager(store, now, "www.example.org")
	m.Config.Request.Account = ""
	require.NoError(t, m.Run(t.Context()))

	told := store.told(t, "www")
	require.Contains(t, told.Trouble, "refused: the authority wants an account that it knows already")
	require.Zero(t, w.authority.Orders())

	// What is wrong with a key is said, too.
	for key, want := range map[string]string{
		"":                "wrong: the account that the authority knows has no key",
		"!":               "wrong: the key of the account that the authority knows is no base64url",
		"YW5vdGhlciBrZXk": "refused: register the account",
	} {
		now = told.Next

		m = w.manager(store, now, "www.example.org")
		m.Config.Bindings[certificates.BindingFirst] = key
		require.NoError(t, m.Run(t.Context()))

		told = store.told(t, "www")
		require.Contains(t, told.Trouble, want, key)
	}

	// Authorities show keys in several ways: with what fills them up, and with an end of line.
	m = w.manager(store, told.Next, "www.example.org")
	m.Config.Bindings[certificates.BindingFirst] += "==\n"
	require.NoError(t, m.Run(t.Context()))
	require.NotEmpty(t, store.told(t, "www").Serial)
	require.Empty(t, store.told(t, "www").Trouble)
}

// pair is a stack with a certificate of the first of two authorities, which is down from now on.
func pair(t *testing.T, fault lab.Fault) (w *world, store *memory, first acme.Told) {
	t.Helper()

	w = newWorld(t)
	// Authorities go by the wall's clock: what this one gives is young when a test says that weeks have gone by.
	w.second = newWorldFor(t, lab.Config{Accounts: known, Life: 360 * day})
	store = newMemory()

	require.NoError(t, w.manager(store, time.Now(), "www.example.org").Run(t.Context()))
	w.authority.Break(&fault)

	return w, store, store.told(t, "www")
}

// run is the run of some node when so much of the certificate's life is left.
func (w *world) run(t *testing.T, store *memory, at time.Time) acme.Told {
	t.Helper()
	require.NoError(t, w.manager(store, at, "www.example.org").Run(t.Context()))

	return store.told(t, "www")
}

// day is a day of a certificate's ninety.
const day = 24 * time.Hour

var down = lab.Fault{Status: http.StatusServiceUnavailable, Kind: "serverInternal"}

func TestTheSecondAuthorityGivesOneWhenAnEighthIsLeft(t *testing.T) {
	w, store, first := pair(t, down)

	// Until then it is not asked for anything.
	for _, left := range []time.Duration{29 * day, 20 * day, 12 * day} {
		told := w.run(t, store, first.Ends.Add(-left))
		require.Equal(t, first.Serial, told.Serial)
		require.Contains(t, told.Trouble, acme.KindUnreachable)
	}

	require.Zero(t, w.second.authority.Orders())

	told := w.run(t, store, first.Ends.Add(-11*day))
	require.NotEqual(t, first.Serial, told.Serial, told.Trouble)
	require.True(t, told.Fallback)
	require.Empty(t, told.Trouble)
	require.Equal(t, 1, w.second.authority.Issued())

	leaf, chain := chainOf(t, w.kept(t, store))
	_, err := leaf.Verify(x509.VerifyOptions{Roots: w.second.roots(t), Intermediates: chain})
	require.NoError(t, err)

	// The next is the first one's again, which knows nothing of that certificate.
	w.authority.Break(nil)

	again := w.run(t, store, told.Renews.Add(time.Minute))
	require.NotEqual(t, told.Serial, again.Serial)
	require.False(t, again.Fallback)
	require.Greater(t, w.authority.Issued(), 1)
	require.Equal(t, 1, w.second.authority.Issued())
}

// A limit of the first's is waited out with the first, and only with that.
func TestTheSecondAuthorityDoesNotWaitForTheFirstOnesLimit(t *testing.T) {
	limited := lab.Fault{
		Status:     http.StatusTooManyRequests,
		Kind:       "rateLimited",
		RetryAfter: 85 * day,
		OrdersOnly: true,
	}
	w, store, first := pair(t, limited)

	w.second.authority.Break(&down)

	last := first.Ends.Add(-11 * day)

	told := w.run(t, store, first.Ends.Add(-29*day))
	require.Contains(t, told.Trouble, acme.KindLimited)
	require.True(t, told.Next.After(last))

	// Nobody turns to the first again before it takes questions.
	for range 2 {
		told = w.run(t, store, last)
		require.Contains(t, told.Trouble, "the second authority")

		last = told.Next
	}
}

// While both are down they are asked in turn, each after its pause, and whoever comes back first gives the certificate.
func TestTwoAuthoritiesAreAskedInTurn(t *testing.T) {
	for _, back := range []string{"first", "second"} {
		w, store, first := pair(t, down)
		w.second.authority.Break(&down)

		told := w.run(t, store, first.Ends.Add(-11*day))
		require.Contains(t, told.Trouble, "the second authority")

		told = w.run(t, store, told.Next)
		require.NotContains(t, told.Trouble, "the second authority")

		told = w.run(t, store, told.Next)
		require.Contains(t, told.Trouble, "the second authority")

		returned := w.authority
		if back == "second" {
			returned = w.second.authority
		}

		returned.Break(nil)

		for range 2 {
			if told.Trouble != "" {
				told = w.run(t, store, told.Next)
			}
		}

		require.NotEqual(t, first.Serial, told.Serial, back)
		require.Equal(t, back == "second", told.Fallback)
	}
}

// Names that do not lead here lead nowhere for another authority, either.
func TestTheSecondAuthorityIsNotAskedForNamesThatLeadElsewhere(t *testing.T) {
	// Of two orders for the same names pebble takes the answer for the first as one for the second, every other time.
	t.Setenv("PEBBLE_AUTHZREUSE", "0")

	w, store, first := pair(t, down)
	w.authority.Break(nil)
	w.answers(".another")

	told := w.run(t, store, first.Ends.Add(-5*day))
	require.Contains(t, told.Trouble, acme.KindNames)
	w.run(t, store, told.Next)
	require.Zero(t, w.second.authority.Orders())
}

// Who takes the second authority out of stack.yaml goes on with the first.
func TestASecondAuthorityThatIsGoneIsNotAsked(t *testing.T) {
	w, store, first := pair(t, down)
	w.second.authority.Break(&down)

	told := w.run(t, store, first.Ends.Add(-11*day))
	told = w.run(t, store, told.Next)
	require.NotContains(t, told.Trouble, "the second authority")

	w.second = nil
	w.authority.Break(nil)
	told = w.run(t, store, told.Next)
	require.NotEqual(t, first.Serial, told.Serial)
	require.False(t, told.Fallback)
}

// kept is the chain that is kept, as nodes of the edge open it.
func (w *world) kept(t *testing.T, store *memory) string {
	t.Helper()

	name := certificates.KeptPrefix + "www"

	packed, err := derived.Open(secret, name, store.kept[name])
	require.NoError(t, err)

	text, err := derived.PEM(packed)
	require.NoError(t, err)

	chain, _, _ := strings.Cut(string(text), "-----BEGIN PRIVATE KEY")

	return chain
}
