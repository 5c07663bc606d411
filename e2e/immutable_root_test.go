//go:build root

package e2e_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// truth is the part of a node's own status that says how true it is to its image.
type truth struct {
	Reason string
	Image  struct {
		ReadOnly   bool `json:"read_only"`
		Problem    string
		DriftFiles int `json:"drift_files"`
		Findings   []struct{ Path, What string }
		Quarantine string
	}
}

func (s *site) truth(node string) truth {
	s.t.Helper()
	var said truth
	out := s.must("exec", node, "--", "hornero-bootstrap", "status", "--json")
	require.NoError(
		s.t,
		json.Unmarshal([]byte(out), &said),
		out,
	)

	return said
}

// untilTrue waits until a node's account of its image is as wanted.
func (s *site) untilTrue(node, what string, wanted func(truth) bool) {
	s.t.Helper()

	require.Eventually(
		s.t,
		func() bool {
			return wanted(s.truth(node))
		},
		30*time.Second,
		500*time.Millisecond,
		"%s: %s",
		node,
		what,
	)
}

// refused runs a shell line that must fail, and returns what it says.
func (s *site) refused(node, line string) string {
	s.t.Helper()
	out, err := s.run(context.Background(), "exec", node, "--", "sh", "-c", line)
	require.Errorf(s.t, err, "%s on %s\n%s", line, node, out)

	return out
}

// oneOfEach is a node of each role that can be looked at without taking the writes away.
func (s *site) oneOfEach() []string {
	database := "db-1"
	if s.writer() == database {
		database = "db-2"
	}

	return []string{"web-1", "proxy-1", database}
}

// heldToTheImage proves that a configured node cannot be changed, and that what is changed nevertheless is seen.
func heldToTheImage(t *testing.T, s *site) {
	s.t = t
	for _, node := range s.oneOfEach() {
		s.untilTrue(node, "/usr is read-only", func(is truth) bool {
			return is.Image.ReadOnly && is.Image.Problem == ""
		})
		require.Contains(t, s.refused(node, "touch /usr/bin/new"), "Read-only file system")

		// Services have mount namespaces of their own.
		require.Contains(t,
			s.refused(
				node,
				"nsenter -t $(systemctl show -P MainPID systemd-journald) -m touch /usr/bin/new",
			),
			"Read-only file system",
		)

		require.Contains(t,
			s.refused(node, "dpkg --configure -a 2>&1"),
			"Refused by Hornero: "+node,
		)

		onlyRootReachesTheMetadataService(s, node)
	}

	theGuardComesBack(s, "web-1")
	packagesAreRefused(s, "web-1")
	driftIsSeen(s, "web-1")
	driftIsSeen(s, s.oneOfEach()[2])

	require.Contains(t,
		s.refused(
			"web-2",
			"nsenter -t $(systemctl show -P MainPID php-fpm) -m touch /usr/share/wordpress/new.php",
		),
		"Read-only file system",
	)

	secretsAreRootsOnly(s)
}

// packagesAreRefused tries all that changes packages, in one session; the last two lines only read.
func packagesAreRefused(s *site, node string) {
	s.t.Helper()
	lines := []string{"apt-get update", "apt-get install -y hello", "apt install -y hello", "apt-get remove -y procps", "apt-get upgrade -y",
		"dpkg -i /run/hello.deb", "dpkg -r procps", "dpkg --configure -a", "dpkg -l procps", "apt list --installed procps"}
	out := s.on(node, "{ "+strings.Join(lines, "; echo == $?; ")+"; echo == $?; } 2>&1")
	said := strings.Split(out, "\n== ")
	require.Len(s.t, said, len(lines)+1, out)

	for at, line := range lines {
		code := strings.Fields(said[at+1])[0]
		if at >= len(lines)-2 {
			require.Equal(s.t, "0", code, "%s\n%s", line, out)
			continue
		}

		require.NotEqual(s.t, "0", code, "%s\n%s", line, out)

		require.Contains(
			s.t,
			said[at],
			"Refused by Hornero: "+node+" is made from an image and is replaced, never changed",
			line,
		)

		require.Contains(s.t, said[at], "hornero replace "+node, line)
	}
}

func onlyRootReachesTheMetadataService(s *site, node string) {
	s.t.Helper()
	const ask = "timeout 2 bash -c ': </dev/tcp/169.254.169.254/80'"
	s.refused(node, ask+" || exit 0; setpriv --reuid=nobody --regid=nogroup --clear-groups "+ask)
}

// theGuardComesBack takes the rules before the metadata service away.
func theGuardComesBack(s *site, node string) {
	s.t.Helper()
	s.on(node, "nft delete table ip hornero_metadata; hornero-bootstrap drift || true")
	onlyRootReachesTheMetadataService(s, node)

	require.Contains(
		s.t,
		s.on(node, "journalctl -u hornero-bootstrap --no-pager"),
		"is not in force: any program on this node could ask for its user-data; loaded again",
	)

	s.untilTrue(node, "the drift is over", func(is truth) bool {
		return is.Image.DriftFiles == 0
	})
}

