package roles_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// hostile are values that mean something to one language or another, and would break out of it.
var hostile = []string{
	"\" x { } ; ' \\ # % (id) <?php\nserver { listen 9; }",
	"\" $x { } ; ' \\ # % $(id) `id` ${HOME}\n[www]\r\nlisten = 9",
	`" $x { } ; \ # % $(id) ${HOME}`,
	`it's { } ; # % ( )`,
	`'); system('id'); //`,
	"*/ ?> -- \n DROP DATABASE wordpress;",
	"back\\",
	"'",
	`"`,
	"\n",
	"\x00",
	" ",
}

// plainValue stands where the hostile one does, and means nothing to anybody.
const plainValue = "plainvalue"

// fullFacts are facts with a value for every setting and secret, so that all that a template may write is written.
func fullFacts(manifest *roles.Manifest, release string) roles.Facts {
	facts := nodeFacts(manifest.Name, release)

	for name, setting := range manifest.Settings {
		facts.Settings[name] = setting.SampleValue()
	}

	for name, value := range map[string]string{
		"media":              "spaces",
		"media_bucket":       "bucket",
		"object_cache":       "true",
		"page_cache":         "60s",
		"page_cache_cookies": "cookie",
		"page_cache_except":  "/kasse",
		"request_rate":       "5",
		"sessions":           "cache",
	} {
		if _, declared := manifest.Settings[name]; declared {
			facts.Settings[name] = value
		}
	}

	for name := range manifest.Secrets {
		facts.Secrets[name] = "secret"
	}

	return facts
}

// place is a setting or a secret of a role.
type place struct {
	name string
	put  func(facts *roles.Facts, value string)
}

// places are all that stack.yaml and the secrets file may fill, but for lines of the user's own: those are meant to be
// syntax.
func places(manifest *roles.Manifest) []place {
	var found []place

	for _, name := range slices.Sorted(maps.Keys(manifest.Settings)) {
		if manifest.Settings[name].Type == roles.TypeLines {
			continue
		}

		found = append(found, place{"setting " + name, func(facts *roles.Facts, value string) {
			facts.Settings[name] = value
		}})
	}

	for _, name := range slices.Sorted(maps.Keys(manifest.Secrets)) {
		found = append(found, place{"secret " + name, func(facts *roles.Facts, value string) {
			facts.Secrets[name] = report.Secret(value)
		}})
	}

	return found
}

// trial is a template with the facts that it is rendered with.
type trial struct {
	manifest *roles.Manifest
	template roles.Template
	facts    roles.Facts
}

// with renders the template with a value in one place.
func (r trial) with(at place, value string) (string, error) {
	facts := r.facts
	facts.Settings = maps.Clone(facts.Settings)
	facts.Secrets = maps.Clone(facts.Secrets)
	at.put(&facts, value)
	text, err := r.manifest.Render(r.template, facts)

	// What follows from a secret is another for another one, and says nothing of it.
	return derived.ReplaceAllString(string(text), "derived"), err
}

var (
	derived  = regexp.MustCompile(`[0-9a-f]{64}`)
	oneValue = regexp.MustCompile(`\.(pem|key)$`) // a file that is one value and nothing else
)

// Whatever a value is, a text says the same with it as with a plain one, and the value stands in it as it is; or it is
// not written at all. The check of stack.yaml would refuse most of these values: here nothing has looked at them.
func TestNoValueBecomesSyntax(t *testing.T) {
	seen := map[string]bool{}

	for _, role := range everyRole {
		whole, err := roles.Load(roles.Embedded(), role)
		require.NoError(t, err)

		// Debian 12 has the texts of 13.
		for _, release := range []string{"debian-9", "debian-13"} {
			manifest := whole.On(release)
			facts := fullFacts(manifest, release)

			for _, template := range manifest.Templates {
				if oneValue.MatchString(template.Path) {
					continue
				}

				for _, at := range places(manifest) {
					if (trial{manifest, template, facts}).stands(t, at) {
						seen[role+" "+at.name] = true
					}
				}
			}
		}
	}

	// None of it holds because nothing was written.
	for _, name := range []string{
		"cache secret cache.password",
		"proxy secret proxy.stats_password",
		"web secret media.secret",
		"web secret wordpress.db_password",
		"web setting framed_by",
		"web setting media_bucket",
		"web setting media_private",
		"web setting page_cache_cookies",
		"web setting page_cache_except",
		"web setting php_memory",
		"web setting smtp_host",
		"web setting smtp_user",
		"web setting table_prefix",
		"web setting url",
	} {
		require.True(t, seen[name], name)
	}
}

