package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newLabEnvCommand prints what doctl, Terraform, Packer and any godo program need to talk to the lab.
func newLabEnvCommand(name *labFlag) *cobra.Command {
	return &cobra.Command{
		Use:     "env",
		Args:    cobra.NoArgs,
		Short:   "Print shell variables that point DigitalOcean's clients at the lab",
		Example: `  eval "$(hornero lab env)"; doctl compute droplet list`,
		RunE: func(command *cobra.Command, _ []string) error {
			endpoint, err := name.locate()
			if err != nil {
				return err
			}

			fmt.Fprintf(
				command.OutOrStdout(),
				"export DIGITALOCEAN_API_URL=%s\nexport DIGITALOCEAN_ACCESS_TOKEN=%s\nexport "+
					"DIGITALOCEAN_TOKEN=%s\n",
				endpoint.URL,
				endpoint.Token,
				endpoint.Token,
			)

			return nil
		},
	}
}

// newLabTokenCommand prints a token that may do less than the lab's own.
func newLabTokenCommand(name *labFlag) *cobra.Command {
	var scopes []string
	cmd := &cobra.Command{
		Use:     "token",
		Args:    cobra.NoArgs,
		Short:   "Print a token of the lab that may do only what the scopes say",
		Example: `  hornero lab token --scope reserved_ip:update | hornero secrets set digitalocean.reserved_ip_token`,
		RunE: func(command *cobra.Command, _ []string) error {
			endpoint, err := name.locate()
			if err != nil {
				return err
			}

			fmt.Fprintln(command.OutOrStdout(), endpoint.ScopedToken(scopes...))

			return nil
		},
	}

	cmd.Flags().StringSliceVar(
		&scopes,
		"scope",
		nil,
		"a scope of DigitalOcean's, as in reserved_ip:update; what it needs comes with it",
	)

	_ = cmd.MarkFlagRequired("scope") // fails only without the flag

	return cmd
}
