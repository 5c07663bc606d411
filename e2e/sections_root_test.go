//go:build root

package e2e_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// section is a part of the end-to-end test. It leaves the stack as it found it.
type section struct {
	name   string
	proves string
	needs  []need // none: the section needs no stack at all
	test   func(*testing.T, *stack)
	last   bool // it ends the stack
	long   bool // it takes many minutes: run only when RUN names it
}

// sections run in this order.
var sections = []section{
	{
		name:   "serves",
		proves: "the page over HTTP and HTTPS, seven healthy nodes, a database of three, WordPress' administrator",
		needs:  everything,
		test:   itServes,
	},
	{
		name:   "up-again",
		proves: "hornero up on a stack that is as it should be changes no Droplet",
		needs:  everything,
		test:   upAgainChangesNothing,
	},
	{
		name:   "identity",
		proves: "nodes of one image share no machine id, host key or name",
		needs:  []need{threeDatabases, twoProxies, twoWebs},
		test:   nodesAreThemselves,
	},
	{
		name:   "operating",
		proves: "journals are merged and followed, commands run on roles and in terminals, ssh checks who a node is",
		needs:  everything,
		test:   operatorsReachTheNodes,
	},
	{
		name:   "images",
		proves: "an image's record is the same where it was baked and inside of a node",
		needs:  aStack,
		test:   imagesTellWhatTheyAre,
	},
	{
		name:   "visitors",
		proves: "scheme, host and address of visitors behind TLS; a login; WordPress changes no code and runs no cron",
		needs:  []need{twoProxies, twoWebs, oneWriter},
		test:   itKnowsItsVisitors,
	},
	{
		name:   "immutable",
		proves: "a node cannot be changed; what is changed all the same is reported; secrets are root's only",
		needs:  everything,
		test:   heldToTheImage,
	},
	{
		name:   "replace",
		proves: "nodes of each role are replaced under load: the page answers, no acknowledged row is lost",
		needs:  everything,
		test:   replaceUnderLoad,
	},
	{
		name: "lock",
		proves: "of two commands at once one is refused by name; the lock of a killed one is taken over; a command " +
			"whose lock is broken ends",
		needs: everything,
		test:  oneCommandAtATime,
	},
	{
		name: "balancer",
		proves: "a rotated certificate and another HTTPS port reach the load balancer in place: no request fails, " +
			"its address stays, the old certificate goes, the plan is empty",
		needs: everything,
		test:  theBalancerChanges,
	},
	{
		name: "life",
		proves: "the stack is scaled and rolled under load, by a canary and behind extra nodes: no page fails, " +
			"no acknowledged row is lost, and the plan is empty after each",
		needs: everything,
		test:  theStackChanges,
		long:  true,
	},
	{
		name: "rotation",
		proves: "the database's password is rotated under load: no page fails, both values work meanwhile, " +
			"the old one is refused when it is retired",
		needs: everything,
		test:  thePasswordRotates,
		long:  true,
	},
	{
		name: "authorities",
		proves: "other authorities and SSH keys are put in place under load; what the old ones signed opens neither " +
			"Galera nor the agents' API",
		needs: everything,
		test:  theAuthoritiesRotate,
		long:  true,
	},
	{
		name:   "heal",
		proves: "nodes whose Droplets are deleted or killed are made anew, one by one; more than a third are not",
		needs:  everything,
		test:   deadNodesAreMadeAnew,
		long:   true,
	},
	{
		name:   "quarantine",
		proves: "with drift: quarantine a changed web node leaves the load balancer, and comes back when it is mended",
		needs:  everything,
		test:   quarantineTakesANodeOut,
	},
	{
		name:   "full-disk",
		proves: "a disk that is nearly full moves the writes to another node; the node goes on serving",
		needs:  []need{threeDatabases, oneWriter},
		test:   aFullDiskMovesTheWriter,
	},
	{
		name:   "hung-server",
		proves: "a database server that hangs while it stops is killed, and comes back by itself",
		needs:  []need{threeDatabases, oneWriter},
		test:   aServerThatHangsIsKilled,
	},
	{
		name:   "hung-agent",
		proves: "an agent that hangs is ended and started again; its database server runs through it",
		needs:  []need{threeDatabases, oneWriter},
		test:   anAgentThatHangsIsRestarted,
	},
	{
		name:   "kill-writer",
		proves: "the writer's machine dies under load: another writes soon, no acknowledged row is lost",
		needs:  everything,
		test:   killTheWriter,
	},
	{
		name:   "reserved-ip",
		proves: "the reserved IP moves when its holder's machine is lost or replaced; only proxies have its token",
		needs:  []need{twoProxies, twoWebs, heldReservedIP},
		test:   theReservedIPMoves,
	},
	{
		name: "edge",
		proves: "two sites behind an edge of two nodes, by name and certificate, one of them got by ACME and kept; " +
			"the holder's machine is lost; a site is added: no request fails but on its way to a lost node",
		needs: aStack,
		test:  anEdgeServesTwoSites,
		long:  true, // it launches a stack of its own
	},
	{
		name:   "firewalls",
		proves: "from outside: 80 and 443 of what is public, 22 where stack.yaml allows it, nothing else",
		needs:  everything,
		test:   onlyWhatIsDeclaredIsOpen,
	},
	{
		name: "redteam",
		proves: "what PHP's user, root of a web node or a proxy, an old certificate's owner or an outsider tries " +
			"fails, each by its own wall",
		needs: everything,
		test:  attacksFail,
	},
	{
		name:   "floods",
		proves: "a web node that floods a database node's doors moves no writer, evicts no node and fails no page",
		needs:  everything,
		test:   floodsMoveNothing,
	},
	{
		name:   "cloud-objects",
		proves: "a project takes the stack, backups are turned on where nodes are, a new node has a key of the account",
		needs:  everything,
		test:   theAccountsObjectsFollow,
	},
	{
		name:   "reboot",
		proves: "a node of each role reboots: the same Droplet, incarnation and addresses, healthy again",
		needs:  everything,
		test:   reboot,
	},
	{
		name:   "api-down",
		proves: "the API answers 503, then not at all: it is said within 20 s, and nodes are reached all the same",
		needs:  everything,
		test:   theAPIIsDown,
	},
	{
		name:   "user-data",
		proves: "Droplets with foreign, cut or too much user-data join nothing, and say why",
		needs:  []need{twoWebs, oneWriter},
		test:   strangeUserDataJoinsNothing,
	},
	{
		name:   "stack-files",
		proves: "mistakes in stack.yaml are reported with line and column",
		test:   wrongStackFiles,
	},
	{
		name:   "secrets",
		proves: "no node's logs hold a secret of the stack",
		needs:  []need{threeDatabases, twoProxies, twoWebs},
		test:   logsHoldNoSecret,
	},
	{
		name: "application",
		proves: "an application of one's own from an empty folder, on a database and a proxy of other names: baked, " +
			"launched, replaced without a failed request",
		needs: aStack,
		test:  itRunsAnApplicationOfOnesOwn,
	},
	{
		name:   "destroy",
		proves: "hornero destroy leaves no Droplet",
		needs:  aStack,
		test:   destroy,
		last:   true,
	},
}

