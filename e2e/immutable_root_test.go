//go:build root

package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// account is the part of a node's own status that tells whether it is as its image.
type account struct {
	Reason string
	Image  struct {
		ReadOnly   bool `json:"read_only"`
		Problem    string
		DriftFiles int `json:"drift_files"`
		Findings   []struct{ Path, What string }
		Quarantine string
	}
}

func (s *stack) account(node string) account {
	s.t.Helper()
	var said account
	out := s.must("exec", node, "--", "hornero-bootstrap", "status", "--json")
	require.NoError(s.t, json.Unmarshal([]byte(out), &said), out)

	return said
}

// untilAccount waits until a node's account of its image is as wanted.
func (s *stack) untilAccount(node, what string, wanted func(account) bool) {
	s.t.Helper()

	require.Eventually(s.t, func() bool {
		return wanted(s.account(node))
	}, 30*time.Second, 500*time.Millisecond, "%s: %s", node, what)
}

// agentLog is what the agent of a node wrote to the journal.
func (s *stack) agentLog(node string) string {
	s.t.Helper()

	return s.on(node, "journalctl -u hornero-bootstrap --no-pager")
}

// refused runs a shell line that must fail, and returns what it says.
func (s *stack) refused(node, line string) string {
	s.t.Helper()
	out, err := s.tryOn(node, line)
	require.Errorf(s.t, err, "%s on %s\n%s", line, node, out)

	return out
}

// oneOfEach is a node of each role that can be looked at without taking the writes away.
func (s *stack) oneOfEach() []string {
	s.t.Helper()
	database := "db-1"
	if s.writer() == database {
		database = "db-2"
	}

	return []string{"web-1", "proxy-1", database}
}

const (
	touchUsr  = "touch /usr/bin/new"
	readOnly  = "Read-only file system"
	inService = "nsenter -t $(systemctl show -P MainPID %s) -m "
)

// heldToTheImage proves that a configured node cannot be changed, and that what is changed nevertheless is seen.
func heldToTheImage(t *testing.T, s *stack) {
	for _, node := range s.oneOfEach() {
		s.untilAccount(node, "/usr is read-only", func(is account) bool {
			return is.Image.ReadOnly && is.Image.Problem == ""
		})
		require.Contains(t, s.refused(node, touchUsr), readOnly)

		// Services have mount namespaces of their own.
		inJournald := fmt.Sprintf(inService, "systemd-journald")
		require.Contains(t, s.refused(node, inJournald+touchUsr), readOnly)

		require.Contains(t, s.refused(node, "dpkg --configure -a 2>&1"), "Refused by Hornero: "+node)
		onlyRootReachesTheMetadataService(s, node)
	}

	theGuardComesBack(s, "web-1")
	packagesAreRefused(s, "web-1")
	driftIsSeen(s, "web-1")
	driftIsSeen(s, s.oneOfEach()[2])

	inPHP := fmt.Sprintf(inService, "php-fpm")
	require.Contains(t, s.refused("web-2", inPHP+"touch /usr/share/wordpress/new.php"), readOnly)

	secretsAreRootsOnly(s)
}

// packageCommands are all that changes packages; the last two only read.
var packageCommands = []string{
	"apt-get update",
	"apt-get install -y hello",
	"apt install -y hello",
	"apt-get remove -y procps",
	"apt-get upgrade -y",
	"dpkg -i /run/hello.deb",
	"dpkg -r procps",
	"dpkg --configure -a",
	"dpkg -l procps",
	"apt list --installed procps",
}

// packagesAreRefused tries all that changes packages, in one session.
func packagesAreRefused(s *stack, node string) {
	s.t.Helper()
	out := s.on(node, "{ "+strings.Join(packageCommands, "; echo == $?; ")+"; echo == $?; } 2>&1")
	said := strings.Split(out, "\n== ")
	require.Len(s.t, said, len(packageCommands)+1, out)

	for at, line := range packageCommands {
		code := strings.Fields(said[at+1])[0]
		if at >= len(packageCommands)-2 {
			require.Equal(s.t, "0", code, "%s\n%s", line, out)
			continue
		}

		require.NotEqual(s.t, "0", code, "%s\n%s", line, out)

		refusal := "Refused by Hornero: " + node + " is made from an image and is replaced, never changed"
		require.Contains(s.t, said[at], refusal, line)
		require.Contains(s.t, said[at], "hornero replace "+node, line)
	}
}

func onlyRootReachesTheMetadataService(s *stack, node string) {
	s.t.Helper()
	const ask = "timeout 2 bash -c ': </dev/tcp/169.254.169.254/80'"
	s.refused(node, ask+" || exit 0; setpriv --reuid=nobody --regid=nogroup --clear-groups "+ask)
}

