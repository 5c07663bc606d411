// Command hornero-acme gets certificates from an authority that speaks ACME, and renews them: package acme.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/acme"
)

// version is set by the linker.
var version = "development"

// Where the role puts things. A flag says otherwise in tests.
const (
	configPath  = "/etc/hornero-acme/config.json"
	agentSocket = "/run/hornero/agent.sock"
	proxySocket = "/run/haproxy/admin.sock"
	siteFolder  = "/etc/haproxy/sites"
)

// taskName is the manifest's, whose lease a run is under.
const taskName = "acme"

// options are what all commands are told.
type options struct {
	config  string
	agent   string
	haproxy string
	folder  string
}

func (o *options) store() acme.AgentStore {
	return acme.AgentStore{
		Socket: o.agent,
		Task:   taskName,
	}
}

func (o *options) shown() acme.Shown {
	return acme.Shown{
		Socket: o.haproxy,
		Folder: o.folder,
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)

	stop()

	if err != nil {
		fmt.Fprintln(os.Stderr, "hornero-acme:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var o options

	root := &cobra.Command{
		Use:           "hornero-acme",
		Short:         "Get certificates from an authority that speaks ACME, and renew them",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true

	flags := root.PersistentFlags()
	flags.StringVar(&o.config, "config", configPath, "the file that the agent writes")
	flags.StringVar(&o.agent, "agent", agentSocket, "where the agent answers its node")
	flags.StringVar(&o.haproxy, "haproxy", proxySocket, "where HAProxy takes commands")
	flags.StringVar(&o.folder, "folder", siteFolder, "where HAProxy's certificates are")

	root.AddCommand(
		runCommand(&o),
		showCommand(&o),
		statusCommand(&o),
		checkCommand(&o),
		stepCommand(),
		renewalCommand(),
	)

	return root
}