// TestStack runs the sections that E2E_RUN names, all of them when it is empty, one by one on one stack. With
// E2E_LIST it prints them.
func TestStack(t *testing.T) {
	run := os.Getenv("E2E_RUN")
	listing := os.Getenv("E2E_LIST") != ""

	// A list has the long ones, too.
	if listing && run == "" {
		run = "."
	}

	chosen, err := choose(sections, run)
	require.NoError(t, err)

	if listing {
		fmt.Print(list(chosen))
		return
	}

	h := newHarness(t, wholeStack(t))

	for _, one := range chosen {
		t.Run(one.name, func(t *testing.T) { h.run(t, one) })
	}
}

// run runs one section, when what it needs is there.
func (h *harness) run(t *testing.T, one section) {
	if len(one.needs) == 0 {
		one.test(t, h.stack.with(t))
		return
	}

	s := h.launched(t)

	// Before the needs are asked for: when they do not come, the next section shall find them.
	t.Cleanup(func() {
		if one.last {
			h.ended(t)
		} else {
			h.restore(t, one.name)
		}
	})

	missing := s.missing(one.needs, comesWithin)
	require.Emptyf(t, missing, "section %s needs what is not there", one.name)

	one.test(t, s)
}

// ended notes that a section has destroyed the stack. One that did not come to its end left some of it.
func (h *harness) ended(t *testing.T) {
	h.stage = min(h.stage, baked)

	if t.Failed() {
		require.NoError(t, h.discard())
	}
}

// choose returns the sections whose name a regular expression matches; for none all but the long ones.
func choose(all []section, expression string) (chosen []section, err error) {
	wanted, err := regexp.Compile(expression)
	if err != nil {
		return nil, fmt.Errorf("RUN: %w", err)
	}

	for _, one := range all {
		unasked := expression == "" && one.long
		if wanted.MatchString(one.name) && !unasked {
			chosen = append(chosen, one)
		}
	}

	if len(chosen) == 0 {
		return nil, fmt.Errorf("RUN: no section matches %q; there are:\n%s", expression, list(all))
	}

	return chosen, nil
}

// list is a table of sections for a person.
func list(of []section) string {
	var text strings.Builder
	for _, one := range of {
		fmt.Fprintf(&text, "%-12s %s\n%-12s needs: %s\n", one.name, one.proves, "", describe(one.needs))

		if one.long {
			fmt.Fprintf(&text, "%-12s long: run only when RUN names it\n", "")
		}
	}

	return text.String()
}

// describe names needs for a person.
func describe(needs []need) string {
	switch len(needs) {
	case 0:
		return "nothing"
	case len(everything):
		return "the whole stack: every node healthy, one writer, the reserved IP held"
	}

	names := make([]string, len(needs))
	for i, need := range needs {
		names[i] = need.name
	}

	return strings.Join(names, ", ")
}

func TestSectionsAreChosenByTheirNames(t *testing.T) {
	names := func(expression string) (names []string) {
		chosen, err := choose(sections, expression)
		require.NoError(t, err)

		for _, one := range chosen {
			names = append(names, one.name)
		}

		return names
	}

	short := 0
	for _, one := range sections {
		if !one.long {
			short++
		}
	}

	require.Len(t, names(""), short)
	require.Len(t, names("."), len(sections))
	require.Equal(t, []string{"hung-server", "hung-agent"}, names("hung"))
	require.Equal(t, []string{"replace"}, names("^replace$"))

	_, err := choose(sections, "repalce")
	require.ErrorContains(t, err, `no section matches "repalce"; there are:`)
	require.ErrorContains(t, err, "replace      nodes of each role are replaced under load")

	_, err = choose(sections, "(")
	require.ErrorContains(t, err, "RUN: error parsing regexp")
}