// driftIsSeen changes a file of a package, a mode, and a file that the agent wrote, and puts all right again.
func driftIsSeen(s *site, node string) {
	s.t.Helper()

	rendered := map[string]string{
		"web":   "/etc/nginx/sites-enabled/hornero",
		"proxy": "/etc/haproxy/haproxy.cfg",
		"db":    "/etc/mysql/hornero/grants.sql",
	}[s.nodes()[node].Role]

	require.Zero(s.t, s.truth(node).Image.DriftFiles)

	s.on(
		node,
		"mount -o remount,bind,rw /usr; cp -a /usr/share/common-licenses/GPL-2 /run/kept; echo "+
			">>/usr/share/common-licenses/GPL-2; chmod u+s /usr/bin/env; touch /usr/bin/new; cp -a "+
			"$(readlink -f "+rendered+") /run/rendered; echo >>"+rendered,
	)

	said := s.refused(node, "hornero-bootstrap drift")

	for _, want := range []string{"/usr/share/common-licenses/GPL-2 " +
		"is changed", "/usr/bin/env is 4755 0:0 instead " +
		"of 0755 0:0", "/usr/bin/new is added", "/usr can be written to"} {
		require.Contains(s.t, said, want)
	}

	// a change of the peer set came first
	if !strings.Contains(said, rendered+" is changed since the agent wrote it") {
		require.Contains(
			s.t,
			s.on(node, "journalctl -u hornero-bootstrap --no-pager"),
			`"a file that somebody touched is written anew" path=`+rendered,
		)
	}

	require.Contains(
		s.t,
		s.must("status"),
		"`hornero exec "+node+" -- hornero-bootstrap drift` lists all",
	)

	require.Contains(s.t, s.on(node, "journalctl -u hornero-bootstrap --no-pager"), "/usr/bin/env")

	s.on(
		node,
		"rm /usr/bin/new; chmod u-s /usr/bin/env; cat /run/kept >/usr/share/common-licenses/GPL-2; cat "+
			"/run/rendered >"+rendered+
			"; rm /run/kept /run/rendered; mount -o remount,bind,ro /usr",
	)

	require.Contains(s.t, s.on(node, "hornero-bootstrap drift"), "drift of 0 files")
}

// secretsAreRootsOnly looks on the disks of all nodes for the stack's secrets: there is root's copy of the
// node's document, for a boot without the metadata service, and nothing that anybody else may read.
func secretsAreRootsOnly(s *site) {
	s.t.Helper()
	var patterns []string

	for _, name := range []string{"wordpress.db_password", "wordpress.admin_password", "wordpress.salt", "proxy.stats_password"} {
		patterns = append(patterns, strings.TrimSpace(s.must("secrets", "show", name)))
	}

	const look = `cat >/run/patterns
find / -xdev -type f -size -1024k ! -path '/var/lib/mysql/*' ! -path '/usr/*' -print0 | xargs -0 -r grep -lF -f /run/patterns -- | xargs -r stat -c '%a %U %n'
rm /run/patterns`

	for _, node := range s.oneOfEach() {
		command := exec.Command(
			filepath.Join(s.root, "bin/hornero"),
			"-f",
			s.file,
			"exec",
			node,
			"--",
			"sh",
			"-c",
			look,
		)

		command.Env, command.Stdin = s.env, strings.NewReader(strings.Join(patterns, "\n"))
		out, err := command.CombinedOutput()
		require.NoError(s.t, err, string(out))

		require.Contains(
			s.t,
			string(out),
			"/etc/hornero/node.yaml",
			"the search finds what is there",
		)

		for line := range strings.Lines(string(out)) {
			require.Regexp(
				s.t,
				`^[46]00 root /(etc/hornero/node\.yaml|var/lib/hornero/origin\.json|var/lib/cloud/.*)\n$`,
				line,
				node,
			)
		}
	}

	database := s.oneOfEach()[2]
	for node, path := range map[string]string{
		database:  "/etc/mysql/hornero/node.key",
		"proxy-1": "/etc/haproxy/haproxy.cfg",
		"web-1":   "/etc/wordpress/config-default.php",
	} {
		require.Equal(s.t, "tmpfs", s.on(node, "stat -L -f -c %T "+path), path)
	}
}

// leftToQuarantine has the stack's file want what the nodes that are launched from now on do about drift.
func (s *site) leftToQuarantine() {
	s.t.Helper()
	text, err := os.ReadFile(s.file)
	require.NoError(s.t, err)

	changed := strings.Replace(string(text), "\ndrift: report ", "\ndrift: quarantine ", 1)
	require.NotEqual(s.t, string(text), changed)
	require.NoError(s.t, os.WriteFile(s.file, []byte(changed), 0o644))
}

// quarantineTakesANodeOut changes a file on a web node whose stack wants quarantine: it leaves the load
// balancer, the page goes on, and the node is back when the file is.
func quarantineTakesANodeOut(t *testing.T, s *site) {
	s.t = t
	s.untilTrue("web-1", "/usr is read-only", func(is truth) bool {
		return is.Image.ReadOnly
	})

	page := s.page()

	s.on(
		"web-1",
		"mount -o remount,bind,rw /usr; chmod u+s /usr/bin/env; hornero-bootstrap drift || true",
	)

	s.untilTrue("web-1", "it is in quarantine", func(is truth) bool {
		return is.Image.Quarantine != "" && strings.HasPrefix(is.Reason, "quarantined: ")
	})

	require.Contains(t,
		s.on(
			"web-2",
			"curl -s -o /dev/null -w %{http_code} http://"+s.nodes()["web-1"].Addresses.Private+":9200/healthz",
		),
		"404",
	)

	require.False(t, s.nodes()["web-1"].Healthy)
	s.on("web-1", "chmod u-s /usr/bin/env; mount -o remount,bind,ro /usr; hornero-bootstrap drift")
	s.untilTrue("web-1", "it serves again", func(is truth) bool {
		return is.Image.Quarantine == ""
	})

	failed := page()
	t.Logf("page without an answer for %.1f s at most", failed.Seconds())
	require.LessOrEqual(t, failed, longestFailure)
	s.untilHealthy()
}
