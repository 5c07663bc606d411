//go:build root

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The lab of this checkout's tests alone: its name, its public range and where its API listens. E2E_LAB="name range
// address" names another.
var labName, labRange, labAddr = lab()

func lab() (name, public, address string) {
	if fields := strings.Fields(os.Getenv("E2E_LAB")); len(fields) == 3 {
		return fields[0], fields[1], fields[2]
	}

	checkout, err := filepath.Abs("..")
	if err != nil {
		panic(err)
	}

	// the same in each run, so that a run finds the lab that an earlier one kept
	own := crc32.ChecksumIEEE([]byte(checkout))

	return fmt.Sprintf("e2e%08x", own),
		fmt.Sprintf("198.19.%d.0/24", own%256),
		fmt.Sprintf("127.0.0.1:%d", 20000+own%10000)
}

// site is one stack in a lab of its own.
type site struct {
	t       *testing.T
	root    string // the checkout
	file    string // its stack.yaml
	address string // the front page
	floats  string // the stack's reserved IP; empty when it has none
	env     []string
}

type node struct {
	Name, Role, State string
	DropletID         int `json:"droplet_id"`
	Incarnation       int
	Addresses         struct{ Public, Private string }
	Healthy, Writer   bool
}

// launch bakes the images, copies the checked-in stack.yaml and brings it up, with keys and secrets of its own. With
// E2E_STACK, the stack.yaml of a stack that runs in the lab, it uses that one and leaves it running.
func launch(t *testing.T) *site {
	text, err := os.ReadFile("../stack.yaml")
	require.NoError(t, err)

	s := prepare(t, string(text), nil)
	if os.Getenv("E2E_STACK") != "" {
		return s
	}

	s.reserve()

	out := s.must("up")
	t.Log(out)

	lines := strings.Split(strings.TrimSpace(out), "\n")
	s.address = lines[len(lines)-1]
	require.Regexp(t, `^http://127\.[0-9.]+/$`, s.address, "the last line is the address")

	return s
}

// prepare starts the lab and bakes the images in it, for a stack with keys and secrets of its own that nobody
// has launched. With E2E_STACK it makes do with what is there.
func prepare(t *testing.T, stack string, lab []string, bake ...string) *site {
	root, err := filepath.Abs("..")
	require.NoError(t, err)

	if running := os.Getenv("E2E_STACK"); running != "" {
		s := &site{
			t:    t,
			root: root,
			file: running,
			env:  append(os.Environ(), "LAB="+labName),
		}

		s.floats = s.reservedIP().Address

		return s
	}

	folder := t.TempDir()
	s := &site{
		t:    t,
		root: root,
		file: filepath.Join(folder, "stack.yaml"),
	}
	require.NoError(t, os.WriteFile(s.file, []byte(stack), 0o644))

	s.env = append(
		os.Environ(),
		"LAB="+labName,
		"XDG_CONFIG_HOME="+folder,
		"XDG_DATA_HOME="+folder,
		"HORNERO_AGE_KEY_FILE="+filepath.Join(folder, "age.key"),
	)

	s.must(append(
		[]string{"lab", "start", "--name", labName, "--addr", labAddr, "--public-range", labRange},
		lab...,
	)...)

	t.Cleanup(func() { s.leavesNothing() })
	t.Cleanup(s.explain)

	command := exec.Command(filepath.Join(root, "scripts/images.sh"), bake...)
	command.Dir, command.Env = root, s.env
	started := time.Now()
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
	t.Logf("baked in %.1f s", time.Since(started).Seconds())

	return s
}

// reserve has the stack ask for a reserved IP, as its operator would.
func (s *site) reserve() {
	s.t.Helper()
	lines := strings.Split(strings.TrimSpace(s.must("reserved-ip", "create")), "\n")
	s.floats = lines[len(lines)-1]
	require.NotNil(s.t, net.ParseIP(s.floats), "the last line is the address: %q", lines)

	text, err := os.ReadFile(s.file)
	require.NoError(s.t, err)

	require.NoError(s.t, os.WriteFile(
		s.file,
		fmt.Appendf(text, "\nreserved_ip:\n  nodes: proxy\n  address: %s\n", s.floats),
		0o644,
	))

	for _, args := range [][]string{{"validate"}, {"up"}} {
		out, err := s.run(context.Background(), args...)
		require.Error(s.t, err, "without a token")
		require.Contains(s.t, out, "hornero secrets set digitalocean.reserved_ip_token")
	}

	set := exec.Command(
		filepath.Join(s.root, "bin/hornero"),
		"-f",
		s.file,
		"secrets",
		"set",
		"digitalocean.reserved_ip_token",
	)

	set.Env, set.Stdin = s.env, strings.NewReader(s.must(
		"lab",
		"token",
		"--name",
		labName,
		"--scope",
		"reserved_ip:update",
	))

	out, err := set.CombinedOutput()
	require.NoError(s.t, err, string(out))
	s.must("validate")
}

