package main

import (
	"github.com/spf13/cobra"

	"github.com/hornero/hornero/media"
)

func checkCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Tell whether the configuration can be used, and do nothing",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := media.LoadConfig(o.config)
			return err
		},
	}
}
