package stack_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What would pass and break on a node is told with its place, and a name of other letters with its form.
func TestAnAddressThatNoNodeCouldUseIsTold(t *testing.T) {
	all := withRoles(t, apiRole)
	const (
		form = "; write the host as xn--bcher-kva.example"
		page = `url: "https://www.example.org"`
		at   = "s.yaml:6:78: error: roles.web.url: must be a scheme and a host of letters, digits and . - only, and " +
			"no path, as in https://example.org, got "
	)

	for written, want := range map[string]string{
		`https://bücher.example`:                 at + `"https://bücher.example"` + form,
		`https://Bücher.example:8443/`:           at + `"https://Bücher.example:8443/"` + form,
		`https://www.example.org/blog`:           at + `"https://www.example.org/blog"`,
		`https://me:pass@www.example.org`:        at + `"https://me:pass@www.example.org"`,
		`https://www.example.org?a=b`:            at + `"https://www.example.org?a=b"`,
		`https://www.example.org#top`:            at + `"https://www.example.org#top"`,
		`ftp://www.example.org`:                  at + `"ftp://www.example.org"`,
		`https://a.org\" $x { } server { x 9; }`: at + `"https://a.org\" $x { } server { x 9; }"`,
		`https://a.org\nhttps://b.org`:           at + `"https://a.org\nhttps://b.org"`,
	} {
		_, err := parseAPI(t, all, page, `url: "`+written+`"`)
		require.EqualError(t, err, want)
	}

	_, err := parseAPI(t, all, page, "smtp_host: post.bücher.example, "+page)
	require.ErrorContains(t, err, "roles.web.smtp_host: must be a host's name of letters, digits and . - only, or an "+
		`IPv4 address, as in mail.example.org, got "post.bücher.example"; write the host as post.xn--bcher-kva.example`)
}
