package roles_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// ownUnits are the units that the roles bring, and the most that systemd-analyze(1) may count for each, of 10. Of 4.5
// the bootstrap is over: it mounts /usr read-only for the whole host, so it has no mount namespace of its own, which a
// third of what is counted wants. Its unit says what each thing that stays open is for. Debian 9's systemd knows fewer
// limits.
var ownUnits = map[string]float64{
	"common/hornero-bootstrap.service":          6.0,
	"common/debian-9/hornero-bootstrap.service": 7.0,
	"common/hornero-metadata-guard.service":     4.5,
	"media/hornero-media.service":               4.5,

	"arbitrator/garbd.service":         4.5,
	"db/mariadb.service":               4.5,
	"haproxy/haproxy.service":          4.5,
	"haproxy/debian-9/haproxy.service": 5.5,
	"nginx/nginx.service":              4.5,
	"nginx/debian-9/nginx.service":     5.0,
	"php-fpm/php-fpm.service":          4.5,
	"php-fpm/debian-9/php-fpm.service": 5.0,
	"edge/hornero-acme.service":        4.0,
}

var exposureLine = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

func TestUnitsAreExposedAsLittleAsTheyBear(t *testing.T) {
	found, err := filepath.Glob("*/*.service")
	require.NoError(t, err)

	deeper, err := filepath.Glob("*/*/*.service")
	require.NoError(t, err)
	require.Len(t, ownUnits, len(found)+len(deeper), "each unit has its row")

	for _, unit := range append(found, deeper...) {
		t.Run(unit, func(t *testing.T) {
			most, known := ownUnits[unit]
			require.True(t, known)

			out, err := exec.Command("systemd-analyze", "security", "--offline=yes", unit).CombinedOutput()
			require.NoError(t, err, string(out))

			said := exposureLine.FindSubmatch(out)
			require.NotNil(t, said, string(out))

			level, err := strconv.ParseFloat(string(said[1]), 64)
			require.NoError(t, err)
			require.LessOrEqual(t, level, most, string(out))
		})
	}
}

// A mount namespace of the agent's own would keep its mounts from the host, without a word.
func TestTheBootstrapHasNoMountNamespace(t *testing.T) {
	makesOne := regexp.MustCompile(`(?m)^(Protect\w+|ProcSubset|Private\w+|ReadOnly\w+|ReadWrite\w+|` +
		`Inaccessible\w+|TemporaryFileSystem|Bind\w+|Root(Directory|Image)|MountFlags|DynamicUser)=`)

	for unit := range ownUnits {
		if filepath.Base(unit) != "hornero-bootstrap.service" {
			continue
		}

		text, err := os.ReadFile(unit)
		require.NoError(t, err)
		require.Empty(t, makesOne.FindString(string(text)), unit)
	}

	require.Regexp(t, makesOne, "PrivateTmp=yes\n")
}
