//go:build root

package e2e_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The page may fail for this long, at most, while a node is replaced.
const longestFailure = 5 * time.Second

// TestTheWholePath bakes once and goes through a stack's life on what it baked.
func TestTheWholePath(t *testing.T) {
	s := launch(t)
	for _, step := range []struct {
		name string
		test func(*testing.T, *site)
	}{
		{"ItServes", itServes},
		{"UpAgainChangesNothing", upAgainChangesNothing},
		{"NodesAreThemselves", nodesAreThemselves},
		{"ImagesTellWhatTheyAre", imagesTellWhatTheyAre},
		{"ItKnowsItsVisitors", itKnowsItsVisitors},
		{"HeldToTheImage", heldToTheImage},
		{
			name: "ReplaceUnderLoad",
			test: func(t *testing.T, s *site) {
				s.leftToQuarantine()
				replaceUnderLoad(t, s)
			},
		},
		{"QuarantineTakesANodeOut", quarantineTakesANodeOut},
		{"AFullDiskMovesTheWriter", aFullDiskMovesTheWriter},
		{"AServerThatHangsIsKilled", aServerThatHangsIsKilled},
		{"AnAgentThatHangsIsAnother", anAgentThatHangsIsAnother},
		{"KillTheWriter", killTheWriter},
		{"TheReservedIPMoves", theReservedIPMoves},
		{"Reboot", reboot},
		{"StrangeUserDataJoinsNothing", strangeUserDataJoinsNothing},
		{"WrongStackFiles", wrongStackFiles},
		{"LogsHoldNoSecret", logsHoldNoSecret},
		{"Destroy", destroy},
	} {
		if !t.Run(step.name, func(t *testing.T) {
			s.t = t
			step.test(t, s)
		}) {
			break
		}
	}

	s.t = t
}

func itServes(t *testing.T, s *site) {
	client := &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
	}

	for _, address := range []string{
		s.address,
		"https" + strings.TrimPrefix(s.address, "http"),
	} {
		response, err := client.Get(address)
		require.NoError(t, err)

		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, response.StatusCode, address)
		require.Contains(t, string(body), "<title>Hornero</title>", address)
	}

	s.untilHealthy()
	require.Len(t, s.nodes(), 7)
	require.Contains(t, s.must("db", "-e", "select user_login from wordpress.wp_users"), "admin")
	require.Contains(t, s.must("db", "-e", "show status like 'wsrep_cluster_size'"), "3")

	require.GreaterOrEqual(t,
		len(strings.TrimSpace(s.must("secrets", "show", "wordpress.admin_password"))),
		20,
	)

	require.Contains(t, s.on("web-1", "cat /etc/debian_version"), "13")
}

func upAgainChangesNothing(t *testing.T, s *site) {
	before := s.nodes()
	s.must("up")

	for name, n := range s.nodes() {
		require.Equal(t, before[name].DropletID, n.DropletID, name)
	}
}

func nodesAreThemselves(t *testing.T, s *site) {
	for _, pair := range [][2]string{
		{"web-1", "web-2"},
		{"proxy-1", "proxy-2"},
		{"db-1", "db-2"},
	} {
		for _, what := range []string{"cat /etc/machine-id", "cat /etc/ssh/ssh_host_ed25519_key.pub | cut " +
			"-d' ' -f2", "hostname"} {
			one, two := s.on(pair[0], what), s.on(pair[1], what)
			require.NotEmpty(t, one)
			require.NotEqualf(t, one, two, "%s of %v", what, pair)
		}
	}
}

// imagesTellWhatTheyAre reads the record of an image where it was baked, and of the same one inside a node that
// runs it.
func imagesTellWhatTheyAre(t *testing.T, s *site) {
	list := s.must("images", "list")
	for _, droplet := range []string{"-db-1,", "-proxy-1,", "-web-1,"} {
		require.Contains(t, list, droplet)
	}

	kept := s.must("images", "show", "web")
	require.Contains(t, kept, "nginx-light")

	inside := s.must("images", "show", "web", "--records", t.TempDir())
	require.Equal(t, kept, inside)
}

