package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/stack"
)

// checkRotatable refuses names of secrets that are not there, or that come and go with others.
func (o openedSecrets) checkRotatable(name string) error {
	if _, is := o.stack.AuthorityNamed(name, o.manifests); is {
		return nil
	}

	if _, err := o.held(name); err != nil {
		return err
	}

	if stack.IsPrevious(name) {
		return fmt.Errorf("%s comes and goes with the rotation of another secret; rotate that one", name)
	}

	return nil
}

// retire ends the rotation of an authority, or of another secret.
func (o openedSecrets) retire(name string) error {
	if authority, is := o.stack.AuthorityNamed(name, o.manifests); is {
		return o.RetireAuthority(authority)
	}

	if _, err := o.held(name); err != nil {
		return err
	}

	return o.Retire(name)
}

// nextSteps are what is to be done next for the authorities among what was changed.
func (o openedSecrets) nextSteps(changed []string) []string {
	var steps []string
	told := map[string]bool{}

	for _, name := range changed {
		authority, is := o.stack.AuthorityNamed(name, o.manifests)
		if !is || told[authority] {
			continue
		}

		told[authority] = true

		// One that is not there has no next step.
		if a, err := o.Authority(authority); err == nil && a.NextStep() != "" {
			steps = append(steps, a.NextStep())
		}
	}

	return steps
}

// completeRotation offers what can be rotated: authorities by their own names, not their certificates and keys.
func completeRotation(file *string) cobra.CompletionFunc {
	ssh := map[string]bool{stack.SSHCA: true, stack.SSHKey: true}

	secrets := completeSecret(file, func(secret stack.NamedSecret) bool {
		return ssh[secret.Name] || !secret.Fixed && !secret.Given
	})

	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		names, directive := secrets(cmd, args, begun)

		s, manifests, err := loadStack(*file)
		if err != nil || len(args) > 0 {
			return names, directive
		}

		for _, authority := range s.Authorities(manifests) {
			names = append(names, authority+"\tan authority of certificates")
		}

		return names, directive
	}
}
