// Command hornero-media keeps a folder of files the same on all nodes of a role: package media. It is a unit of its
// own, and root's commands of the same name ask it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "development"

// Where the role puts things. A flag says otherwise in tests.
const (
	configPath = "/etc/hornero-media/config.json"
	socketPath = "/run/hornero-media/media.sock"
)

// options are what all commands are told.
type options struct {
	config string
	socket string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)

	stop()

	if err != nil {
		fmt.Fprintln(os.Stderr, "hornero-media:", err)
		os.Exit(statusOf(err))
	}
}

func command() *cobra.Command {
	var o options

	root := &cobra.Command{
		Use:           "hornero-media",
		Short:         "Keep a folder of files the same on all nodes of a role",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().StringVar(&o.config, "config", configPath, "the file that the agent writes")
	root.PersistentFlags().StringVar(&o.socket, "socket", socketPath, "where the daemon answers its node")
	root.AddCommand(
		serveCommand(&o),
		statusCommand(&o),
		leaveCommand(&o),
		verifyCommand(&o),
		importCommand(&o),
		checkCommand(&o),
		bucketCommand(&o),
	)

	return root
}