// replaceUnderLoad replaces one node of each role while one client reads the page and another writes through
// the proxies.
func replaceUnderLoad(t *testing.T, s *site) {
	writer := s.writer()

	other := map[string]string{
		"db-1": "db-2",
		"db-2": "db-3",
		"db-3": "db-1",
	}

	for _, name := range []string{other[writer], writer, "proxy-1", "web-1"} {
		before := s.nodes()[name]
		from := "db-1"
		if name == from {
			from = other[name]
		}

		page, rows := s.page(), s.inserts(from)
		started := time.Now()
		s.must("replace", name)

		took := time.Since(started)
		acknowledged, gap := rows()
		failed := page()
		after := s.nodes()[name]
		t.Logf("%s replaced in %.1f s: page without an answer for %.1f s at most, writes for %.1f s, %d rows "+
			"acknowledged",
			name, took.Seconds(), failed.Seconds(), gap.Seconds(), len(acknowledged))
		require.LessOrEqual(t, failed, longestFailure, name)
		require.NotEqual(t, before.DropletID, after.DropletID)
		require.Greater(t, after.Incarnation, before.Incarnation)
		s.untilHealthy()
		s.holds(acknowledged)
	}
}

// killTheWriter ends every process of the writer's machine at once; its successor takes the writes.
func killTheWriter(t *testing.T, s *site) {
	s.untilHealthy()
	writer := s.writer()
	other := map[string]string{
		"db-1": "db-2",
		"db-2": "db-3",
		"db-3": "db-1",
	}[writer]

	page, rows := s.page(), s.inserts(other)
	time.Sleep(2 * time.Second)
	s.killAll(s.nodes()[writer].DropletID)

	require.Eventually(t,
		func() bool {
			now := s.writer()
			return now != "" && now != writer
		},
		30*time.Second,
		200*time.Millisecond,
		"another writer",
	)

	time.Sleep(5 * time.Second)

	acknowledged, gap := rows()
	t.Logf(
		"writer %s killed: writes without an answer for %.1f s at most, page for %.1f s",
		writer,
		gap.Seconds(),
		page().Seconds(),
	)

	require.Less(t, gap, 20*time.Second, "writes go on")
	s.must("replace", writer)
	s.untilHealthy()
	s.holds(acknowledged)
}

func reboot(t *testing.T, s *site) {
	for _, name := range []string{"web-1", "proxy-1", "db-2"} {
		before := s.nodes()[name]
		boot := s.on(name, "cat /proc/1/stat | cut -d' ' -f22")
		_, _ = s.run(context.Background(), "exec", name, "--", "systemctl", "reboot")

		require.Eventually(t, func() bool {
			now, err := s.run(
				context.Background(),
				"exec",
				name,
				"--",
				"sh",
				"-c",
				"cat /proc/1/stat | cut -d' ' -f22",
			)

			return err == nil && strings.TrimSpace(now) != boot
		}, 60*time.Second, time.Second, "%s boots again", name)

		s.untilHealthy()

		after := s.nodes()[name]
		require.Equal(t, before.DropletID, after.DropletID)
		require.Equal(t, before.Incarnation, after.Incarnation)
		require.Equal(t, before.Addresses, after.Addresses)
	}
}

