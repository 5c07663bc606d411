package api

import (
	"fmt"
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

// The ends of an action that a fault brings about.
const (
	OutcomeHangs = "hangs"
	OutcomeErrs  = "errs"
)

// fault checks what is asked for.
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

	check, known := map[string]func(*state.Document, *state.Fault) error{
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
	}[b.Kind]
	if !known {
		return fault, invalid(
			"there is no fault %q: action, api, clock, cut, delay, fill, freeze, loss, oneway, partition",
			b.Kind,
		)
	}

	if !slices.Contains([]string{"", "public", "vpc"}, b.Network) {
		return fault, invalid("network must be public or vpc, not %q", b.Network)
	}

	if err := check(d, &fault); err != nil {
		return fault, err
	}

	return fault, nameFault(d, &fault)
}

// nameFault gives a fault a name when it has none, and takes none that is there.
func nameFault(d *state.Document, fault *state.Fault) error {
	if fault.Name != "" {
		if !validName(fault.Name, "-_.") {
			return invalid(
				"%q is no name for a fault: letters, digits, dots, dashes and underscores only",
				fault.Name,
			)
		}

		if d.Fault(fault.Name) != nil {
			return failure(
				http.StatusConflict,
				"a fault named %q is there already: lift it first",
				fault.Name,
			)
		}

		return nil
	}

	for n := 1; fault.Name == "" || d.Fault(fault.Name) != nil; n++ {
		fault.Name = fmt.Sprintf("%s-%d", fault.Kind, n)
	}

	return nil
}

func checkGroups(d *state.Document, fault *state.Fault, least, most int) error {
	if len(fault.Groups) < least || len(fault.Groups) > most {
		return invalid(
			"%s needs %d to %d groups of Droplets, got %d",
			fault.Kind,
			least,
			most,
			len(fault.Groups),
		)
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

// maxGroups is into how many parts a network may fall.
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

	all := slices.Concat(fault.Groups...)
	slices.Sort(all)

	if len(slices.Compact(slices.Clone(all))) != len(all) {
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
	if _, err := path.Match(pattern, "/"); err != nil || method == "" || pattern == "" {
		return invalid(
			"match must be a method and a path, * for anything, as in \"POST /v2/droplets\" or \"* /v2/*\", not %q",
			fault.Match,
		)
	}

	switch {
	case fault.Status == 0 && fault.Delay == 0 && !fault.Cut && !fault.Hang:
		return invalid("an api fault needs a status, a delay, cut or hang")
	case fault.Status != 0 && (fault.Status < 400 || fault.Status > 599):
		return invalid("status must be between 400 and 599, got %d", fault.Status)
	case fault.Chance < 0 || fault.Chance > 100 || fault.Count < 0 || fault.After < 0:
		return invalid("chance is a percentage, count and after are numbers of requests")
	}

	return nil
}

func checkActionFault(_ *state.Document, fault *state.Fault) error {
	if fault.Action == "" || fault.Outcome != OutcomeHangs && fault.Outcome != OutcomeErrs {
		return invalid(
			"an action fault needs an action's type, and the outcome %s or %s",
			OutcomeHangs,
			OutcomeErrs,
		)
	}

	return nil
}
