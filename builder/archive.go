package builder

import (
	"fmt"
	"net/url"
	"strings"
)

// Mirrors are where a release's packages come from, as in "http://mirror.example/debian": any address that apt
// knows. They are of the bake only: no image holds one, and no digest covers it.
type Mirrors struct {
	Main     string
	Security string // of the security suite; empty: without it
}

// Sources writes apt's list of sources, one a line (sources.list(5)). The keys are those that the machine
// trusts, or those of keyring when it is named.
func (r Release) Sources(mirrors Mirrors, keyring string) string {
	var options string
	if keyring != "" {
		options = "[signed-by=" + keyring + "] "
	}

	var b strings.Builder
	components := strings.Join(r.Components, " ")

	for _, source := range []struct{ mirror, suite string }{
		{mirror: mirrors.Main, suite: r.Suite},
		{mirror: mirrors.Main, suite: r.UpdatesSuite},
		{mirror: mirrors.Security, suite: r.SecuritySuite},
	} {
		// With no mirror at all the list is empty, and the base image's own sources stay.
		if source.mirror != "" && source.suite != "" {
			fmt.Fprintf(&b, "deb %s%s %s %s\n", options, source.mirror, source.suite, components)
		}
	}

	return b.String()
}

// AptOptions are apt's options that the release's archive needs, as after -o (apt.conf(5)). None of them
// touches signatures: a release without a good one is refused on every release.
func (r Release) AptOptions() []string {
	options := []string{
		"APT::Get::AllowUnauthenticated=false",
		"Acquire::AllowInsecureRepositories=false",
		"Acquire::AllowWeakRepositories=false",
		"Acquire::AllowDowngradeToInsecureRepositories=false",
	}
	if r.Archive.Expired {
		options = append(options, "Acquire::Check-Valid-Until=false")
	}

	return options
}

func (m Mirrors) check() error {
	for name, text := range map[string]string{
		"mirror":          m.Main,
		"security_mirror": m.Security,
	} {
		// A bracket or a space would be read as an option of the source's line.
		address, err := url.Parse(text)
		if text != "" && (err != nil || address.Scheme == "" || strings.ContainsAny(text, " []\n")) {
			const form = "must be an address that apt knows, as in \"http://mirror.example/debian\""
			return fmt.Errorf("%s: %w: %s, got %q", name, ErrConfig, form, text)
		}
	}

	if m.Security != "" && m.Main == "" {
		const what = "needs mirror beside it: with either, only those two are used"
		return fmt.Errorf("security_mirror: %w: %s", ErrConfig, what)
	}

	return nil
}