// strangeUserDataJoinsNothing launches Droplets of our image with user-data that is not fit for it.
func strangeUserDataJoinsNothing(t *testing.T, s *site) {
	var drop struct {
		Droplet struct {
			Image struct{ ID int }
			VPC   string `json:"vpc_uuid"`
		}
	}

	require.Equal(t,
		200,
		s.api("GET", fmt.Sprintf("/v2/droplets/%d", s.nodes()["web-1"].DropletID), nil, &drop),
	)

	whole := s.must("userdata", "web-1")
	for name, data := range map[string]string{
		"foreign":   "#!/bin/sh\ntrue\n",
		"truncated": whole[:len(whole)/2],
	} {
		var made struct{ Droplet struct{ ID int } }
		require.Equal(t, 202, s.api("POST", "/v2/droplets", map[string]any{
			"name":      name,
			"region":    "nyc3",
			"size":      "s-1vcpu-1gb",
			"image":     drop.Droplet.Image.ID,
			"vpc_uuid":  drop.Droplet.VPC,
			"user_data": data,
		}, &made))

		path := fmt.Sprintf("/v2/droplets/%d", made.Droplet.ID)
		t.Cleanup(func() {
			s.api("DELETE", path, nil, nil)
		})
		var said string
		require.Eventually(t, func() bool {
			var d struct {
				Droplet struct {
					Networks struct {
						V4 []struct {
							Address string `json:"ip_address"`
							Type    string
						}
					}
				}
			}
			s.api("GET", path, nil, &d)

			for _, v4 := range d.Droplet.Networks.V4 {
				if v4.Type == "private" {
					said, _ = s.run(
						context.Background(),
						"exec",
						"web-2",
						"--",
						"curl",
						"-s",
						"-m",
						"2",
						"-w",
						" %{http_code}",
						"http://"+v4.Address+":9200/healthz",
					)
				}
			}

			return strings.Contains(said, "refused") && strings.Contains(said, "503")
		}, 60*time.Second, time.Second, "the health endpoint of %s says that it was refused: %s", name, &said)

		t.Logf("%s user-data: %s", name, said)
		require.Contains(t, s.journal(made.Droplet.ID), "user-data refused", "the journal says why")
		require.NotContains(t, s.must("status"), name)
	}

	// More is refused by the API here as on DigitalOcean; a node refuses it by itself in the unit tests of cloudinit.
	require.Equal(t, 422, s.api("POST", "/v2/droplets", map[string]any{
		"name":   "fat",
		"region": "nyc3",
		"size":   "s-1vcpu-1gb",
		"image":  drop.Droplet.Image.ID,
		"user_data": strings.Repeat(
			"x",
			65<<10,
		),
	}, nil), "more than 64 KiB of user-data")
}

func wrongStackFiles(t *testing.T, s *site) {
	text, err := os.ReadFile(s.file)
	require.NoError(t, err)

	for _, wrong := range []struct{ name, old, new, want string }{
		{
			name: "unknown key",
			old:  "region: nyc3",
			new:  "regoin: nyc3",
			want: `:\d+:\d+: error: regoin: unknown key`,
		},
		{
			name: "wrong type",
			old:  "count: 3",
			new:  "count: three",
			want: `:\d+:\d+: error: .*count`,
		},
		{
			name: "missing role",
			old:  "    role: proxy ",
			new:  "    # ",
			want: `:\d+:\d+: error: .*role`,
		},
		{
			name: "duplicate name",
			old:  "- name: proxy",
			new:  "- name: db",
			want: `:\d+:\d+: error: .*db`,
		},
	} {
		path := filepath.Join(t.TempDir(), "stack.yaml")
		broken := strings.Replace(string(text), wrong.old, wrong.new, 1)
		require.NotEqual(t, string(text), broken)
		require.NoError(t, os.WriteFile(path, []byte(broken), 0o644))

		out, err := s.run(context.Background(), "validate", "-f", path)
		require.Error(t, err, wrong.name)
		t.Log(out)
		require.Regexp(t, `stack\.yaml`+wrong.want, out, wrong.name)
	}
}

func logsHoldNoSecret(t *testing.T, s *site) {
	var patterns []string
	for _, name := range strings.Fields(s.must("secrets", "list")) {
		for line := range strings.Lines(s.must("secrets", "show", name)) {
			line = strings.TrimSpace(line)
			if len(line) >= 16 &&
				!strings.HasPrefix(line, "-----") &&
				!strings.Contains(name, "certificate") &&
				!strings.HasPrefix(line, "ssh-") {
				patterns = append(patterns, line)
			}
		}
	}

	require.Greater(t, len(patterns), 4)

	list := strings.Join(patterns, "\n")
	nodes := s.nodes()
	require.Len(t, nodes, 7)

	for name := range nodes {
		command := exec.Command(
			filepath.Join(s.root, "bin/hornero"),
			"-f",
			s.file,
			"exec",
			name,
			"--",
			"sh",
			"-c",
			"cat >/run/patterns; journalctl --no-pager | grep -F -f /run/patterns; grep -rlF -f /run/patterns "+
				"/var/log; rm /run/patterns",
		)

		command.Env, command.Stdin = s.env, strings.NewReader(list)
		out, err := command.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Empty(t, string(out), "secrets in the logs of %s", name)
	}
}

func destroy(t *testing.T, s *site) {
	s.must("destroy", "--yes")
	var left struct{ Droplets []any }
	require.Equal(t, 200, s.api("GET", "/v2/droplets", nil, &left))
	require.Empty(t, left.Droplets)
}
