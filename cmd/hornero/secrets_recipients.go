package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/stack"
)

const recipientsHelp = `Each recipient has an age key of its own that opens the secrets file: operators, and CI. Their
public keys stand in a list beside the file, secrets.recipients, for everybody to read and to review.

To let somebody in:
  1. They run "hornero secrets recipients key", and send you what it prints. It is no secret.
  2. You run "hornero secrets recipients add NAME KEY", and commit secrets.recipients and secrets.age.

The list alone lets nobody in: the secrets file remembers, sealed, whom it was sealed to. Where the two differ, as after
a merge or an edit by hand, nothing is written until "add" or "remove" says what is meant.`

func recipientsCommand(with func(secretsWork) runE) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "recipients",
		Short: "list and change who can open the secrets file",
		Long:  recipientsHelp,
	}

	cmd.AddCommand(
		recipientsListCommand(with),
		&cobra.Command{
			Use:   "add NAME KEY",
			Short: "let one more public key open the secrets file",
			Args:  cobra.ExactArgs(2),
			RunE: with(func(cmd *cobra.Command, secrets openedSecrets, args []string) error {
				err := secrets.AddRecipient(stack.Recipient{
					Name: args[0],
					Key:  args[1],
				})
				if err == nil {
					secrets.tellRecipients(cmd.ErrOrStderr(), args[0]+" can open the secrets")
				}

				return err
			}),
		},
		&cobra.Command{
			Use:   "remove NAME|KEY",
			Short: "shut a key out of the secrets file",
			Long: "Shuts a key out of the secrets file. Its owner has read the secrets, and finds them in the " +
				"history of the repository:\nrotate what they must not know any more.",
			Args: cobra.ExactArgs(1),

			ValidArgsFunction: completeRecipient(with),
			RunE: with(func(cmd *cobra.Command, secrets openedSecrets, args []string) error {
				err := secrets.RemoveRecipient(args[0])
				if err == nil {
					secrets.tellRecipients(cmd.ErrOrStderr(), args[0]+" cannot open the secrets any more, but knows "+
						"what they were: `hornero secrets rotate NAME` makes others")
				}

				return err
			}),
		},
		recipientsKeyCommand(),
	)

	return cmd
}

// recipientsKeyCommand needs no stack: a new operator may have nothing but the program.
func recipientsKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "key",
		Short: "print this computer's public key; one is made where there is none",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			key, err := stack.DefaultKey()
			if err != nil {
				return err
			}

			public, err := stack.PublicKey(key, func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), line) })
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), public)
			}

			return err
		},
	}
}

func (o openedSecrets) tellRecipients(w io.Writer, what string) {
	path := o.stack.SecretsPath()
	fmt.Fprintf(w, "%s; commit %s and %s\n", what, path, stack.RecipientsPath(path))
}

// recipientLine is one recipient of `hornero secrets recipients list --json`.
type recipientLine struct {
	Name   string `json:"name"`
	Key    string `json:"key"`
	Listed bool   `json:"listed"` // in secrets.recipients
	Sealed bool   `json:"sealed"` // can open the secrets file
	Own    bool   `json:"own"`    // this computer's key
}

func recipientsListCommand(with func(secretsWork) runE) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "name those who can open the secrets file",
		Args:  cobra.NoArgs,
		RunE: with(func(cmd *cobra.Command, secrets openedSecrets, _ []string) error {
			states, err := secrets.Recipients()
			if err != nil {
				return err
			}

			if asJSON {
				lines := []recipientLine{}
				for _, state := range states {
					lines = append(lines, recipientLine{
						Name:   state.Name,
						Key:    state.Key,
						Listed: state.Listed,
						Sealed: state.Sealed,
						Own:    state.Own,
					})
				}

				return printJSON(cmd.OutOrStdout(), lines)
			}

			return printRecipients(cmd.OutOrStdout(), states)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")

	return cmd
}

func printRecipients(w io.Writer, states []stack.RecipientState) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tKEY\tSTATE")

	several := len(states) > 1
	for _, state := range states {
		name := state.Name
		if name == "" {
			name = "-"
		}

		said := "can open the secrets"

		switch {
		case !state.Sealed:
			said = "cannot open the secrets yet: add or remove it"
		case !state.Listed && several:
			said = "can open the secrets, and is not in the list: add or remove it"
		}

		if state.Own {
			said += "; this computer's key"
		}

		fmt.Fprintf(table, "%s\t%s\t%s\n", name, state.Key, said)
	}

	return table.Flush()
}

func completeRecipient(with func(secretsWork) runE) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var names []string

		collect := with(func(_ *cobra.Command, secrets openedSecrets, _ []string) error {
			states, err := secrets.Recipients()
			for _, state := range states {
				if state.Name != "" && !state.Own {
					names = append(names, state.Name+"\t"+state.Key)
				}
			}

			return err
		})

		if len(args) > 0 || collect(cmd, args) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
