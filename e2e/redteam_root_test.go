//go:build root

package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hornero/hornero/internal/pki"
	secret "github.com/hornero/hornero/internal/report"
)

// attempt is what an attacker tries from a place that he holds. It must not succeed while the stack is as it is, and
// must succeed where the one protection that the row is about does not stand in its way: else something else would hold
// it, by accident.
type attempt struct {
	attacker string
	tries    string
	succeeds func(*stack) bool
	without  func(*stack) bool // the same, past that protection; it leaves the node as it was
}

// attempts are all of them. A new one is a row with two functions.
var attempts = []attempt{
	{
		attacker: "PHP's user of a web node",
		tries:    "asks the metadata service for the node's user-data, which has its secrets",
		succeeds: func(s *stack) bool { return s.asPHP(readUserData) },
		without: func(s *stack) bool {
			s.on(broken, "nft delete table ip hornero_metadata")
			defer onlyRootReachesTheMetadataService(s, broken)
			defer s.on(broken, "hornero-bootstrap drift || true")

			return s.asPHP(readUserData)
		},
	},
	{
		attacker: "PHP's user of a web node",
		tries:    "reads the key of the node's certificate",
		succeeds: func(s *stack) bool { return s.asPHP("cat " + nodeKey) },
		without: func(s *stack) bool {
			s.on(broken, "stat -c 'chmod %a %n' "+wayToKey+" >/run/modes-of-the-test; chmod o+rx "+wayToKey)
			defer s.on(broken, "sh /run/modes-of-the-test; rm /run/modes-of-the-test")

			return s.asPHP("cat " + nodeKey)
		},
	},
	{
		attacker: "PHP's user of a web node",
		tries:    "leaves code where every request runs it",
		succeeds: func(s *stack) bool { return s.asPHP(leaveCode) },
		without: func(s *stack) bool {
			s.on(broken, "mount -t tmpfs -o mode=777 tmpfs "+mustUse)
			defer s.on(broken, "umount "+mustUse)

			return s.asPHP(leaveCode)
		},
	},
	{
		attacker: "PHP's user of a web node",
		tries:    "runs a program that it uploaded, by its address",
		succeeds: func(s *stack) bool { return s.runsAnUpload() },
		without: func(s *stack) bool {
			s.on(broken, "cp -L "+siteConfig+" /run/site-of-the-test; sed -i '"+runUploads+"' $(readlink -f "+
				siteConfig+") && nginx -t && nginx -s reload")
			defer s.on(
				broken,
				"cat /run/site-of-the-test >"+siteConfig+"; rm /run/site-of-the-test; nginx -s reload",
			)

			return s.runsAnUpload()
		},
	},
	{
		attacker: "PHP's user of a web node",
		tries:    "asks another node's agent for the peer set, with no certificate",
		succeeds: func(s *stack) bool { return s.asPHP(s.askAgent("")) },
		without: func(s *stack) bool {
			_, err := s.tryOn(broken, s.askAgent("--cert "+nodeCertificate+" --key "+nodeKey))
			return err == nil
		},
	},
	{
		attacker: "PHP's user of a web node",
		tries:    "reads a database node's metrics",
		succeeds: func(s *stack) bool {
			return s.asPHP(s.readMetrics("http", 9200)) || s.asPHP(s.readMetrics("https", 9203))
		},
		without: func(s *stack) bool { return s.readsMetricsWith(s.scraper()) },
	},
	{
		attacker: "root of a web node",
		tries:    "reads a database node's metrics with the node's certificate",
		succeeds: func(s *stack) bool { return s.readsMetricsWith(s.certificateOf(broken)) },
		without:  func(s *stack) bool { return s.readsMetricsWith(s.scraper()) },
	},
	{
		attacker: "PHP's user of a web node",
		tries:    "writes to a database node that does not take the writes, past the proxies",
		succeeds: func(s *stack) bool { return s.writesPastWalls(s.notWriter()) },
		without:  func(s *stack) bool { return s.writesPastWalls(s.writer()) },
	},
	{
		attacker: "PHP's user of a web node",
		tries:    "reaches SSH, the server and Galera of a database node",
		succeeds: func(s *stack) bool { return len(s.reachedBy(s.tryAsPHP, phpsPorts...)) > 0 },
		without:  func(s *stack) bool { return s.reachesPastWalls(s.tryAsPHP, phpsPorts...) },
	},
	{
		attacker: "PHP's user of a web node",
		tries:    "reaches a port of a host outside that no page has business with",
		succeeds: func(s *stack) bool { return s.asPHP(s.leaveFor("22")) },
		without: func(s *stack) bool {
			_, err := s.asRoot(s.leaveFor("22"))
			return err == nil
		},
	},
	{
		attacker: "PHP's user of a web node",
		tries:    "holds 700 connections to the database that never log in, until the other node's pages fail",
		succeeds: func(s *stack) bool { return s.starves() },
		without: func(s *stack) bool {
			for range wallTries {
				s.dropWalls("proxy-1", "proxy-2")

				if s.starves() {
					return true
				}
			}

			return false
		},
	},
	{
		attacker: "root of a web node",
		tries:    "reaches the server and Galera of a database node",
		succeeds: func(s *stack) bool { return len(s.reachedBy(s.asRoot, rootsPorts...)) > 0 },
		without:  func(s *stack) bool { return s.reachesPastWalls(s.asRoot, rootsPorts...) },
	},
	{
		attacker: "root of a web node",
		tries:    "changes a program",
		succeeds: func(s *stack) bool {
			_, err := s.tryOn(broken, touchUsr)
			return err == nil
		},
		without: func(s *stack) bool {
			defer s.on(broken, "rm -f /usr/bin/new; mount -o remount,bind,ro /usr")

			_, err := s.tryOn(broken, "mount -o remount,bind,rw /usr && "+touchUsr)

			return err == nil
		},
	},
	{
		attacker: "root of a web node",
		tries:    "joins Galera with the node's certificate, and takes the whole database",
		succeeds: func(s *stack) bool { return s.opens("4567", s.certificateOf(broken)) },
		without:  func(s *stack) bool { return s.opens("4567", s.intruder(galeraAuthority)) },
	},
	{
		attacker: "the owner of a replaced proxy's certificate",
		tries:    "asks a database node's agent for the peer set",
		succeeds: func(s *stack) bool {
			// A web node's own reads the peer set for five minutes more, until it is drained.
			old := s.certificateOf(replaced)
			s.must("replace", replaced)

			return s.asksWith(old)
		},
		without: func(s *stack) bool { return s.asksWith(s.certificateOf(replaced)) },
	},
}

