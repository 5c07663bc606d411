//go:build root

package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// setup is what a lab and its stack are made from.
type setup struct {
	StackFile  string   // the text of stack.yaml
	LabFlags   []string // for `hornero lab start`
	BakeFlags  []string // for scripts/images.sh
	ReservedIP bool     // the stack asks for one
	RolesFrom  string   // the built-in roles' folder, where the stack has them by other names
}

// clientsOfTheTest are in the lab's network, and use the proxies: they write rows, and look when they were answered.
const clientsOfTheTest = "\nclient_addresses: [10.0.0.0/8]\n"

// wholeStack is the checked-in stack.yaml, with a reserved IP and clients that are no web nodes.
func wholeStack(t *testing.T) setup {
	t.Helper()
	text, err := os.ReadFile("../stack.yaml")
	require.NoError(t, err)

	whole := setup{
		StackFile:  string(text) + clientsOfTheTest,
		ReservedIP: true,
	}

	if isRenamed() {
		whole.rename(t, "..")
	}

	return whole
}

// stage is how far the harness has come.
type stage int

const (
	noLab    stage = iota
	running        // the lab runs
	baked          // the images are there
	launched       // the stack serves
)

// harness owns the lab and the stack of a run.
type harness struct {
	t      *testing.T // the run
	setup  setup
	keep   bool // lab and stack stay for the next run
	stage  stage
	broken string // the step that failed for good: there will be no stack any more
	stack  *stack
}

// newHarness takes over what an earlier run kept, or removes what it left. Lab and stack are made when somebody asks
// for them, and at the end they are kept or removed.
func newHarness(t *testing.T, setup setup) *harness {
	t.Helper()
	root, err := filepath.Abs("..")
	require.NoError(t, err)

	folder := filepath.Join(root, ".cache/e2e")
	require.NoError(t, os.MkdirAll(folder, 0o700))
	lockRun(t, folder)

	h := &harness{
		t:     t,
		setup: setup,
		keep:  os.Getenv("E2E_KEEP") != "",
		stack: newStack(t, root, folder),
	}

	h.takeOver()
	t.Cleanup(h.end)

	if h.stage < launched {
		require.NoError(t, os.WriteFile(h.stack.file, []byte(setup.StackFile), 0o600))
		setup.writeRoles(t, h.stack.file)
	}

	return h
}

// launch launches a stack that nobody has used, for a test that measures it.
func launch(t *testing.T) *stack {
	t.Helper()

	return newHarness(t, wholeStack(t)).pristine(t)
}

// lockRun refuses a second run in one checkout. The kernel gives the lock back however the first one ends.
func lockRun(t *testing.T, folder string) {
	t.Helper()
	lock, err := os.Create(filepath.Join(folder, "lock"))
	require.NoError(t, err)

	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)

	const busy = "another end-to-end run of this checkout goes on: wait for its end"
	require.NotErrorIs(t, err, unix.EWOULDBLOCK, busy)
	require.NoError(t, err)
	t.Cleanup(func() { lock.Close() })
}

// labOf derives a lab's name from a checkout. A lab's name may not end with a number alone.
func labOf(root string) string {
	sum := sha256.Sum256([]byte(root))

	return "e2e-x" + hex.EncodeToString(sum[:4])
}

// baked brings the harness as far as the images.
func (h *harness) baked(t *testing.T) *stack {
	t.Helper()

	if h.stage < running {
		h.step(t, "start the lab", running, (*stack).startLab)
	}

	if h.stage < baked {
		h.step(t, "bake the images", baked, (*stack).bake)
	}

	return h.stack.with(t)
}

// launched brings the harness as far as a stack that serves.
func (h *harness) launched(t *testing.T) *stack {
	t.Helper()
	h.baked(t)

	if h.stage < launched {
		h.step(t, "launch the stack", launched, (*stack).launch)
	}

	return h.stack.with(t)
}

// pristine launches a stack anew, on the images that are there.
func (h *harness) pristine(t *testing.T) *stack {
	t.Helper()

	if h.stage == launched {
		t.Log("anew: the stack that was kept is destroyed, because this test needs one that nobody has used")
		require.NoError(t, h.destroyStack())
	}

	return h.launched(t)
}

// step takes the harness one stage further. A step that fails is not tried again by the next section: it would
// take as long and fail in the same way.
func (h *harness) step(t *testing.T, what string, next stage, do func(*stack, setup)) {
	t.Helper()
	require.Emptyf(t, h.broken, "there is no stack, because an earlier attempt failed: %s", h.broken)

	h.broken = what
	began := time.Now()
	bound := h.stack.with(t)
	do(bound, h.setup)
	t.Logf("%s: %.1f s", what, time.Since(began).Seconds())

	*h.stack = *bound.with(h.stack.t)
	h.stage = next
	h.broken = ""
}

