package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/cloudinit"
	"github.com/hornero/hornero/internal/report"
	"github.com/hornero/hornero/roles"
	"github.com/hornero/hornero/stack"
)

type (
	// runE is what cobra runs a command with.
	runE = func(*cobra.Command, []string) error

	// secretsWork is what a command does with the opened secrets file.
	secretsWork = func(cmd *cobra.Command, opened openedSecrets, args []string) error
)

// openedSecrets are a stack's secrets, and what they are for.
type openedSecrets struct {
	*stack.Secrets
	stack     *stack.Stack
	manifests map[string]*roles.Manifest
}

func secretsCommand(file *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secrets",
		Short: "list, show and set what the encrypted secrets file holds",
	}

	with := func(work secretsWork) runE {
		return func(cmd *cobra.Command, args []string) error {
			s, manifests, err := loadStack(*file)
			if err != nil {
				return err
			}

			// Opening makes what is missing: a list shows all that the stack needs.
			secrets, err := openSecrets(s, manifests, cmd.ErrOrStderr())
			if err != nil {
				return err
			}

			return work(cmd, openedSecrets{secrets, s, manifests}, args)
		}
	}

	cmd.AddCommand(
		secretsSetCommand(with),
		&cobra.Command{
			Use:   "list",
			Short: "name the secrets",
			Args:  cobra.NoArgs,
			RunE: with(func(cmd *cobra.Command, secrets openedSecrets, _ []string) error {
				fmt.Fprintln(cmd.OutOrStdout(), strings.Join(secrets.Names(), "\n"))
				return nil
			}),
		},
		&cobra.Command{
			Use:   "show NAME",
			Short: "print one secret",
			Args:  cobra.ExactArgs(1),
			RunE: with(func(cmd *cobra.Command, secrets openedSecrets, args []string) error {
				value, err := secrets.Get(args[0])
				if err == nil {
					fmt.Fprintln(cmd.OutOrStdout(), value.Reveal())
				}

				return err
			}),
		},
		&cobra.Command{
			Use:   "rotate NAME",
			Short: "make a secret anew; nodes keep the old one until they are replaced",
			Args:  cobra.ExactArgs(1),
			RunE: with(func(_ *cobra.Command, secrets openedSecrets, args []string) error {
				return secrets.Rotate(args[0], secrets.stack, secrets.manifests)
			}),
		},
	)

	return cmd
}

// asked tells whether the stack or a role of it has a use for a secret.
func (o openedSecrets) asked(name string) bool {
	kept := []string{
		stack.CACertificate, stack.CAKey, stack.SSHKey, stack.SSHCA, stack.SiteCertificate, stack.SiteKey,
		stack.PlanKey, cloudinit.SecretReservedIPToken,
	}

	return slices.Contains(kept, name) || slices.ContainsFunc(o.stack.All(), func(node stack.Node) bool {
		return slices.Contains(o.stack.SecretsOf(o.manifests[node.Role], o.manifests), name)
	})
}

// readAll reads to the end, or until the context ends: a read of a terminal waits for a person, who may press Ctrl-C.
func readAll(ctx context.Context, from io.Reader) ([]byte, error) {
	type outcome struct {
		text []byte
		err  error
	}

	done := make(chan outcome, 1)

	go func() {
		text, err := io.ReadAll(from)
		done <- outcome{text, err}
	}()

	select {
	case got := <-done:
		return got.text, got.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// secretsSetCommand takes the value from standard input: arguments are seen by every user of this computer.
func secretsSetCommand(with func(secretsWork) runE) *cobra.Command {
	return &cobra.Command{
		Use:   "set NAME",
		Short: "set a secret from standard input",
		Args:  cobra.ExactArgs(1),
		RunE: with(func(cmd *cobra.Command, secrets openedSecrets, args []string) error {
			text, err := readAll(cmd.Context(), cmd.InOrStdin())
			if err != nil {
				return fmt.Errorf("read the secret: %w", err)
			}

			// echo and editors end a line; one line's end more may be part of the secret.
			value := strings.TrimSuffix(string(text), "\n")
			if value == "" {
				return errors.New(
					"the secret is empty; pipe it in, as in `printf %s ... | hornero secrets set NAME`",
				)
			}

			if !secrets.asked(args[0]) {
				fmt.Fprintf(cmd.ErrOrStderr(), "no role of stack %s asks for %s; is it spelt right?\n",
					secrets.stack.Name, args[0])
			}

			return secrets.Set(args[0], report.Secret(value))
		}),
	}
}
