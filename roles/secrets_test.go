package roles_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
)

// awkward is a password that a person may well choose, with what is special to one program or another.
const awkward = `it's "5 $HOME" \ # 100%: {x} -- ünd; <?php`

// awkwardFacts have it for every password.
func awkwardFacts(role string) roles.Facts {
	facts := nodeFacts(role, "debian-12")
	facts.Secrets["proxy.stats_password"] = awkward
	facts.Secrets["wordpress.db_password"] = awkward
	facts.Anchor = "" // no reserved IP, so HAProxy's configuration names no certificate, which is not here

	return facts
}

// What HAProxy reads of a text with a password in it is the password.
func TestAnyPasswordReachesHAProxy(t *testing.T) {
	text := render(t, "proxy", awkwardFacts("proxy"))["/etc/haproxy/haproxy.cfg"]
	path := filepath.Join(t.TempDir(), "haproxy.cfg")

	check := func(text string) (string, error) {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		out, err := exec.Command("haproxy", "-c", "-f", path).CombinedOutput()

		return string(out), err
	}

	// This machine need not have HAProxy's user and folder.
	unprivileged := text
	for _, line := range []string{"user haproxy\n", "group haproxy\n", "chroot /var/lib/haproxy\n"} {
		unprivileged = strings.ReplaceAll(unprivileged, line, "")
	}

	out, err := check(unprivileged)
	require.NoError(t, err, out)

	_, word, _ := strings.Cut(text, "stats auth ")
	out, err = check("global\n\tsetenv WORD " + word + ".alert \"$WORD\"\n") // an alert says what the word came to
	require.Error(t, err)
	require.Contains(t, out, "'hornero:"+awkward+"'")
}

func TestSpellingsAreWhatTextsHave(t *testing.T) {
	for role, path := range map[string]string{
		"proxy": "/etc/haproxy/haproxy.cfg",
		"web":   "/etc/wordpress/config-default.php",
		"db":    "/etc/mysql/hornero/grants.sql",
	} {
		text := render(t, role, awkwardFacts(role))[path]
		for _, spelling := range roles.Spellings(report.Secret(awkward)) {
			text = strings.ReplaceAll(text, spelling, "")
		}

		require.NotContains(t, text, "5 $HOME", path)
	}
}
