//go:build root

package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// How long the harness waits for what a section needs, and for the stack to be as it was found.
const (
	comesWithin = 2 * time.Minute
	healWithin  = 5 * time.Minute // for one command that repairs
)

// need is something that a section wants of the stack.
type need struct {
	name    string
	missing func(report) string // what is not there; empty when all is
}

var (
	threeDatabases = healthy("db", 3)
	twoProxies     = healthy("proxy", 2)
	twoWebs        = healthy("web", 2)

	oneWriter = need{
		name: "one writer",
		missing: func(found report) string {
			writers := []string{}
			for _, n := range found.Nodes {
				if n.Writer {
					writers = append(writers, n.Name)
				}
			}

			if len(writers) == 1 {
				return ""
			}

			return fmt.Sprintf("one writer, not %q", writers)
		},
	}

	heldReservedIP = need{
		name: "the reserved IP held",
		missing: func(found report) string {
			held := found.ReservedIP
			if held.Holder != "" && held.AssignedTo == held.Holder && held.Problem == "" {
				return ""
			}

			return fmt.Sprintf("a holder of the reserved IP: %+v", held)
		},
	}

	// everything is what a launched stack has.
	everything = []need{
		threeDatabases,
		twoProxies,
		twoWebs,
		oneWriter,
		heldReservedIP,
	}
	// aStack is enough for a section that asks only commands, or the API.
	aStack = []need{oneWriter}
)

// healthy needs all nodes of a role, as they were baked.
func healthy(role string, count int) need {
	return need{
		name: fmt.Sprintf("%d healthy %s nodes", count, role),
		missing: func(found report) string {
			there := 0
			ill := []string{}

			for _, n := range found.Nodes {
				switch {
				case n.Role != role:
				case n.Healthy && n.Drift == 0:
					there++
				default:
					ill = append(ill, fmt.Sprintf(
						"%s (%s, %d files drifted: %s)",
						n.Name,
						n.State,
						n.Drift,
						n.Reason,
					))
				}
			}

			if there == count && len(ill) == 0 {
				return ""
			}

			return fmt.Sprintf("%d healthy %s nodes: there are %d; not healthy: %s",
				count, role, there, strings.Join(ill, ", "))
		},
	}
}

// missing waits until all needs hold, and says what is missing when they do not.
func (s *stack) missing(needs []need, within time.Duration) (missing []string) {
	for end := time.Now().Add(within); ; time.Sleep(time.Second) {
		missing = nil
		found, err := s.look()
		if err != nil {
			missing = []string{"a status: " + err.Error()}
		}

		for _, need := range needs {
			if lack := need.missing(found); lack != "" {
				missing = append(missing, lack)
			}
		}

		if len(missing) == 0 || time.Now().After(end) {
			return missing
		}
	}
}

// left tells what of the stack is not as it was found: all that a launched stack has, and nothing else.
func (s *stack) left() (left []string) {
	left = s.missing(everything, comesWithin)

	for _, d := range s.strangers() {
		left = append(left, fmt.Sprintf("Droplet %s (%d), which is not the stack's", d.Name, d.ID))
	}

	for _, name := range s.faultsInForce() {
		left = append(left, fmt.Sprintf("the lab's fault %s", name))
	}

	text, err := os.ReadFile(s.file)
	if err != nil || string(text) != s.launchedFrom {
		left = append(left, "another stack.yaml")
	}

	return left
}

// strangers are the Droplets in the lab that are not nodes of the stack.
func (s *stack) strangers() (strangers []droplet) {
	s.t.Helper()
	nodes := map[int]bool{}
	found, err := s.look()
	require.NoError(s.t, err)

	for _, n := range found.Nodes {
		nodes[n.DropletID] = true
	}

	for _, d := range s.droplets() {
		if !nodes[d.ID] {
			strangers = append(strangers, d)
		}
	}

	return strangers
}

// restore looks after a section whether it left the stack as it found it. What it left is repaired.
func (h *harness) restore(t *testing.T, section string) {
	t.Helper()
	s := h.stack.with(t)

	if t.Failed() {
		s.explain()
	}

	left := s.left()
	if len(left) == 0 {
		return
	}

	t.Errorf("section %s left the stack with, or without: %s", section, strings.Join(left, "; "))
	h.repair(t)
}

// repair brings the stack back to health, as an operator would; when that does not help, it is launched anew,
// and when that fails, too, on a new lab.
func (h *harness) repair(t *testing.T) {
	t.Helper()

	s := h.stack.with(t)
	s.putRight()

	left := s.left()
	if len(left) == 0 {
		t.Log("the stack is repaired")
		return
	}

	t.Logf("launched anew, because repair did not help: %s", strings.Join(left, "; "))

	if err := h.destroyStack(); err != nil {
		t.Logf("all is made anew: %v", err)
		require.NoError(t, h.discard())
	}

	h.launched(t)
}

// putRight undoes what a section may have done to the stack. What fails here is seen by who looks next.
func (s *stack) putRight() {
	s.t.Helper()
	note := func(out string, err error) {
		if err != nil {
			s.t.Logf("repair: %v\n%s", err, out)
		}
	}

	note("", os.WriteFile(s.file, []byte(s.launchedFrom), 0o600))
	note(s.tryFor(healWithin, "lab", "fault", "lift", "--all", "--name", s.lab))

	for _, d := range s.strangers() {
		s.api("DELETE", dropletPath(d.ID), nil, nil)
	}

	found, err := s.look()
	note("", err)

	for _, n := range found.Nodes {
		if !n.Healthy && n.DropletID != 0 && s.power(n.DropletID, "power_on") == http.StatusCreated {
			s.t.Logf("repair: %s is turned on", n.Name)
		}
	}

	// A node that is only late is not replaced.
	if len(s.missing(everything, comesWithin)) == 0 {
		return
	}

	found, err = s.look()
	note("", err)

	for _, n := range found.Nodes {
		if !n.Healthy || n.Drift > 0 {
			s.t.Logf("repair: %s is replaced", n.Name)
			note(s.tryFor(healWithin, "replace", n.Name))
		}
	}
}
