package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// How a node is, to a healer.
const (
	patientWell    = "well"
	patientSick    = "sick"    // it lives and does not serve: it says itself why
	patientSilent  = "silent"  // not for long enough yet
	patientOff     = "off"     // its Droplet is
	patientMissing = "missing" // it has no Droplet
	patientDead    = "dead"
)

// patient is a node of stack.yaml as a healer sees it.
type patient struct {
	node     string
	role     string
	database bool
	droplet  int // 0: it has none
	state    string
	reason   string
}

func (p patient) down() bool {
	return slices.Contains([]string{patientOff, patientMissing, patientDead}, p.state)
}

// condition is how all nodes are, in stack.yaml's order: counted is what is wanted, not who reports.
type condition struct {
	patients []patient
	quorum   bool // of the peer set, as the best informed node knows it
}

// treatment is what a healer does next: one step, or none.
type treatment struct {
	node   string // "" for none
	state  string // the node's
	reason string
	wait   bool // something may be wrong: look again
	err    error
}

// diagnose picks the one node that is made anew next. It never asks anything: the same sight always means the same.
func diagnose(found condition, now time.Time, tries tries) treatment {
	var down, silent []patient

	for _, one := range found.patients {
		tries.well(one, now)

		switch {
		case one.down():
			down = append(down, one)
		case one.state == patientSilent:
			silent = append(silent, one)
		}
	}

	if err := meltdown(found, down, silent); err != nil {
		return treatment{err: err}
	}

	for _, one := range down {
		if err := tries.exhausted(one.node); err != nil {
			return treatment{err: err}
		}
	}

	for _, one := range down {
		if wait := tries.wait(one.node, now); wait > 0 {
			continue
		}

		return treatment{
			node:   one.node,
			state:  one.state,
			reason: strings.TrimSuffix("it is "+one.state+": "+one.reason, ": "),
		}
	}

	if len(down)+len(silent) > 0 {
		return treatment{
			wait:   true,
			reason: "waits: " + names(append(down, silent...)),
		}
	}

	return treatment{}
}

func names(patients []patient) string {
	var list []string
	for _, one := range patients {
		list = append(list, one.node+" is "+one.state)
	}

	return strings.Join(list, ", ")
}

// meltdown refuses to heal when more than a third of the nodes are down or silent, when two roles are wholly so, or
// when the peer set has no quorum: then the healer may be what is cut off, or each step makes recovery harder.
func meltdown(found condition, down, silent []patient) error {
	out := append(slices.Clone(down), silent...)
	if len(out) == 0 {
		return nil
	}

	all := map[string]int{}
	lost := map[string]int{}

	for _, one := range found.patients {
		all[one.role]++
	}

	for _, one := range out {
		lost[one.role]++
	}

	wholly := 0

	for role, number := range lost {
		if number == all[role] {
			wholly++
		}
	}

	const help = "; `hornero status` tells more, `hornero up` and `hornero recover` are for an operator"

	switch {
	case 3*len(out) > len(found.patients):
		return fmt.Errorf("%w: %s, of %d nodes%s", ErrMeltdown, names(out), len(found.patients), help)
	case wholly > 1:
		return fmt.Errorf("%w: %s: two roles have no node left%s", ErrMeltdown, names(out), help)
	case !found.quorum:
		return fmt.Errorf("%w: %s, and the peer set has no quorum%s", ErrMeltdown, names(out), help)
	}

	return nil
}

// tries are when each node was made anew.
type tries map[string][]time.Time

// healPauses are between the tries of one node; there is no fourth (Cluster API's rule of retryPeriod and maxRetry).
var healPauses = []time.Duration{
	5 * time.Minute,
	15 * time.Minute,
	45 * time.Minute,
}

// healthyFor is after how long in health the tries of a node are forgotten.
const healthyFor = time.Hour

func (t tries) note(node string, now time.Time) { t[node] = append(t[node], now) }

// well forgets the tries of a node that has been well for long.
func (t tries) well(one patient, now time.Time) {
	made := t[one.node]
	if one.state == patientWell && len(made) > 0 && now.Sub(made[len(made)-1]) > healthyFor {
		delete(t, one.node)
	}
}

func (t tries) exhausted(node string) error {
	if len(t[node]) < len(healPauses) {
		return nil
	}

	return fmt.Errorf("%s: %w: %d times; `hornero logs %s` and `hornero status` tell more", node, ErrGivenUp,
		len(t[node]), node)
}

// wait is how long a node is not to be touched yet.
func (t tries) wait(node string, now time.Time) time.Duration {
	made := t[node]
	if len(made) == 0 {
		return 0
	}

	return healPauses[len(made)-1] - now.Sub(made[len(made)-1])
}
