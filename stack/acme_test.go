package stack_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/certificates"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

// renewed is a stack whose site has a certificate that renews itself, with more lines.
func renewed(more string) string {
	site := "nodes: web, certificate: acme}\n"
	return strings.Replace(edged, "nodes: web}\n", site, 1) + more
}

const agreed = "acme: {email: ann@example.org}\n"

func TestWhatAnAuthorityCannotBe(t *testing.T) {
	long := strings.Repeat(strings.Repeat("a", 60)+".", 4)
	many := long + "org, " + long + "net, " + long + "com]"

	for text, want := range map[string]string{
		renewed(""): "sites[0].certificate: an authority must be asked for it; write acme: {email: ",

		renewed("acme:\n"):                        "acme: must name who agrees to the authority's terms",
		renewed("acme: {}\n"):                     "acme.email: is missing",
		renewed("acme: {email: ann}\n"):           "acme.email: must be an address",
		renewed("acme: {email: a@b.c, kid: x}\n"): "acme.kid: unknown key",

		renewed("acme: {email: a@b.c, eab: 'a b'}\n"):   "acme.eab: must be the key id that the authority gave",
		renewed("acme: {email: a@b.c, fallback: }\n"):   "acme.fallback: must say where the second authority is",
		renewed("acme: {email: a@b.c, fallback: {}}\n"): "acme.fallback.directory: is missing",

		renewed("acme: {email: a@b.c, fallback: {directory: 'http://a.org/'}}\n"): "acme.fallback.directory: must be",
		renewed("acme: {email: a@b.c, fallback: {directory: '" + stack.DefaultDirectory + "'}}\n"): "acme.fallback." +
			"directory: is the first authority",

		renewed("acme: {email: a@b.c, authority: x}\n"):               "acme.authority: must be a certificate in PEM",
		renewed("acme: {email: a@b.c, directory: 'http://a.org/'}\n"): "acme.directory: must be an address that begins",

		edged + agreed: "acme: no site has such a certificate",

		strings.Replace(renewed(agreed), "example.org]", many, 1): "sites[0].names: a certificate has room for names",
	} {
		_, err := stack.Parse("stack.yaml", []byte(text), manifests(t))
		require.ErrorContains(t, err, want)
	}
}

func TestAnEdgeIsToldWhatToAskFor(t *testing.T) {
	told := func(more string) certificates.Request {
		s, err := stack.Parse("stack.yaml", []byte(renewed(agreed+more)), manifests(t))
		require.NoError(t, err)

		settings := s.SiteSettings(manifests(t)["edge"], manifests(t), nil)

		var request certificates.Request
		require.NoError(t, json.Unmarshal([]byte(settings[roles.SettingRenewal]), &request))

		sites, err := roles.ParseSites(settings[roles.SettingSites])
		require.NoError(t, err)
		require.Equal(t, "acme.www.example.org", sites[0].Certificate)

		require.NotContains(t, s.SiteSettings(manifests(t)["web"], manifests(t), nil), roles.SettingRenewal)

		return request
	}

	want := certificates.Request{
		Directory: stack.DefaultDirectory,
		Email:     "ann@example.org",
		Certificates: []certificates.Wanted{{
			Name:  "www.example.org",
			Names: []string{"www.example.org", "example.org"},
		}},
	}
	require.Equal(t, want, told(""))

	// Where the address is known, names must lead there.
	want.Address = "203.0.113.9"
	require.Equal(t, want, told("reserved_ip: {nodes: edge, address: 203.0.113.9}\n"))
}

// bound is a stack whose authorities know its accounts.
const bound = `acme:
  email: ann@example.org
  eab: kid-1
  fallback: {directory: "https://acme.example.net/directory", profile: short, eab: kid-2}
`

func TestAnEdgeIsToldOfItsAccounts(t *testing.T) {
	all := manifests(t)

	s, err := stack.Parse("stack.yaml", []byte(renewed(bound)), all)
	require.NoError(t, err)

	var request certificates.Request

	settings := s.SiteSettings(all["edge"], all, nil)
	require.NoError(t, json.Unmarshal([]byte(settings[roles.SettingRenewal]), &request))
	require.Equal(t, "kid-1", request.Account)
	require.Equal(t, &certificates.Fallback{
		Directory: "https://acme.example.net/directory",
		Profile:   "short",
		Account:   "kid-2",
	}, request.Fallback)

	// The keys are the operator's to give, and the edge's alone to have.
	for _, name := range []string{roles.SecretBinding, roles.SecretFallbackBinding} {
		require.Contains(t, s.SecretsOf(all["edge"], all), name)
		require.NotContains(t, s.SecretsOf(all["web"], all), name)
		require.NotContains(t, s.SecretNames(all), name, "it is not made up")
	}

	s, err = stack.Parse("stack.yaml", []byte(renewed(agreed)), all)
	require.NoError(t, err)
	require.NotContains(t, s.SecretsOf(all["edge"], all), roles.SecretBinding)
}

func TestOnlyAnEdgeThatRenewsHasTheSecret(t *testing.T) {
	all := manifests(t)

	s, err := stack.Parse("stack.yaml", []byte(renewed(agreed)), all)
	require.NoError(t, err)

	require.Contains(t, s.SecretsOf(all["edge"], all), roles.SecretRenewal)
	require.Contains(t, s.SecretsOf(all["edge"], all), stack.SiteCertificate, "until it has a better one")
	require.NotContains(t, s.SecretsOf(all["web"], all), roles.SecretRenewal)
	require.Contains(t, s.SecretNames(all), roles.SecretRenewal, "it is made")

	s, err = stack.Parse("stack.yaml", []byte(edged), all)
	require.NoError(t, err)
	require.NotContains(t, s.SecretsOf(all["edge"], all), roles.SecretRenewal)
	require.NotContains(t, s.SecretNames(all), roles.SecretRenewal)
}
