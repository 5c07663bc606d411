// Connections stay within a VPC: one path is all that there is, and the kernel's layer for more costs each message.
//go:debug multipathtcp=0

// The program inside every image: it finds the node's document, joins the peer set, configures the node and reports
// how it is. Here is only wiring.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/bootstrap"
	"github.com/hornero/hornero/bootstrap/immutable"
	"github.com/hornero/hornero/bootstrap/peers"
	"github.com/hornero/hornero/bootstrap/walls"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/internal/sockets"
	"github.com/hornero/hornero/roles"
)

var version = "dev"

const stateDir = "/var/lib/hornero"

func main() {
	// systemd ends the agent with SIGTERM: consensus is then left in order.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:           "hornero-bootstrap",
		Short:         "configure this node from its user-data and keep it in its peer set",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)

	root.AddCommand(
		runCommand(stderr),
		statusCommand(os.Stdin, stdout),
		eventsCommand(stdout, stderr),
		drainCommand(),
		shareCommand(),
		driftCommand(stdout),
		forgetCommand(os.Stdin, stdout),
		inspectCommand(stdout),
		recoverCommand(os.Stdin, stdout),
		recordCommand(os.Stdin, stdout),
		contentsCommand(),
		verifyCommand(stdout),
		versionCommand(stdout),
	)

	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(stderr, "hornero-bootstrap:", err)
		return 1
	}

	return 0
}

func runCommand(stderr io.Writer) *cobra.Command {
	var debug bool
	var userData string
	command := &cobra.Command{
		Use:   "run",
		Short: "be this node's agent (what the unit starts)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			level := slog.LevelInfo
			if debug {
				level = slog.LevelDebug
			}

			handler := slog.NewTextHandler(stderr, &slog.HandlerOptions{
				Level:       level,
				ReplaceAttr: withoutTime,
			})

			return serve(cmd.Context(), slog.New(handler), userData)
		},
	}
	command.Flags().BoolVar(&debug, "debug", false, "log every heartbeat and what dqlite says")
	command.Flags().StringVar(&userData, "user-data", "", userDataUsage)

	return command
}

// withoutTime drops the time of a log line: the journal has it already.
func withoutTime(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) == 0 && attr.Key == slog.TimeKey {
		return slog.Attr{}
	}

	return attr
}

func serve(ctx context.Context, log *slog.Logger, userData string) error {
	// This comes first: it bounds the threads and the memory of all that follows.
	limitResources(ctx)

	// A role's manifest may differ by the release that the image is made of.
	release, err := imageRelease(record.Path)
	if err != nil {
		return err
	}

	dqlite := filepath.Join(stateDir, "dqlite")

	agent := bootstrap.New(bootstrap.Config{
		UserData: userData,
		State:    stateDir,
		Roles:    os.DirFS(record.RolesPath),
		Release:  release,
		Drivers:  drivers(ctx),
		Image:    immutable.Here(),
		Walls:    walls.Nft,
		Busy:     sockets.Busy,
		Version:  version,
		Log:      log,
		Known: func() bool {
			return peers.Known(dqlite)
		},
		SetAside: func() error { return peers.SetAside(dqlite) },
		Open: func(ctx context.Context, o bootstrap.Opening) (bootstrap.Member, error) {
			return openMember(ctx, dqlite, log, o)
		},
	})

	// root can ask from the start, also while the agent waits for user-data.
	go agent.ServeLocal(ctx, bootstrap.SocketPath)

	return agent.Run(ctx)
}

// openMember opens this node's part of consensus, in a folder of its own.
func openMember(ctx context.Context, dir string, log *slog.Logger, o bootstrap.Opening) (bootstrap.Member, error) {
	config := peers.Config{
		Dir:            dir,
		Stack:          o.Node.Stack,
		Node:           o.Node.Node,
		Address:        o.Address,
		Port:           roles.PeersPort,
		Join:           o.Join,
		Rights:         o.Rights,
		Era:            o.Era,
		TLS:            o.TLS,
		NotifyChange:   o.Tell,
		Refused:        o.Refused,
		PassHeartbeats: o.Pass,
		AvoidLeading:   o.Shun,
		Log:            log,
	}

	return peers.Open(ctx, config)
}

// imageRelease reads the release from the image's record.
func imageRelease(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the image's record: %w", err)
	}

	var image record.Image
	if err := json.Unmarshal(data, &image); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}

	return image.Release, nil
}

func versionCommand(stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  cobra.NoArgs,
		Run:   func(*cobra.Command, []string) { fmt.Fprintln(stdout, version) },
	}
}
