package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

func reservedIPCommand(file *string) *cobra.Command {
	cmd := &cobra.Command{Use: "reserved-ip", Short: "reserve an address for the stack, or give it back"}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "create",
			Short: "reserve an IP in the stack's region and print it; stack.yaml is to name it",
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return withFleet(cmd, *file, func(ctx context.Context, f *fleet.Fleet) error {
					address, err := f.Reserve(ctx)
					if err != nil {
						return err
					}

					fmt.Fprintf(
						cmd.ErrOrStderr(),
						"reserved, and paid for while no Droplet has it; write this into %s:\nreserved_ip:\n  "+
							"nodes: %s\n  address: %s\n",
						*file,
						reservedRole(f.Stack, f.Manifests),
						address,
					)

					// Alone on standard output, for scripts.
					fmt.Fprintln(cmd.OutOrStdout(), address)

					return nil
				})
			},
		},
		releaseReservedIPCommand(file),
	)

	return cmd
}

func releaseReservedIPCommand(file *string) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "release",
		Short: "give back for good the reserved IP that stack.yaml names",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// DigitalOcean gives a released address to whoever asks next.
			if !yes {
				return errors.New("release gives the address up, and somebody else may get it; say --yes to do it")
			}

			return withFleet(cmd, *file, func(ctx context.Context, f *fleet.Fleet) error {
				return f.Unreserve(ctx)
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")

	return cmd
}

// checkSecrets looks for what only the operator can give, and makes nothing.
func checkSecrets(s *stack.Stack, manifests map[string]*roles.Manifest) error {
	if !wantsGiven(s, manifests) {
		return nil
	}

	key, err := stack.DefaultKey()
	if err != nil {
		return err
	}

	// Opened without Ensure: to validate changes nothing.
	secrets, err := stack.OpenSecretsWith(s.SecretsPath(), key, nil)
	if err != nil {
		return err
	}

	if missing := secrets.Missing(s, manifests); len(missing) > 0 {
		return errors.New(strings.Join(missing, "\n"))
	}

	return nil
}

// wantsGiven tells whether the stack needs a secret that only the operator can give: without one nobody has to have the
// key of the secrets file to check a stack.
func wantsGiven(s *stack.Stack, manifests map[string]*roles.Manifest) bool {
	if s.ReservedIP != nil {
		return true
	}

	for _, node := range s.All() {
		for _, rule := range manifests[node.Role].Secrets {
			if rule.Given() {
				return true
			}
		}
	}

	return false
}

// reservedRole is a role of the stack whose nodes may hold a reserved IP.
func reservedRole(s *stack.Stack, manifests map[string]*roles.Manifest) string {
	for _, node := range s.All() {
		if manifests[node.Role].ReservedIP != nil {
			return node.Role
		}
	}

	return "ROLE"
}

func printReserved(w io.Writer, reserved fleet.ReservedLine) {
	fmt.Fprintf(w,
		"reserved IP %s, held by %s, assigned to %s\n",
		reserved.Address,
		cmp.Or(reserved.Holder, "nobody"),
		cmp.Or(reserved.AssignedTo, "no Droplet"),
	)

	if reserved.Problem != "" {
		fmt.Fprintf(w, "           %s\n", reserved.Problem)
	}
}
