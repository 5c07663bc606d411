package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/digitalocean/godo"
	"github.com/spf13/cobra"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/catalog"
	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/record"
)

// imagesCommands are `hornero images` and what hangs on it.
type imagesCommands struct {
	file    *string // the stack's
	records string
	release string
	json    bool
	all     bool // diff: every file that differs
}

func newImagesCommand(file *string) *cobra.Command {
	c := &imagesCommands{file: file}

	images := &cobra.Command{
		Use:   "images",
		Short: "bake, list, show, compare, accept and prune the images of roles",
		Long: "Bakes, lists, shows, compares and prunes the images of roles, the layer that they share (role common) " +
			"among them.\n\n" +
			"An image is named by its number, by its name, or as ROLE for the role's newest and ROLE~1 for the one " +
			"before it. What is inside an\nimage is in its record, which a bake leaves on the machine that it " +
			"runs on (--records). Where that is not at hand it is read from\na node of the stack that runs the image.",
	}

	flags := images.PersistentFlags()
	flags.BoolVar(&c.json, "json", false, "print JSON")
	flags.StringVar(&c.records, "records", "", "the folder of image records (default ~/.local/share/hornero/images)")
	flags.StringVar(&c.release, "release", "", "the release, as in debian-13 (default: all; of bake: the stack's)")

	images.AddCommand(
		&cobra.Command{
			Use:   "list",
			Short: "list the images: digest, release, age, regions, size, who runs them, and what is outdated in them",
			Long: "Lists the images. What is outdated in an image is told by its record (--records) and Debian's " +
				"package lists, which are asked\nfor at most once an hour. `hornero images show IMAGE` reads a " +
				"record that is not here from a node, and keeps it.",
			Args: cobra.NoArgs,
			RunE: c.list,
		},
		&cobra.Command{
			Use:               "show IMAGE",
			Short:             "show an image and its record: what it was baked from, packages, files, updates",
			Args:              cobra.ExactArgs(1),
			ValidArgsFunction: c.complete(1),
			RunE:              c.show,
		},
		c.bakeCommand(),
		c.acceptCommand(),
		c.signCommand(),
		c.diffCommand(),
		c.pruneCommand(),
	)

	return images
}

// open reads the list of images from the cloud.
func (c *imagesCommands) open(cmd *cobra.Command) (*godo.Client, []catalog.Image, error) {
	ctx := cmd.Context()

	cloud, err := cloudOf(*c.file)
	if err != nil {
		return nil, nil, err
	}

	client, _, err := connect(ctx, cloud, *c.file, retriesOf(cmd), cmd.ErrOrStderr())
	if err != nil {
		return nil, nil, err
	}

	images, err := catalog.List(ctx, client)
	if err != nil {
		return nil, nil, err
	}

	return client, catalog.OfRelease(images, c.release), nil
}

func (c *imagesCommands) folder() (record.Folder, error) {
	if c.records != "" {
		return record.Folder(c.records), nil
	}

	return record.DefaultFolder()
}

func (c *imagesCommands) list(cmd *cobra.Command, _ []string) error {
	_, images, err := c.open(cmd)
	if err != nil {
		return err
	}

	listed, err := c.current(cmd, images)
	if err != nil {
		return err
	}

	if c.json {
		return printJSON(cmd.OutOrStdout(), listed)
	}

	return printListed(cmd.OutOrStdout(), listed)
}

func (c *imagesCommands) show(cmd *cobra.Command, args []string) error {
	_, images, err := c.open(cmd)
	if err != nil {
		return err
	}

	image, err := catalog.Pick(images, args[0])
	if err != nil {
		return err
	}

	written, err := c.record(cmd, image)
	if err != nil {
		return err
	}

	// The record is in the folder by now.
	listed, err := c.current(cmd, []catalog.Image{image})
	if err != nil {
		return err
	}

	if c.json {
		return printJSON(cmd.OutOrStdout(), struct {
			Image  listedImage  `json:"image"`
			Record record.Image `json:"record"`
		}{listed[0], written})
	}

	return errors.Join(
		printRecord(cmd.OutOrStdout(), image, written),
		printUpdates(cmd.OutOrStdout(), listed[0]),
	)
}

