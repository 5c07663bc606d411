package api

import (
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hornero/hornero/lab/state"
)

// FaultRequest is a fault as it is asked for.
type FaultRequest struct {
	Name    string  `json:"name,omitempty"` // empty: the lab names it
	Kind    string  `json:"kind"`
	For     string  `json:"for,omitempty"` // a duration after which it is lifted by itself
	Groups  [][]int `json:"groups,omitempty"`
	Network string  `json:"network,omitempty"`
	Percent int     `json:"percent,omitempty"`
	Match   string  `json:"match,omitempty"`
	Status  int     `json:"status,omitempty"`
	Delay   string  `json:"delay,omitempty"`
	Cut     bool    `json:"cut,omitempty"`
	Hang    bool    `json:"hang,omitempty"`
	Count   int     `json:"count,omitempty"`
	After   int     `json:"after,omitempty"`
	Chance  int     `json:"chance,omitempty"`
	Action  string  `json:"action,omitempty"`
	Outcome string  `json:"outcome,omitempty"`
	Jitter  string  `json:"jitter,omitempty"`
	Step    string  `json:"step,omitempty"`
	Leave   int64   `json:"leave,omitempty"`
}

// The outcomes of an action that a fault applies to.
const (
	OutcomeHangs = "hangs"
	OutcomeErrs  = "errs"
)

// faultChecks are the kinds of faults, and what each must have.
func faultChecks() map[string]func(*state.Document, *state.Fault) error {
	return map[string]func(*state.Document, *state.Fault) error{
		state.FaultFreeze:    checkOneGroup,
		state.FaultFill:      checkFill,
		state.FaultCut:       checkOneGroup,
		state.FaultPartition: checkPartition,
		state.FaultOneWay:    checkFromTo,
		state.FaultLoss:      checkLoss,
		state.FaultAPI:       checkAPIFault,
		state.FaultAction:    checkActionFault,
		state.FaultDelay:     checkDelay,
		state.FaultClock:     checkClock,
	}
}

// fault is the fault that is asked for, or what is wrong with it.
func (b *FaultRequest) fault(d *state.Document, now time.Time) (state.Fault, error) {
	fault := state.Fault{
		Name:    b.Name,
		Kind:    b.Kind,
		Created: now,
		Groups:  b.Groups,
		Network: b.Network,
		Percent: b.Percent,
		Leave:   b.Leave,
		Match:   b.Match,
		Status:  b.Status,
		Cut:     b.Cut,
		Hang:    b.Hang,
		Count:   b.Count,
		After:   b.After,
		Chance:  b.Chance,
		Action:  b.Action,
		Outcome: b.Outcome,
	}

	if err := b.spans(&fault, now); err != nil {
		return fault, err
	}

	check, known := faultChecks()[b.Kind]
	if !known {
		kinds := slices.Sorted(maps.Keys(faultChecks()))
		return fault, invalid("there is no fault %q: %s", b.Kind, strings.Join(kinds, ", "))
	}

	// empty means both networks
	if !slices.Contains([]string{"", "public", "vpc"}, b.Network) {
		return fault, invalid("network must be public or vpc, not %q", b.Network)
	}

	if err := check(d, &fault); err != nil {
		return fault, err
	}

	return fault, nameFault(d, &fault)
}

// nameFault checks the name of a fault, and gives it one when it has none.
func nameFault(d *state.Document, fault *state.Fault) error {
	if fault.Name == "" {
		for n := 1; fault.Name == "" || d.Fault(fault.Name) != nil; n++ {
			fault.Name = fmt.Sprintf("%s-%d", fault.Kind, n)
		}

		return nil
	}

	if !validName(fault.Name, "-_.") {
		return invalid("%q is no name for a fault: letters, digits, dots, dashes and underscores only", fault.Name)
	}

	if d.Fault(fault.Name) != nil {
		return failure(http.StatusConflict, "a fault named %q is there already: lift it first", fault.Name)
	}

	return nil
}

// checkGroups looks whether a fault has as many groups as its kind needs, each of Droplets that exist.
func checkGroups(d *state.Document, fault *state.Fault, least, most int) error {
	got := len(fault.Groups)
	if got < least || got > most {
		return invalid("%s needs %d to %d groups of Droplets, got %d", fault.Kind, least, most, got)
	}

	for _, group := range fault.Groups {
		if len(group) == 0 {
			return invalid("%s: a group is empty", fault.Kind)
		}

		for _, id := range group {
			if d.Droplet(id) == nil {
				return invalid("there is no Droplet %d", id)
			}
		}
	}

	return nil
}

// maxGroups is the number of parts that a partition may have.
const maxGroups = 16

func checkOneGroup(d *state.Document, fault *state.Fault) error {
	return checkGroups(d, fault, 1, 1)
}

func checkFromTo(d *state.Document, fault *state.Fault) error {
	return checkGroups(d, fault, 1, 2)
}

func checkPartition(d *state.Document, fault *state.Fault) error {
	if err := checkGroups(d, fault, 2, maxGroups); err != nil {
		return err
	}

	// a Droplet in two groups would be cut off from itself
	all := slices.Concat(fault.Groups...)
	if len(sortedIDs(all)) != len(all) {
		return invalid("partition: a Droplet is in two groups")
	}

	return nil
}

func checkLoss(d *state.Document, fault *state.Fault) error {
	if fault.Percent < 1 || fault.Percent > 100 {
		return invalid("loss needs a percent between 1 and 100, got %d", fault.Percent)
	}

	return checkGroups(d, fault, 1, 2)
}

func checkAPIFault(_ *state.Document, fault *state.Fault) error {
	method, pattern, _ := strings.Cut(fault.Match, " ")
	_, badPattern := path.Match(pattern, "/")

	switch {
	case method == "" || pattern == "" || badPattern != nil:
		return invalid(
			`match must be a method and a path, * for anything, as in "POST /v2/droplets" or "* /v2/*", not %q`,
			fault.Match,
		)

	case fault.Status == 0 && fault.Delay == 0 && !fault.Cut && !fault.Hang:
		return invalid("an api fault needs a status, a delay, cut or hang")

	// a fault that answers 2xx would be a success that did nothing
	case fault.Status != 0 && (fault.Status < 400 || fault.Status > 599):
		return invalid("status must be between 400 and 599, got %d", fault.Status)
	case fault.Chance < 0 || fault.Chance > 100 || fault.Count < 0 || fault.After < 0:
		return invalid("chance is a percentage, count and after are numbers of requests")
	}

	return nil
}

func checkActionFault(_ *state.Document, fault *state.Fault) error {
	knownOutcome := fault.Outcome == OutcomeHangs || fault.Outcome == OutcomeErrs

	if fault.Action == "" || !knownOutcome {
		return invalid("an action fault needs an action's type, and the outcome %s or %s", OutcomeHangs, OutcomeErrs)
	}

	return nil
}