// run runs bin/hornero on the stack; what it prints on both streams.
func (s *site) run(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx,
		filepath.Join(s.root, "bin/hornero"),
		append([]string{"-f", s.file}, args...)...,
	)

	command.Env = s.env
	var both bytes.Buffer
	command.Stderr = &both
	stdout, err := command.Output()

	return both.String() + string(stdout), err
}

func (s *site) must(args ...string) string {
	s.t.Helper()
	out, err := s.run(context.Background(), args...)
	require.NoErrorf(s.t, err, "hornero %s\n%s", strings.Join(args, " "), out)

	return out
}

// on runs a shell line on a node.
func (s *site) on(node, line string) string {
	s.t.Helper()
	return strings.TrimSpace(s.must("exec", node, "--", "sh", "-c", line))
}

func (s *site) nodes() map[string]node {
	s.t.Helper()
	var status struct{ Nodes []node }
	command := exec.Command(filepath.Join(s.root, "bin/hornero"), "-f", s.file, "status", "--json")
	command.Env = s.env
	out, err := command.Output()
	if len(out) == 0 {
		require.NoError(s.t, err)
	}

	require.NoError(s.t, json.Unmarshal(out, &status))

	found := map[string]node{}

	for _, n := range status.Nodes {
		found[n.Name] = n
	}

	return found
}

func (s *site) writer() string {
	for _, n := range s.nodes() {
		if n.Writer {
			return n.Name
		}
	}

	return ""
}

// untilHealthy waits until all seven nodes serve and one takes the writes.
func (s *site) untilHealthy() {
	s.t.Helper()

	require.Eventually(s.t, func() bool {
		healthy, writers := 0, 0
		for _, n := range s.nodes() {
			if n.Healthy {
				healthy++
			}
			if n.Writer {
				writers++
			}
		}

		return healthy == 7 && writers == 1
	}, 90*time.Second, time.Second, "all nodes healthy")
}

// token is the lab's.
func (s *site) token() string {
	s.t.Helper()
	env := s.must("lab", "env", "--name", labName)
	_, token, _ := strings.Cut(env, "DIGITALOCEAN_ACCESS_TOKEN=")
	token, _, _ = strings.Cut(token, "\n")

	return strings.Trim(token, `"'`)
}

// api calls the lab as any client of DigitalOcean would.
func (s *site) api(method, path string, body any, answer any) int {
	s.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(s.t, err)

	request, err := http.NewRequest(method, "http://"+labAddr+path, bytes.NewReader(text))
	require.NoError(s.t, err)
	request.Header.Set("Authorization", "Bearer "+s.token())
	request.Header.Set("Content-Type", "application/json")

	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer response.Body.Close()

	got, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)

	if answer != nil && response.StatusCode < 300 {
		require.NoError(
			s.t,
			json.Unmarshal(got, answer),
			string(got),
		)
	}

	return response.StatusCode
}

// explain prints, when the test has failed, what the nodes that do not serve wrote last.
func (s *site) explain() {
	if !s.t.Failed() {
		return
	}

	out, _ := s.run(context.Background(), "status")
	s.t.Log(out)

	for name, n := range s.nodes() {
		if !n.Healthy {
			out, _ := s.run(
				context.Background(),
				"exec",
				name,
				"--",
				"journalctl",
				"--no-pager",
				"-o",
				"short-monotonic",
				"-n",
				"60",
				"-u",
				"hornero-bootstrap",
				"-u",
				"mariadb",
				"-u",
				"haproxy",
			)
			s.t.Logf("%s:\n%s", name, out)
		}
	}
}

// journal reads a Droplet's journal from outside, for one that nobody can log in to.
func (s *site) journal(id int) string {
	s.t.Helper()
	script := fmt.Sprintf(`for p in $(ip netns pids hornero-%s-%d); do
	if grep -Eq '^NSpid:.*[[:space:]]1$' /proc/$p/status; then exec nsenter -t $p -m -- journalctl --no-pager -u hornero-bootstrap; fi
done; exit 1`, labName, id)
	out, err := exec.Command("sh", "-c", script).CombinedOutput()
	require.NoError(s.t, err, string(out))

	return string(out)
}

// killAll ends every process of a Droplet at once. The kernel ends the others with PID 1, so that kill does not
// find them all.
func (s *site) killAll(id int) {
	s.t.Helper()

	script := fmt.Sprintf(`pids() { ip netns pids hornero-%s-%d; }
kill -9 $(pids) 2>/dev/null
for i in $(seq 100); do [ -n "$(pids)" ] || exit 0; sleep 0.1; done
pids; exit 1`, labName, id)

	out, err := exec.Command("sh", "-c", script).CombinedOutput()
	require.NoErrorf(s.t, err, "processes of Droplet %d that outlive a kill: %s", id, out)
}

