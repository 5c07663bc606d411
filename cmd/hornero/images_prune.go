package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/digitalocean/godo"
	"github.com/spf13/cobra"

	"github.com/hornero/hornero/internal/catalog"
)

func (c *imagesCommands) pruneCommand() *cobra.Command {
	var keep int
	var dry, yes bool
	prune := &cobra.Command{
		Use:   "prune",
		Short: "delete images that are neither among a role's newest nor run by a Droplet",
		Args:  cobra.NoArgs,
		Long: "Deletes images of roles, and keeps the newest of each role and release in each region, and every " +
			"image that a Droplet runs.\nIt says what it would delete and asks; --yes does not ask, " +
			"--dry-run only says.",
	}

	prune.RunE = func(cmd *cobra.Command, _ []string) error {
		if keep < 1 {
			const what = "--keep: must be 1 or more, got %d: without its newest image no node of a role can be replaced"
			return fmt.Errorf(what, keep)
		}

		client, images, err := c.open(cmd)
		if err != nil {
			return err
		}

		// gone is not nil, so that JSON has an empty list.
		surplus := catalog.Surplus(images, keep)
		gone := []catalog.Image{}

		if !dry && len(surplus) > 0 {
			if !yes && !agreed(cmd, surplus) {
				return errors.New("nothing is deleted; say --yes to do it without being asked")
			}

			if gone, err = c.remove(cmd, client, surplus); err != nil {
				return err
			}
		}

		return c.printPruned(cmd.OutOrStdout(), len(images), surplus, gone, dry)
	}

	flags := prune.Flags()
	flags.IntVar(&keep, "keep", catalog.DefaultKeep, "how many images to keep of each role and release in a region")
	flags.BoolVar(&dry, "dry-run", false, "only say what would be deleted")
	flags.BoolVar(&yes, "yes", false, "do not ask")

	return prune
}

// agreed shows what is to go and asks; whoever does not say y has not agreed.
func agreed(cmd *cobra.Command, surplus []catalog.Image) bool {
	// Whoever cannot see the list cannot agree to it.
	if err := printImages(cmd.ErrOrStderr(), surplus); err != nil {
		return false
	}

	fmt.Fprintf(cmd.ErrOrStderr(), "delete %s? [y/N] ", count(len(surplus), "image"))

	// The end of the input is no answer, which is a no.
	answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')

	answer = strings.TrimSpace(answer)

	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes")
}

// remove deletes what no Droplet runs by now, and the records.
func (c *imagesCommands) remove(
	cmd *cobra.Command,
	client *godo.Client,
	surplus []catalog.Image,
) ([]catalog.Image, error) {
	folder, err := c.folder()
	if err != nil {
		return nil, err
	}

	kept := func(image catalog.Image) {
		fmt.Fprintf(cmd.ErrOrStderr(), "image %d, %s, is kept: a Droplet runs it by now\n", image.ID, image.Name)
	}

	return catalog.Prune(cmd.Context(), client, surplus, folder, kept)
}
