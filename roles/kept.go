package roles

import (
	"encoding/json"
	"strings"

	"github.com/hornero/hornero/internal/certificates"
	"github.com/hornero/hornero/internal/derived"
)

// Of certificates that renew themselves: settings and a secret of the nodes of a role that serves sites.
const (
	// SettingRenewal is what is asked of an authority, as JSON: certificates.Request. Empty: nothing.
	SettingRenewal = "renewal"
	// SettingAccount is the thumbprint of the stack's account with the authority; empty: there is none.
	SettingAccount = "renewal.account"
	// SecretRenewal is what the account's key follows from, and that of what is kept sealed.
	SecretRenewal = "site.renewal"
	// SecretBinding and SecretFallbackBinding are the keys of accounts that authorities know already.
	SecretBinding         = "site.eab_key"
	SecretFallbackBinding = "site.fallback_eab_key"
)

// RenewedCertificate names a certificate that renews itself: as its file, and as what is kept of it. No word that
// stack.yaml takes for a certificate has a dot.
func RenewedCertificate(name string) string { return certificates.KeptPrefix + name }

// isRenewed tells whether a certificate renews itself, by its name.
func isRenewed(certificate string) bool {
	return strings.HasPrefix(certificate, certificates.KeptPrefix)
}

// Renewed tells whether the site's certificate renews itself.
func (s Site) Renewed() bool { return isRenewed(s.Certificate) }

// renewal is what a program is told that gets certificates: {} where there are none to get.
func (f Facts) renewal() (string, error) {
	request := f.Settings[SettingRenewal]
	if request == "" {
		return "{}", nil
	}

	told := map[string]any{
		"secret":  f.Secrets[SecretRenewal].Reveal(),
		"request": json.RawMessage(request),
	}

	if bindings := f.bindings(); len(bindings) > 0 {
		told["bindings"] = bindings
	}

	text, err := json.Marshal(told)

	return string(text), err
}

// bindings are the keys of accounts that authorities know already.
func (f Facts) bindings() map[string]string {
	all := map[string]string{}

	for whose, secret := range map[string]string{
		certificates.BindingFirst:    SecretBinding,
		certificates.BindingFallback: SecretFallbackBinding,
	} {
		if key := f.Secrets[secret].Reveal(); key != "" {
			all[whose] = key
		}
	}

	return all
}

// account is the thumbprint of the stack's account with its authority; "" where it has none.
func (f Facts) account() string { return f.Settings[SettingAccount] }

// kept is a certificate with its key, in PEM, as nodes of the role keep it sealed in the peer set; "" while there is
// none that this node can open.
func (f Facts) kept(name string) string {
	packed, err := derived.Open(f.Secrets[SecretRenewal], name, f.Kept[name])
	if err != nil {
		return ""
	}

	text, err := derived.PEM(packed)
	if err != nil {
		return ""
	}

	return string(text)
}
