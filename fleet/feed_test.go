package fleet_test

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/fleet"
)

const eachLine = " --each-line"

// tellStatus tells a node's status: once, or for each line that it is given.
func (w *world) tellStatus(document cloudinit.Node, address, command string, session ssh.Channel) uint32 {
	once, feeds := strings.CutSuffix(command, eachLine)

	w.mutex.Lock()
	w.programs = append(w.programs, document.Node+":"+strings.TrimPrefix(command, "hornero-bootstrap status"))
	old := w.old == document.Node
	w.mutex.Unlock()

	switch {
	case feeds && old:
		_, _ = io.WriteString(session.Stderr(), "hornero-bootstrap: unknown flag: --each-line\n")
		return 1

	case !feeds:
		_, _ = io.WriteString(session, w.command(document, address, once))
		return 0
	}

	for asked := bufio.NewScanner(session); asked.Scan(); {
		w.mutex.Lock()
		hangs, fails := w.silent == document.Node, w.agentless == document.Node
		w.mutex.Unlock()

		if hangs {
			<-w.t.Context().Done()
			return 1
		}

		if fails {
			_, _ = io.WriteString(session.Stderr(), "hornero-bootstrap: ask the agent: no such socket\n")
			return 1
		}

		_, _ = io.WriteString(session, w.command(document, address, once)+"\n")
	}

	return 0
}

// programsOf are those that a node was made to start to tell its status.
func (w *world) programsOf(node string) (programs []string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	for _, program := range w.programs {
		if of, flags, _ := strings.Cut(program, ":"); of == node {
			programs = append(programs, flags)
		}
	}

	return programs
}

// askedTimes tells how often a node was asked how it is.
func (w *world) askedTimes(node string) int {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	return w.asked[node]
}

// upAfterLooks launches the stack; a node is healthy once it was asked so often.
func (w *world) upAfterLooks(node string, looks int) error {
	w.unhealthy = map[string]bool{node: true}
	ended := make(chan error, 1)

	go func() { ended <- w.up() }()

	require.Eventually(w.t, func() bool {
		return w.askedTimes(node) >= looks
	}, 30*time.Second, 10*time.Millisecond)

	w.set(func() { w.unhealthy = nil })

	return <-ended
}

func TestANodeThatIsWaitedForStartsOneProgramToTellItsStatus(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.old = "web-2"
	require.NoError(t, w.upAfterLooks("web-1", 5))
	require.Equal(t, []string{" --json --each-line"}, w.programsOf("web-1"))

	// One of a version before is asked for what it has not once.
	old := w.programsOf("web-2")
	require.Greater(t, len(old), 4)
	require.Equal(t, " --json --each-line", old[0])
	require.NotContains(t, old[1:], " --json --each-line")
}

// An agent that is away ends the program. The next look starts another.
func TestAnAgentThatComesBackIsAskedAgain(t *testing.T) {
	t.Parallel()

	w := newWorld(t)
	w.mustUp()
	f := w.fleet()

	said := func() (node fleet.NodeLine) {
		report, err := f.Status(t.Context())
		require.NoError(t, err)

		for _, node = range report.Nodes {
			if node.Name == "web-1" {
				return node
			}
		}

		return fleet.NodeLine{}
	}

	require.True(t, said().Healthy)

	w.set(func() { w.agentless = "web-1" })
	require.Contains(t, said().Reason, "ask web-1: hornero-bootstrap: ask the agent: no such socket")

	w.set(func() { w.agentless = "" })
	require.True(t, said().Healthy)
}
