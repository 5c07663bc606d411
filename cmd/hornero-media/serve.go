package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hornero/hornero/media"
)

func serveCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon; SIGHUP has it read its peers anew",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), o)
		},
	}
}

func serve(ctx context.Context, o *options) error {
	config, err := media.LoadConfig(o.config)
	if err != nil {
		return err
	}

	daemon := &media.Daemon{
		Config: config,
		Log:    slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}

	if err := daemon.Open(); err != nil {
		return err
	}

	// One door that closes ends all: the unit starts anew.
	ctx, stop := context.WithCancel(ctx)
	defer stop()

	ended := make(chan error, 3)
	begin := func(run func(context.Context) error) {
		go func() {
			defer stop()
			ended <- run(ctx)
		}()
	}

	begin(daemon.Run)
	begin(func(ctx context.Context) error { return daemon.ServeLocal(ctx, o.socket) })
	begin(daemon.ServePeers)

	reload(ctx, o, daemon)

	return errors.Join(<-ended, <-ended, <-ended)
}

// reload reads the peers anew at each SIGHUP, until ctx ends.
func reload(ctx context.Context, o *options, daemon *media.Daemon) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)

	defer signal.Stop(signals)

	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
		}

		config, err := media.LoadConfig(o.config)
		if err != nil {
			daemon.Log.Error("reload", "err", err)
			continue
		}

		daemon.Reload(config)
	}
}
