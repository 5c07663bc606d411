package main

import (
	"fmt"
	"slices"

	"github.com/digitalocean/godo"
	"github.com/spf13/cobra"

	"github.com/hornero/hornero/internal/catalog"
	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/record"
)

func (c *imagesCommands) acceptCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "accept IMAGE",
		Short: "let nodes be launched again from an image that a roll went back from",
		Long: "A roll that goes back from an image rejects it: `up`, `roll` and `replace` pass it over and take the " +
			"one before. This takes that back.\nThe next `hornero up` launches nodes from the image again, if it is " +
			"its role's newest. `hornero images list` shows what is\nrejected.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.complete(1),
		RunE:              c.accept,
	}
}

func (c *imagesCommands) accept(cmd *cobra.Command, args []string) error {
	client, images, err := c.open(cmd)
	if err != nil {
		return err
	}

	image, err := catalog.Pick(images, args[0])
	if err != nil {
		return err
	}

	return acceptImage(cmd, client, image)
}

func acceptImage(cmd *cobra.Command, client *godo.Client, image catalog.Image) error {
	if !image.Rejected {
		fmt.Fprintf(cmd.ErrOrStderr(), "image %d, %s, is not rejected: nothing to do\n", image.ID, image.Name)
		return nil
	}

	if err := do.UntagImage(cmd.Context(), client, image.ID, record.RejectedTag); err != nil {
		return err
	}

	// That the call succeeded is no proof.
	now, _, err := client.Images.GetByID(cmd.Context(), image.ID)
	if err != nil {
		return fmt.Errorf("read image %d: %w", image.ID, err)
	}

	if slices.Contains(now.Tags, record.RejectedTag) {
		const what = "accept image %d: it still has the tag %s; try again in a minute"
		return fmt.Errorf(what, image.ID, record.RejectedTag)
	}

	const said = "image %d, %s, is accepted; `hornero plan` tells which nodes are to be made from it\n"
	fmt.Fprintf(cmd.OutOrStdout(), said, image.ID, image.Name)

	return nil
}
