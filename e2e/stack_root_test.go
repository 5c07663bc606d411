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

// runVariable marks the programs that a run of these tests starts: its value is the name of the run's lab.
const runVariable = "HORNERO_E2E"

// stack is the stack of a run, as one of its tests sees it.
type stack struct {
	t      *testing.T
	root   string // the checkout
	folder string // where the run keeps all that belongs to the stack
	file   string // its stack.yaml
	env    []string

	lab      string // the lab's name
	apiURL   string // where the lab's API is
	labRange string // the lab's public addresses

	address      string // the front page
	reserved     string // the stack's reserved IP; empty when it has none
	launchedFrom string // the text of stack.yaml that it was launched from
}

func newStack(t *testing.T, root, folder string) *stack {
	lab := labOf(root)

	return &stack{
		t:      t,
		root:   root,
		folder: folder,
		file:   filepath.Join(folder, "stack.yaml"),
		lab:    lab,
		env: append(
			os.Environ(),
			"LAB="+lab,
			"STACK="+filepath.Join(folder, "stack.yaml"),
			runVariable+"="+lab,
			"XDG_CONFIG_HOME="+folder,
			"XDG_DATA_HOME="+folder,
			"XDG_STATE_HOME="+filepath.Join(folder, "state"),
			"HORNERO_AGE_KEY_FILE="+filepath.Join(folder, "age.key"),
		),
	}
}

// with is the same stack in another test.
func (s *stack) with(t *testing.T) *stack {
	bound := *s
	bound.t = t

	return &bound
}

type node struct {
	Name, Role, State, Reason string

	DropletID       int `json:"droplet_id"`
	Incarnation     int
	Addresses       struct{ Public, Private string }
	Healthy, Writer bool
	Drift           int
}

// command is bin/hornero for the stack.
func (s *stack) command(ctx context.Context, args ...string) *exec.Cmd {
	program := filepath.Join(s.root, "bin/hornero")
	command := exec.CommandContext(ctx, program, append([]string{"-f", s.file}, args...)...)
	command.Env = s.env

	return command
}

// output runs a command and returns what it prints on both streams, what is on stderr first.
func output(command *exec.Cmd) (string, error) {
	var stderr strings.Builder
	command.Stderr = &stderr
	stdout, err := command.Output()

	return stderr.String() + string(stdout), err
}

// try runs bin/hornero, which may fail.
func (s *stack) try(args ...string) (string, error) {
	return output(s.command(context.Background(), args...))
}

// tryFor runs bin/hornero for as long as that, at most.
func (s *stack) tryFor(limit time.Duration, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()

	return output(s.command(ctx, args...))
}

// tryWith runs bin/hornero with a text on its standard input.
func (s *stack) tryWith(input string, args ...string) (string, error) {
	command := s.command(context.Background(), args...)
	command.Stdin = strings.NewReader(input)

	return output(command)
}

// must runs bin/hornero, which must not fail.
func (s *stack) must(args ...string) string {
	s.t.Helper()
	out, err := s.try(args...)
	require.NoErrorf(s.t, err, "hornero %s\n%s", strings.Join(args, " "), out)

	return out
}

// tryOn runs a shell line on a node.
func (s *stack) tryOn(node, line string) (string, error) {
	return s.try("exec", node, "--", "sh", "-c", line)
}

// on runs a shell line on a node, which must not fail.
func (s *stack) on(node, line string) string {
	s.t.Helper()

	return strings.TrimSpace(s.must("exec", node, "--", "sh", "-c", line))
}

// onWith runs a shell line on a node with a text on its standard input, which is never in a command line.
func (s *stack) onWith(node, input, line string) string {
	s.t.Helper()
	out, err := s.tryWith(input, "exec", node, "--", "sh", "-c", line)
	require.NoError(s.t, err, out)

	return out
}

// report is what `hornero status --json` says.
type report struct {
	Nodes      []node
	ReservedIP reservedIP `json:"reserved_ip"`
}

type reservedIP struct {
	Address, Holder, Problem string

	AssignedTo string `json:"assigned_to"`
}

// look asks for the stack's status. While a node is down the command fails, and prints the report all the same.
func (s *stack) look() (found report, err error) {
	out, err := s.command(context.Background(), "status", "--json").Output()
	if len(out) == 0 {
		return found, err
	}

	if err := json.Unmarshal(out, &found); err != nil {
		return found, err
	}

	for i := range found.Nodes {
		found.Nodes[i].Role = builtIn(found.Nodes[i].Role)
	}

	return found, nil
}

func (s *stack) status() report {
	s.t.Helper()
	found, err := s.look()
	require.NoError(s.t, err)

	return found
}

func (s *stack) nodes() map[string]node {
	s.t.Helper()

	return s.status().byName()
}

func (r report) byName() map[string]node {
	found := map[string]node{}
	for _, n := range r.Nodes {
		found[n.Name] = n
	}

	return found
}

func (s *stack) writer() string {
	s.t.Helper()

	for _, n := range s.nodes() {
		if n.Writer {
			return n.Name
		}
	}

	return ""
}

// untilAnotherWrites waits until the writes have moved away from a node.
func (s *stack) untilAnotherWrites(before string) {
	s.t.Helper()

	require.Eventually(s.t, func() bool {
		now := s.writer()
		return now != "" && now != before
	}, 30*time.Second, 200*time.Millisecond, "another writer than %s", before)
}

// nextDatabase is another database node than one.
func nextDatabase(name string) string {
	return map[string]string{
		"db-1": "db-2",
		"db-2": "db-3",
		"db-3": "db-1",
	}[name]
}

const nodeCount = 7

// whole tells whether all nodes serve and one takes the writes.
func (r report) whole() bool {
	healthy, writers := 0, 0

	for _, n := range r.Nodes {
		if n.Healthy {
			healthy++
		}

		if n.Writer {
			writers++
		}
	}

	return healthy == nodeCount && len(r.Nodes) == nodeCount && writers == 1
}

func (s *stack) whole() bool {
	s.t.Helper()

	return s.status().whole()
}

// untilHealthy waits until all seven nodes serve and one takes the writes.
func (s *stack) untilHealthy() {
	s.t.Helper()

	require.Eventually(s.t, s.whole, 90*time.Second, time.Second, "all nodes healthy")
}

// explain prints what the nodes that do not serve wrote last.
func (s *stack) explain() {
	out, _ := s.try("status")
	s.t.Log(out)

	found, err := s.look()
	if err != nil {
		s.t.Logf("no status: %v", err)
		return
	}

	for _, n := range found.Nodes {
		if n.Healthy {
			continue
		}

		out, _ := s.tryOn(
			n.Name,
			"journalctl --no-pager -o short-monotonic -n 60 -u hornero-bootstrap -u mariadb -u haproxy",
		)
		s.t.Logf("%s:\n%s", n.Name, out)
	}
}