// broken is the node that the attackers hold, and replaced the one whose certificate they kept.
const (
	broken   = "web-1"
	replaced = "proxy-2"
)

// What the attackers are after.
const (
	nodeCertificate = "/run/hornero/pki/node.pem"
	nodeKey         = "/run/hornero/pki/node.key"
	wayToKey        = "/run/hornero /run/hornero/pki " + nodeKey
	mustUse         = "/usr/share/wordpress/wp-content/mu-plugins"
	siteConfig      = "/etc/nginx/sites-enabled/hornero"

	readUserData = "curl -fsm 3 http://169.254.169.254/metadata/v1/user-data | grep -q ."
	leaveCode    = "echo \"<?php\" >" + mustUse + "/stays.php"

	// runUploads changes nginx' text so that it runs PHP from the uploads.
	runUploads = `s#location ~\* \\.(php.*403; }#location ~* \\.php$ { fastcgi_pass unix:/run/php/hornero.sock; }#`
)

// attacksFail has each attacker try, and tries each once more past its protection. Against who is inside the cloud's
// firewall counts for nothing: the nodes' own walls have to hold.
func attacksFail(t *testing.T, s *stack) {
	s.fail(t, attemptsFromOutside)
	s.lowerCloudFirewall()
	s.fail(t, slices.Concat(attempts, attemptsOfAProxy))

	s.untilHealthy()
}

func (s *stack) fail(t *testing.T, attempts []attempt) {
	for _, a := range attempts {
		t.Run(a.attacker+" "+a.tries, func(t *testing.T) {
			s := s.with(t)

			held := !a.succeeds(s)
			t.Logf(
				"%s: %s. must hold: yes, held: %v",
				a.attacker,
				a.tries,
				held,
			)
			require.True(t, held)
			require.True(t, a.without(s), "it would be held without its protection, by accident")
		})
	}
}

// writeTable is PHP's way past the proxies, with the password that it has. It ends before walls that came back let it.
const writeTable = `timeout 8 php -r '
preg_match("/DB_PASSWORD\x27, \x27(.*)\x27/", file_get_contents("/etc/wordpress/config-default.php"), $found);
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$db = mysqli_init();
$tls = MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT;
$db->real_connect("%s", "wordpress", $found[1], "wordpress", 3306, null, $tls);
$db->query("CREATE TABLE attempt (id INT PRIMARY KEY)");
$db->query("DROP TABLE attempt");
' 2>&1`

