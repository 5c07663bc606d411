package main

import (
	"github.com/spf13/cobra"

	"github.com/hornero/hornero/media"
)

func bucketCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "bucket",
		Short: "Make the Space, where the key may make it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := media.LoadConfig(o.config)
			if err != nil {
				return err
			}

			return media.MakeSpace(cmd.Context(), config)
		},
	}
}