// destroyStack takes the harness back to the images.
func (h *harness) destroyStack() error {
	out, err := h.stack.tryFor(5*time.Minute, "destroy", "--yes")
	if err != nil {
		return fmt.Errorf("destroy the stack: %w\n%s", err, out)
	}

	h.stage = min(h.stage, baked)

	return nil
}

// discard removes the lab and all that belongs to it, also when a run that was killed left it.
func (h *harness) discard() error {
	s := h.stack
	out, err := s.tryFor(5*time.Minute, "lab", "reset", "--yes", "--name", s.lab)
	if err != nil {
		return fmt.Errorf("reset the lab: %w\n%s", err, out)
	}

	if err := endProcessesOf(s.lab); err != nil {
		return err
	}

	h.stage = noLab
	h.broken = ""
	h.stack = newStack(s.t, s.root, s.folder)

	return clearFolder(s.folder)
}

// end keeps lab and stack for the next run, or removes them.
func (h *harness) end() {
	if h.keep && h.broken == "" && h.stage > noLab {
		require.NoError(h.t, h.writeRecord())
		h.t.Logf("kept for the next run: lab %s at %s, %s; the next `make e2e` takes it over, and removes it at its "+
			"end unless it has KEEP=1, too", h.stack.lab, h.stack.apiURL, h.stage)
		h.t.Logf("to look at it: LAB=%s HORNERO_AGE_KEY_FILE=%s/age.key bin/hornero -f %s status",
			h.stack.lab, h.stack.folder, h.stack.file)

		return
	}

	require.NoError(h.t, h.discard())
	h.stack.leavesNothing()
}

func (at stage) String() string {
	return [...]string{"nothing", "without images", "its images", "its images and the stack"}[at]
}

// startLab starts the lab, which chooses addresses that are free, and asks it for them.
func (s *stack) startLab(of setup) {
	s.must(append([]string{"lab", "start", "--name", s.lab}, of.LabFlags...)...)
	require.NoError(s.t, s.findLab())
}

// bake has Packer bake what the images there are not made from already.
func (s *stack) bake(of setup) {
	command := exec.Command(filepath.Join(s.root, "scripts/images.sh"), of.BakeFlags...)
	command.Dir = s.root
	command.Env = s.env
	out, err := command.CombinedOutput()
	require.NoError(s.t, err, string(out))
}

// launch brings the stack up with keys and secrets of its own.
func (s *stack) launch(of setup) {
	require.NoError(s.t, os.WriteFile(s.file, []byte(of.StackFile), 0o600))

	if of.ReservedIP && s.reserved == "" {
		s.reserve()
	} else if of.ReservedIP {
		s.askForReservedIP()
	}

	out := s.must("up")
	s.t.Log(out)

	s.address = lastLine(out)
	require.Regexp(s.t, `^http://127\.[0-9.]+/$`, s.address, "the last line is the address")

	text, err := os.ReadFile(s.file)
	require.NoError(s.t, err)

	s.launchedFrom = string(text)
}

// lastLine is what a command says at the end: its result.
func lastLine(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")

	return lines[len(lines)-1]
}

// reserve has the stack ask for a reserved IP, as its operator would.
func (s *stack) reserve() {
	s.t.Helper()
	s.reserved = lastLine(s.must("reserved-ip", "create"))
	require.NotNil(s.t, net.ParseIP(s.reserved), "the last line is the address: %q", s.reserved)

	s.askForReservedIP()

	for _, command := range []string{"validate", "up"} {
		out, err := s.try(command)
		require.Error(s.t, err, "without a token")
		require.Contains(s.t, out, "hornero secrets set digitalocean.reserved_ip_token")
	}

	token := s.must("lab", "token", "--name", s.lab, "--scope", "reserved_ip:update")
	out, err := s.tryWith(token, "secrets", "set", "digitalocean.reserved_ip_token")
	require.NoError(s.t, err, out)
	s.must("validate")
}

// askForReservedIP writes the reserved IP into the stack's file.
func (s *stack) askForReservedIP() {
	s.t.Helper()
	text, err := os.ReadFile(s.file)
	require.NoError(s.t, err)

	text = fmt.Appendf(text, "\nreserved_ip:\n  nodes: %s\n  address: %s\n", called("proxy"), s.reserved)
	require.NoError(s.t, os.WriteFile(s.file, text, 0o600))
}