// writesPastWalls tells whether PHP's user of the broken node writes straight to a database node that has no walls.
func (s *stack) writesPastWalls(node string) bool {
	s.t.Helper()

	for range wallTries {
		s.dropWalls(node)

		said, err := s.tryAsPHP(fmt.Sprintf(writeTable, s.nodes()[node].Addresses.Private))
		if err == nil {
			return true
		}

		// It came past the walls, and no further.
		if strings.Contains(said, "read-only") {
			return false
		}
	}

	return false
}

// notWriter is a database node that does not take the writes.
func (s *stack) notWriter() string {
	s.t.Helper()

	if s.writer() == "db-1" {
		return "db-2"
	}

	return "db-1"
}

// asPHP runs a shell line as the user of PHP on the broken node, and tells whether it did what it was for.
func (s *stack) asPHP(line string) bool {
	s.t.Helper()

	_, err := s.tryAsPHP(line)

	return err == nil
}

// tryAsPHP runs a shell line as the user of PHP on the broken node.
func (s *stack) tryAsPHP(line string) (string, error) {
	return s.try(
		"exec",
		broken,
		"--",
		"setpriv",
		"--reuid=www-data",
		"--regid=www-data",
		"--clear-groups",
		"sh",
		"-c",
		line,
	)
}

// leaveFor is a command that reaches a port of a host by the internet; a node's public address is on it.
func (s *stack) leaveFor(port string) string {
	s.t.Helper()
	return "timeout 5 bash -c 'exec 3<>/dev/tcp/" + s.nodes()[s.oneOfEach()[2]].Addresses.Public + "/" + port + "'"
}

// askAgent is a command that asks a database node's agent for the peer set.
func (s *stack) askAgent(shown string) string {
	s.t.Helper()

	database := s.nodes()["db-1"].Addresses.Private

	return fmt.Sprintf(
		"curl -fskm 5 %s https://%s:9201/v1/peers | grep -q db-2",
		shown,
		database,
	)
}

// asksWith tells whether a database node's agent tells its peers to the owner of a certificate.
func (s *stack) asksWith(shown pki.Pair) bool {
	s.t.Helper()

	return s.succeedsWith(shown, s.askAgent("--cert "+shownFile+" --key "+shownFile))
}

// readMetrics is a command that reads a database node's metrics; shown are curl's words for a certificate.
func (s *stack) readMetrics(scheme string, port int, shown ...string) string {
	s.t.Helper()

	return fmt.Sprintf(
		"curl -fskm 5 %s %s://%s:%d/metrics | grep -q hornero_",
		strings.Join(shown, " "),
		scheme,
		s.nodes()["db-1"].Addresses.Private,
		port,
	)
}

// readsMetricsWith tells whether a database node tells its metrics to the owner of a certificate.
func (s *stack) readsMetricsWith(shown pki.Pair) bool {
	s.t.Helper()

	return s.succeedsWith(shown, s.readMetrics("https", 9203, "--cert", shownFile, "--key", shownFile))
}

// scraper is a certificate that is made for reading metrics.
func (s *stack) scraper() pki.Pair {
	s.t.Helper()

	folder := s.t.TempDir()
	s.must("secrets", "certificate", folder)

	var texts []string
	for _, name := range []string{"metrics.pem", "metrics.key"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(s.t, err)

		texts = append(texts, string(text))
	}

	return pki.Pair{
		Certificate: texts[0],
		Key:         secret.Secret(texts[1]),
	}
}

// shownFile is where a certificate and its key lie on the broken node while an attacker shows them.
const shownFile = "/run/certificate-of-the-test"

// succeedsWith tells whether a shell line of root's does what it is for, with a certificate and its key in shownFile.
func (s *stack) succeedsWith(shown pki.Pair, line string) bool {
	s.t.Helper()

	s.onWith(broken, shown.Certificate+shown.Key.Reveal(), "umask 077; cat >"+shownFile)
	defer s.on(broken, "rm "+shownFile)

	_, err := s.tryOn(broken, line)

	return err == nil
}

// runsAnUpload puts a program among the uploads, and tells whether nginx has it run.
func (s *stack) runsAnUpload() bool {
	s.t.Helper()

	const program = "/var/lib/wordpress/uploads/evil.php"

	require.True(s.t, s.asPHP("echo \"<?php echo 6*7;\" >"+program))
	defer s.asPHP("rm " + program)

	said, _ := s.tryOn(broken, "curl -sm 5 http://127.0.0.1/wp-content/uploads/evil.php")

	return said == "42"
}

// certificateOf is a node's own, as its root finds it.
func (s *stack) certificateOf(node string) pki.Pair {
	s.t.Helper()

	return pki.Pair{
		Certificate: s.on(node, "cat "+nodeCertificate) + "\n",
		Key:         secret.Secret(s.on(node, "cat "+nodeKey) + "\n"),
	}
}
