package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/lab"
	"github.com/hornero/hornero/lab/api"
)

func newLabLogsCommand(name *labFlag) *cobra.Command {
	var follow bool
	command := &cobra.Command{
		Use:   "logs",
		Short: "Print the lab's log",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			choice, err := name.choose()
			if err != nil {
				return err
			}

			return printFile(
				command.Context(),
				command.OutOrStdout(),
				lab.FolderOf(choice.Name).LogFile(),
				follow,
			)
		},
	}
	command.Flags().BoolVar(&follow, "follow", false, "go on printing what is added, until Ctrl-C")

	return command
}

// findLabDroplet finds the one Droplet with an id or a name.
func findLabDroplet(ctx context.Context, labName, wanted string) (api.DropletStatus, error) {
	status, err := lab.StatusOf(ctx, labName)
	if err != nil {
		return api.DropletStatus{}, err
	}

	if !status.Running {
		return api.DropletStatus{}, lab.ErrNotRunning
	}

	var found []api.DropletStatus

	for _, droplet := range status.Droplets {
		if strconv.Itoa(droplet.ID) == wanted || droplet.Name == wanted {
			found = append(found, droplet)
		}
	}

	if len(found) != 1 {
		return api.DropletStatus{}, fmt.Errorf(
			"find droplet %s in lab %s: there are %d of them; `hornero lab status` lists all",
			wanted,
			labName,
			len(found),
		)
	}

	return found[0], nil
}

// followPause is how often a followed file is looked at.
const followPause = 200 * time.Millisecond

// printFile prints a file, and with follow what is added to it until ctx ends.
func printFile(ctx context.Context, out io.Writer, path string, follow bool) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no log at %s yet", path)
	}

	if err != nil {
		return err
	}
	defer file.Close()

	for {
		if _, err := io.Copy(out, file); err != nil || !follow {
			return err
		}

		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followPause):
		}
	}
}
