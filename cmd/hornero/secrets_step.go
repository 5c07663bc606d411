package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

const uncheckedHelp = "do not ask the cloud whether nodes are left that the step before replaces"

// changeEach changes secrets, one after the other, and says what is in the file then.
func (o openedSecrets) changeEach(cmd *cobra.Command, names []string, change func(string) error) error {
	before := o.All()

	var err error

	for _, name := range names {
		if err = change(name); err != nil {
			break
		}
	}

	// What was changed before an error is told, too.
	if err == nil || len(stack.Changed(before, o.All())) > 0 {
		o.tellChanged(cmd.ErrOrStderr(), before)
	}

	return err
}

// checkStep refuses the second step of a rotation while nodes are left that know nothing of the first.
func (o openedSecrets) checkStep(cmd *cobra.Command, file string, names []string, unchecked bool) error {
	if unchecked || !slices.ContainsFunc(names, o.isUnderWay) {
		return nil
	}

	what := cmd.Name() + " " + strings.Join(names, " ")

	plan, err := readCloud(cmd, file)
	if err != nil {
		return fmt.Errorf("%s: look for nodes of the step before: %w; --unchecked goes on without", what, err)
	}

	if left := nodesLeft(plan); len(left) > 0 {
		return fmt.Errorf("%s: %s: the plan still replaces what the step before is for; run `hornero up` first",
			what, strings.Join(left, ", "))
	}

	return nil
}

// readCloud compares the cloud with what is wanted.
func readCloud(cmd *cobra.Command, file string) (fleet.Plan, error) {
	config, err := fleetConfig(cmd, file, leaveSecrets)
	if err != nil {
		return fleet.Plan{}, err
	}

	return fleet.ReadPlan(cmd.Context(), config)
}

// isUnderWay tells whether a name is an authority or an SSH key of which two values are known.
func (o openedSecrets) isUnderWay(name string) bool {
	if authority, is := o.stack.AuthorityNamed(name, o.manifests); is {
		a, err := o.Authority(authority)
		return err == nil && a.Phase != stack.PhaseOne
	}

	_, previous := o.All()[roles.PreviousSecret(name)]

	return previous && (name == stack.SSHCA || name == stack.SSHKey)
}

// nodesLeft are the nodes that run and are not made from what is wanted, or may not be.
func nodesLeft(plan fleet.Plan) []string {
	var names []string

	for _, difference := range plan.Differences {
		unlike := difference.Action == fleet.ActionReplace || difference.Action == fleet.ActionNothing

		if difference.Kind == fleet.KindNode && unlike {
			names = append(names, difference.Name)
		}
	}

	return names
}