// theGuardComesBack takes the rules before the metadata service away.
func theGuardComesBack(s *stack, node string) {
	s.t.Helper()
	s.on(node, "nft delete table ip hornero_metadata; hornero-bootstrap drift || true")
	onlyRootReachesTheMetadataService(s, node)

	const said = "is not in force: any program on this node could ask for its user-data; loaded again"
	require.Contains(s.t, s.agentLog(node), said)

	s.untilAccount(node, "the drift is over", func(is account) bool {
		return is.Image.DriftFiles == 0
	})
}

// driftIsSeen changes a file of a package, a mode, and a file that the agent wrote, and puts all right again.
func driftIsSeen(s *stack, node string) {
	s.t.Helper()

	rendered := map[string]string{
		"web":   "/etc/nginx/sites-enabled/hornero",
		"proxy": "/etc/haproxy/haproxy.cfg",
		"db":    "/etc/mysql/hornero/grants.sql",
	}[s.nodes()[node].Role]

	require.Zero(s.t, s.account(node).Image.DriftFiles)

	s.on(node, "mount -o remount,bind,rw /usr; cp -a /usr/share/common-licenses/GPL-2 /run/kept; "+
		"echo >>/usr/share/common-licenses/GPL-2; chmod u+s /usr/bin/env; touch /usr/bin/new; "+
		"cp -a $(readlink -f "+rendered+") /run/rendered; echo >>"+rendered)

	driftIsReported(s, node, rendered)

	s.on(node, "rm /usr/bin/new; chmod u-s /usr/bin/env; cat /run/kept >/usr/share/common-licenses/GPL-2; "+
		"cat /run/rendered >"+rendered+"; rm /run/kept /run/rendered; mount -o remount,bind,ro /usr")

	require.Contains(s.t, s.on(node, "hornero-bootstrap drift"), "drift of 0 files")
}

// driftIsReported asks the node, its journal and the stack's status.
func driftIsReported(s *stack, node, rendered string) {
	s.t.Helper()
	said := s.refused(node, "hornero-bootstrap drift")

	for _, want := range []string{
		"/usr/share/common-licenses/GPL-2 is changed",
		"/usr/bin/env is 4755 0:0 instead of 0755 0:0",
		"/usr/bin/new is added",
		"/usr can be written to",
	} {
		require.Contains(s.t, said, want)
	}

	// A change of the peer set may come first: the agent has written the file anew then.
	if !strings.Contains(said, rendered+" is changed since the agent wrote it") {
		want := `"a file that somebody touched is written anew" path=` + rendered
		require.Contains(s.t, s.agentLog(node), want)
	}

	require.Contains(s.t, s.must("status"), "`hornero exec "+node+" -- hornero-bootstrap drift` lists all")
	require.Contains(s.t, s.agentLog(node), "/usr/bin/env")
}

// wantDrift has the stack's file say what the nodes that are launched from now on do about drift: report, quarantine.
func (s *stack) wantDrift(from, to string) {
	s.t.Helper()
	text, err := os.ReadFile(s.file)
	require.NoError(s.t, err)

	changed := strings.Replace(string(text), "\ndrift: "+from+" ", "\ndrift: "+to+" ", 1)
	require.NotEqual(s.t, string(text), changed)
	require.NoError(s.t, os.WriteFile(s.file, []byte(changed), 0o600))
}

// quarantineTakesANodeOut changes a file on a web node whose stack wants quarantine: it leaves the load
// balancer, the page goes on, and the node is back when the file is.
func quarantineTakesANodeOut(t *testing.T, s *stack) {
	s.wantDrift("report", "quarantine")
	t.Cleanup(func() {
		s.wantDrift("quarantine", "report")
		s.must("replace", "web-1")
	})
	s.must("replace", "web-1")
	s.untilAccount("web-1", "/usr is read-only", func(is account) bool {
		return is.Image.ReadOnly
	})

	page := s.page()
	s.on("web-1", "mount -o remount,bind,rw /usr; chmod u+s /usr/bin/env; hornero-bootstrap drift || true")
	s.untilAccount("web-1", "it is in quarantine", func(is account) bool {
		return is.Image.Quarantine != "" && strings.HasPrefix(is.Reason, "quarantined: ")
	})

	health := "http://" + s.nodes()["web-1"].Addresses.Private + ":9200/healthz"
	require.Contains(t, s.on("web-2", "curl -s -o /dev/null -w %{http_code} "+health), "404")
	require.False(t, s.nodes()["web-1"].Healthy)

	s.on("web-1", "chmod u-s /usr/bin/env; mount -o remount,bind,ro /usr; hornero-bootstrap drift")
	s.untilAccount("web-1", "it serves again", func(is account) bool {
		return is.Image.Quarantine == ""
	})

	failed := page()
	t.Logf("page without an answer for %.1f s at most", failed.Seconds())
	require.LessOrEqual(t, failed, longestFailure)
	s.untilHealthy()
}
