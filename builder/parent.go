package builder

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// errOrphaned is the cause of a build's end when its Packer was killed.
var errOrphaned = errors.New("its Packer ended in the middle of the build")

// parentInterval is how often a build looks whether its Packer still lives.
const parentInterval = 500 * time.Millisecond

// withParent returns a context that ends when the process that started this one does. A plugin whose Packer is
// killed would go on building for nobody, or die of the next line that it logs, as its standard error has no
// reader any more: so it stops by itself, and lives until it has cleared away what it made.
func withParent(ctx context.Context) (context.Context, context.CancelFunc) {
	// The next write to a log that nobody reads would kill the plugin before it cleared away.
	signal.Ignore(syscall.SIGPIPE)

	ctx, cancel := context.WithCancelCause(ctx)
	parent := os.Getppid()

	go func() {
		ticks := time.NewTicker(parentInterval)
		defer ticks.Stop()

		for {
			select {
			case <-ctx.Done():
				return

			case <-ticks.C:
				// An orphan gets another parent, init or a subreaper.
				if os.Getppid() != parent {
					cancel(errOrphaned)
				}
			}
		}
	}()

	return ctx, func() { cancel(nil) }
}