// stands tells whether a value from the place stands in the template's text.
func (r trial) stands(t *testing.T, at place) bool {
	t.Helper()

	plain, plainErr := r.with(at, plainValue)
	other, otherErr := r.with(at, plainValue+"too")

	// The text does not depend on it.
	if plainErr == nil && otherErr == nil && plain == other {
		return false
	}

	seen := false

	for _, value := range hostile {
		// A list has one word a line.
		setting, isSetting := strings.CutPrefix(at.name, "setting ")
		if isSetting && r.manifest.Settings[setting].Type == roles.TypeList && strings.Contains(value, "\n") {
			continue
		}

		text, err := r.with(at, value)
		if err != nil {
			continue // the file stays as it was
		}

		what := fmt.Sprintf("%s on %s: %s with %q", r.template.Path, r.facts.Release, at.name, value)
		require.NoError(t, plainErr, what)

		want := read(t, r.template.Path, plain)
		got := read(t, r.template.Path, text)
		require.Len(t, got, len(want), what)

		for i := range want {
			if !strings.Contains(want[i], plainValue) {
				require.Equal(t, want[i], got[i], what)
				continue
			}

			seen = true

			require.Contains(t, []string{
				strings.ReplaceAll(want[i], plainValue, value),
				strings.ReplaceAll(want[i], plainValue, regexp.QuoteMeta(value)),
			}, got[i], what)
		}
	}

	return seen
}

// The check of a stack's file is what a person meets first.
func TestHostileValuesAreRefusedWhereAFormIsKnown(t *testing.T) {
	for _, kind := range roles.SettingTypes() {
		if kind == roles.TypeText || kind == roles.TypeLines || kind == roles.TypeList {
			continue
		}

		for _, value := range hostile {
			_, err := roles.Setting{Type: kind}.Parse(*word(value))
			require.Error(t, err, "%s %q", kind, value)
		}
	}

	controls := []string{"\n", "\r", "\x00", "\x1b", "\x7f", "\u0085", "\u009b", "\u2028", "\u202e", "\u2066"}
	for _, control := range controls {
		for _, kind := range []string{roles.TypeText, roles.TypeList, roles.TypeLines} {
			value := *word("a" + control + "b")
			if kind == roles.TypeList {
				value = *aList("a" + control + "b")
			}

			_, err := roles.Setting{Type: kind}.Parse(value)
			if kind != roles.TypeLines || control != "\n" {
				require.ErrorContains(t, err, "got ", "%s %q", kind, value.Scalar)
			}
		}
	}
}

// hosts are texts, and whether they name a host.
var hosts = map[string]bool{
	"mail":                             true,
	"smtp.example.org":                 true,
	"xn--bcher-kva.example":            true,
	"10.0.0.1":                         true,
	"a..b":                             false,
	".example.org":                     false,
	"example.org.":                     false,
	"-a.example.org":                   false,
	"a-.example.org":                   false,
	"a_b.example.org":                  false,
	"10.0.0.256":                       false,
	"1.2.3":                            false,
	"::1":                              false,
	"bücher.example":                   false,
	strings.Repeat("a", 64) + ".org":   false,
	strings.Repeat("a.", 126) + "org1": false,
	"a b":                              false,
}

func TestAHostIsAName(t *testing.T) {
	for text, want := range hosts {
		_, err := roles.Setting{Type: roles.TypeHost}.Parse(*word(text))
		require.Equal(t, want, err == nil, "%s: %v", text, err)

		_, err = roles.Setting{Type: roles.TypeURL}.Parse(*word("https://" + text + ":65535/a"))
		require.Equal(t, want, err == nil, "%s: %v", text, err)

		_, err = roles.Setting{Type: roles.TypeOrigin}.Parse(*word("https://" + text + "/"))
		require.Equal(t, want, err == nil, "%s: %v", text, err)
	}

	for _, text := range []string{"https://example.org/blog", "https://example.org:65536", "example.org"} {
		_, err := roles.Setting{Type: roles.TypeOrigin}.Parse(*word(text))
		require.ErrorContains(t, err, "must be a scheme and a host of letters, digits and . - only, and no path", text)
	}
}
