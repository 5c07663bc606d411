package fleet_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/certificates"
	"github.com/hornero/hornero/internal/derived"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/internal/status"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

const (
	renewedSite  = "sites:\n  - {names: [www.example.org], nodes: api, redirect: true, hsts: 5m, certificate: acme}\n"
	agreedText   = "acme: {email: ann@example.org}\n"
	renewedStack = agreedText + renewedSite
)

// acmeKeys are the keys of the authority of certificates that renew themselves.
func acmeKeys() []string {
	return append([]string{"acme"}, keysOf(reflect.TypeFor[stack.ACME](), "acme.", map[reflect.Type]bool{})...)
}

// What an authority is asked for is something that the edge's nodes are told.
func TestThePlanShowsEachKeyOfTheAuthority(t *testing.T) {
	t.Parallel()

	text := strings.Replace(edgedStack, edgedText, renewedStack, 1)

	w := newAPIWorld(t, text)
	w.mustUp()
	w.nothingToDo()

	certificate, _ := foreignSite(t, "acme.example.org")
	quoted := `"` + strings.ReplaceAll(certificate.Reveal(), "\n", `\n`) + `"`

	changes := map[string]string{
		"email":     "acme: {email: bob@example.org}\n",
		"directory": "acme: {email: ann@example.org, directory: 'https://acme.example.org/dir'}\n",
		"profile":   "acme: {email: ann@example.org, profile: tlsserver}\n",
		"authority": "acme: {email: ann@example.org, authority: " + quoted + "}\n",
		"eab":       "acme: {email: ann@example.org, eab: kid-1}\n",
		"fallback":  "acme: {email: ann@example.org, fallback: {directory: 'https://second.example.org/dir'}}\n",
	}

	key := report.Secret("dGhpcnR5LXR3byBieXRlcyBvciBtb3JlIGFyZSB3YW50ZWQ")
	require.NoError(t, w.config.Secrets.Set(roles.SecretBinding, key))

	for field := range reflect.TypeFor[stack.ACME]().Fields() {
		to, there := changes[field.Tag.Get("yaml")]
		require.True(t, there, "%s has no row", field.Name)

		w.config.Stack = w.parse(strings.Replace(text, agreedText, to, 1), w.config.Manifests)
		lines := w.plan()
		require.Len(t, lines, 2, "%s: %q", field.Name, lines)

		for i, want := range replaced("edge-1", "edge-2") {
			require.True(t, strings.HasPrefix(lines[i], want), "%s: %q is not %q", field.Name, lines[i], want)
		}
	}
}

func TestOnlyTheEdgeHasTheAccount(t *testing.T) {
	t.Parallel()

	w := newAPIWorld(t, strings.Replace(edgedStack, edgedText, renewedStack, 1))
	w.mustUp()

	secret, err := w.config.Secrets.Get(roles.SecretRenewal)
	require.NoError(t, err)

	thumbprint, err := derived.Thumbprint(secret)
	require.NoError(t, err)

	for _, document := range w.documents() {
		_, there := document.Secrets[roles.SecretRenewal]
		require.Equal(t, document.Role == "edge", there, document.Node)

		if document.Role != "edge" {
			require.NotContains(t, document.Settings, roles.SettingRenewal)
			continue
		}

		require.Equal(t, thumbprint, document.Settings[roles.SettingAccount])

		sites, err := roles.ParseSites(document.Settings[roles.SettingSites])
		require.NoError(t, err)
		require.Equal(t, "acme.www.example.org", sites[0].Certificate)
		require.Equal(t, int64(300), sites[0].HSTS, "its configuration waits for the certificate by itself")
	}

	require.Empty(t, about(w.warnings(), "secret site.certificate "), "it is the first one only")
}

// Of several nodes the one knows most that saw the peer set last.
func TestACertificateIsToldOfByWhoKnowsMost(t *testing.T) {
	says := func(generation uint64, serial string) status.Status {
		return status.Status{
			PeerSet: status.PeerSet{
				Founded:    "id",
				Quorum:     true,
				Generation: generation,
			},
			Certificates: map[string]certificates.Told{"www.example.org": {Serial: serial}},
		}
	}

	said := []status.Status{says(3, "older"), says(7, "newest"), says(5, "later"), {}}
	require.Equal(t, "newest", fleet.ToldOf("www.example.org", said...).Serial)
	require.Nil(t, fleet.ToldOf("shop.example.org", said...))
}