// leavesNothing resets the lab and looks for what it should have taken along.
func (s *site) leavesNothing() {
	s.must("lab", "reset", "--yes", "--name", labName)

	for what, look := range map[string]string{
		"mounts": "grep -F hornero-" + labName + " /proc/mounts; grep -F /hornero/lab/" + labName +
			"/ /proc/mounts; true",
		"namespaces": "ip netns list | grep -F hornero-" + labName + "; true",
		"rules":      "nft list tables 2>/dev/null | grep -F hornero-" + labName + "; true",
		"processes":  "pgrep -af '[h]ornero-" + labName + "[-.]'; true",
		"files":      "ls -d /var/lib/hornero/lab/" + labName + " 2>/dev/null; true",
	} {
		out, err := exec.Command("sh", "-c", look).CombinedOutput()
		require.NoError(s.t, err)
		require.Emptyf(s.t, string(out), "%s left by the lab", what)
	}
}

// page asks for the front page ten times a second until stop is called, which tells the longest time without an
// answer.
func (s *site) page() (stop func() time.Duration) {
	return pageAt(s.address)
}

func pageAt(address string) (stop func() time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	gap := make(chan time.Duration, 1)
	go func() {
		client := &http.Client{
			Timeout:   2 * time.Second,
			Transport: &http.Transport{DisableKeepAlives: true},
		}

		var longest time.Duration
		last := time.Now()

		for ctx.Err() == nil {
			response, err := client.Get(address)
			if err == nil {
				_, err = io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}

			if err == nil && response.StatusCode == http.StatusOK {
				longest = max(longest, time.Since(last))
				last = time.Now()
			}

			time.Sleep(100 * time.Millisecond)
		}

		gap <- max(longest, time.Since(last))
	}()

	return func() time.Duration {
		cancel()
		return <-gap
	}
}

// inserts writes rows through the proxies, from a database node that outlives what is done meanwhile, until stop is
// called, which tells the numbers that were acknowledged and the longest time without one.
func (s *site) inserts(from string) (stop func() ([]string, time.Duration)) {
	s.t.Helper()

	password := s.on(
		"web-1",
		`sed -n "s/.*DB_PASSWORD', '\(.*\)').*/\1/p" /etc/wordpress/config-default.php`,
	)

	var proxies []string

	for _, n := range s.nodes() {
		if n.Role == "proxy" {
			proxies = append(proxies, n.Addresses.Private)
		}
	}

	program := fmt.Sprintf(`set -- %s
export MYSQL_PWD=%s
i=0; end=$((SECONDS+120)); first=$(date +%%s%%N)
while [ ! -e /run/stop-inserts ] && [ $SECONDS -lt $end ]; do
	i=$((i+1))
	if timeout 4 mariadb --skip-ssl-verify-server-cert --connect-timeout=1 -h "$1" -u wordpress wordpress \
		-e "insert into probe values ('$first-$i')" 2>/dev/null; then
		echo "$first-$i $(date +%%s%%3N)"
	else
		old=$1; shift; set -- "$@" "$old"; sleep 0.1
	fi
done`, strings.Join(proxies, " "), password)

	s.on(
		from,
		"rm -f /run/stop-inserts; mariadb wordpress -e 'create table if not exists probe (id varchar(60) "+
			"primary key) engine=InnoDB'",
	)

	type result struct {
		out string
		err error
	}

	done := make(chan result, 1)
	go func() {
		out, err := s.run(context.Background(), "exec", from, "--", "bash", "-c", program)
		done <- result{out, err}
	}()

	return func() ([]string, time.Duration) {
		s.t.Helper()
		s.on(from, "touch /run/stop-inserts")

		r := <-done
		require.NoError(s.t, r.err, r.out)
		var acknowledged []string
		var longest, last int64

		for line := range strings.Lines(r.out) {
			var id string
			var at int64

			if n, _ := fmt.Sscan(line, &id, &at); n != 2 {
				continue
			}

			acknowledged = append(acknowledged, id)

			if last != 0 {
				longest = max(longest, at-last)
			}

			last = at
		}

		require.NotEmpty(s.t, acknowledged, r.out)

		return acknowledged, time.Duration(longest) * time.Millisecond
	}
}

// holds tells that every database node has every acknowledged row.
func (s *site) holds(acknowledged []string) {
	s.t.Helper()

	for _, db := range []string{"db-1", "db-2", "db-3"} {
		rows := map[string]bool{}
		for id := range strings.FieldsSeq(s.on(db,
			"mariadb -N wordpress -e 'set session wsrep_sync_wait=1; select id from probe'",
		)) {
			rows[id] = true
		}

		var missing []string

		for _, id := range acknowledged {
			if !rows[id] {
				missing = append(missing, id)
			}
		}

		require.Emptyf(s.t, missing, "acknowledged rows that %s has not", db)
	}
}