// find looks for something of an image in the folder, and else for its file on a node of the stack that runs
// the image; keep takes what was found there.
func find[T any](
	c *imagesCommands,
	cmd *cobra.Command,
	image catalog.Image,
	path string,
	read func(record.Folder) (T, error),
	keep func(record.Folder, []byte) (T, error),
) (T, error) {
	folder, err := c.folder()
	if err != nil {
		var none T
		return none, err
	}

	// A record that is there and cannot be read is told, and not covered by another.
	written, err := read(folder)
	if !errors.Is(err, record.ErrNoRecord) {
		return written, err
	}

	data, failure := c.fromNode(cmd, image, path)
	if failure != nil {
		return written, fmt.Errorf("%w: %w; copy it from the machine that baked image %d", err, failure, image.ID)
	}

	// Kept here, so that the next call needs no node, and the record outlives the last one.
	return keep(folder, data)
}

func (c *imagesCommands) record(cmd *cobra.Command, image catalog.Image) (record.Image, error) {
	read := func(folder record.Folder) (record.Image, error) {
		return folder.Read(image.RecordName(), image.ID)
	}

	keep := func(folder record.Folder, data []byte) (record.Image, error) {
		written, err := record.Parse(data)
		if err != nil {
			return written, err
		}

		return written, folder.SaveAs(image.RecordName(), image.ID, data)
	}

	return find(c, cmd, image, record.Path, read, keep)
}

func (c *imagesCommands) contents(cmd *cobra.Command, image catalog.Image) (record.Contents, error) {
	read := func(folder record.Folder) (record.Contents, error) {
		return folder.ReadContents(image.RecordName(), image.ID)
	}

	keep := func(folder record.Folder, data []byte) (record.Contents, error) {
		contents, err := record.UnpackContents(data)
		if err != nil {
			return nil, err
		}

		return contents, folder.SaveContentsAs(image.RecordName(), image.ID, data)
	}

	return find(c, cmd, image, record.ContentsPath, read, keep)
}

var errNoNode = errors.New("no node of the stack runs the image")

// fromNode reads a file inside a Droplet of the stack that was made from the image.
func (c *imagesCommands) fromNode(cmd *cobra.Command, image catalog.Image, path string) ([]byte, error) {
	if len(image.Droplets) == 0 {
		return nil, errNoNode
	}

	var out, said strings.Builder
	print := command.Quote([]string{"cat", path})

	err := withFleet(cmd, *c.file, func(ctx context.Context, f *fleet.Fleet) error {
		for _, droplet := range image.Droplets {
			// Other stacks of the account may run the image; their nodes do not know our key.
			node, ours := strings.CutPrefix(droplet.Name, f.Stack.Name+"-")
			if _, err := f.Stack.Node(node); !ours || err != nil {
				continue
			}

			code, err := f.Exec(ctx, node, print, strings.NewReader(""), &out, &said)
			if err != nil || code != 0 {
				why := strings.TrimSpace(said.String())
				return errors.Join(err, fmt.Errorf("read %s on %s: exit status %d: %s", path, node, code, why))
			}

			return nil
		}

		return errNoNode
	})

	return []byte(out.String()), err
}

// complete offers the images' names and roles, up to this many.
func (c *imagesCommands) complete(most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		// Without this the shell would offer files.
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}

		_, images, err := c.open(cmd)
		if err != nil {
			// A shell that waits for a completion shows no message.
			return nil, cobra.ShellCompDirectiveError
		}

		// ROLE~N counts from the newest.
		slices.SortFunc(images, func(a, b catalog.Image) int {
			return cmp.Compare(b.ID, a.ID)
		})

		var names []string
		before := map[string]int{}

		for _, image := range images {
			short := image.Role
			if before[image.Role] > 0 {
				short = fmt.Sprintf("%s~%d", image.Role, before[image.Role])
			}

			before[image.Role]++

			names = append(
				names,
				fmt.Sprintf("%s\t%d, %s", short, image.ID, image.Name),
				fmt.Sprintf("%d\t%s", image.ID, image.Name),
			)
		}

		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")

	return encoder.Encode(value)
}
