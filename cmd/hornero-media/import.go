package main

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/internal/space"
	"github.com/hornero/hornero/media"
)

// errFolder is a word that may be a folder of the operator's machine.
var errFolder = errors.New("a folder comes by standard input: tar -C FOLDER -cf - . | hornero media import")

// importFlags are how a Space is imported.
type importFlags struct {
	dryRun bool
	region string
}

func importCommand(o *options) *cobra.Command {
	var flags importFlags

	command := &cobra.Command{
		Use:   "import [SPACE]",
		Short: "Put the files of a Space, or of a tar archive on standard input, into the library",
		Long: "Reads a tar archive, packed by gzip or not, from standard input, as in\n\n" +
			"    tar -C /srv/old/wp-content/uploads -cf - . | hornero media import\n\n" +
			"or copies the objects of a Space, whose key and secret stand on standard input, a line each:\n\n" +
			"    hornero media import https://BUCKET.REGION.digitaloceanspaces.com/PREFIX <old-space.key\n\n" +
			"Without them the stack's own key is used. The library's own Space is not copied: its objects stay\n" +
			"where they are. Lines of a bucket, an object's name and a file's, with tabs between them, say where\n" +
			"objects belong whose names are not those of the files.\n\n" +
			"A file that is there with the same bytes is passed over: an import that broke off is begun again.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, words []string) error {
			config, err := media.LoadConfig(o.config)
			if err != nil {
				return err
			}

			if len(words) == 1 {
				return importSpace(cmd, o, config, words[0], flags)
			}

			if flags.dryRun {
				return errors.New("--dry-run wants a Space: an archive can be read once only")
			}

			return media.Import(cmd.Context(), config, o.socket, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	command.Flags().BoolVar(&flags.dryRun, "dry-run", false, "tell what would be copied, and do nothing")
	command.Flags().StringVar(&flags.region, "region", "", "the Space's region, where its address does not say it")

	return command
}

func importSpace(cmd *cobra.Command, o *options, config media.Config, text string, flags importFlags) error {
	from, err := space.ParseAddress(text, cmp.Or(flags.region, config.Space.Region))
	if err != nil {
		return fmt.Errorf("%w; %w", err, errFolder)
	}

	_, err = fmt.Fprintln(cmd.ErrOrStderr(), "the Space's key and its secret come on standard input, a line each")
	if err != nil {
		return err
	}

	return media.ImportSpace(
		cmd.Context(),
		config,
		o.socket,
		media.SpaceImport{
			From:     from,
			DryRun:   flags.dryRun,
			Out:      cmd.OutOrStdout(),
			Progress: cmd.ErrOrStderr(),
		},
		cmd.InOrStdin(),
	)
}
