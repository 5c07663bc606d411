package main

import (
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/acme"
)

func checkCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Tell whether the configuration can be used, and do nothing",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := acme.LoadConfig(o.config)
			return err
		},
	}
}

func runCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Get and renew what is due now; the node must have the task's lease",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := acme.LoadConfig(o.config)
			if err != nil || len(config.Request.Certificates) == 0 {
				return err
			}

			reacher := acme.Reacher{
				Config: config,
				Lookup: acme.Lookup,
			}

			manager := &acme.Manager{
				Config: config,
				Store:  o.store(),
				Log:    slog.New(slog.NewTextHandler(os.Stderr, nil)),
				Reach:  reacher.Reach,
				Now:    time.Now,
			}

			return manager.Run(cmd.Context())
		},
	}
}

func showCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Have the running HAProxy show the certificates that its files hold",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := acme.LoadConfig(o.config)
			if err != nil {
				return err
			}

			var errs []error

			for _, wanted := range config.Request.Certificates {
				changed, err := o.shown().Show(cmd.Context(), wanted)
				if changed {
					cmd.PrintErrln("HAProxy shows another certificate for", wanted.Name)
				}

				// One that starts later reads the files by itself.
				if !errors.Is(err, acme.ErrNotRunning) {
					errs = append(errs, err)
				}
			}

			return errors.Join(errs...)
		},
	}
}
