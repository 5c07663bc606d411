package immutable

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/command"
)

// GuardFile are the rules that keep all but root from the metadata service; a unit of the image loads them at boot.
const GuardFile = "/usr/lib/hornero/metadata-guard.nft"

// guardTimeout bounds a call of nft.
const guardTimeout = 5 * time.Second

// EnsureMetadataGuard loads the rules that keep all but root from the metadata service again when they are gone, and
// says what was wrong; "" when nothing was. Whoever flushes the ruleset removes them, too: a firewall of the user's
// own does so. An error means that nobody could look.
func (i *Image) EnsureMetadataGuard(ctx context.Context) (string, error) {
	if _, err := i.Faults.stat(i.at(GuardFile)); err != nil {
		if IsShortage(err) {
			return "", fmt.Errorf("look at %s: %w", GuardFile, err)
		}

		// An image without the file has another finding: its record lists it.
		return "", nil
	}

	rules, err := i.nft(ctx, "list", "table", "ip", "hornero_metadata")
	inForce := err == nil && strings.Contains(rules, "169.254.169.254") && strings.Contains(rules, "drop")

	// A call that the agent's own end cut off tells nothing of the rules.
	if ctx.Err() != nil || inForce {
		return "", nil
	}

	if couldNotAsk(err) {
		return "", fmt.Errorf("look at the rules of %s: %w", GuardFile, err)
	}

	what := "is not in force: any program on this node could ask for its user-data; "

	if _, err := i.nft(ctx, "-f", i.at(GuardFile)); err != nil {
		return what + "loading it again: " + said(err), nil
	}

	return what + "loaded again", nil
}

// couldNotAsk tells that a call of nft says nothing of the rules: it was not run, did not end by itself, or lacked what
// this node lacks.
func couldNotAsk(err error) bool {
	failed := new(command.Error)
	if !errors.As(err, &failed) {
		return false
	}

	killed := failed.ExitCode < 0 && !errors.Is(err, fs.ErrNotExist)

	return killed || IsShortage(err) || saysShortage(failed.Tail)
}

func (i *Image) nft(ctx context.Context, args ...string) (string, error) {
	if err := i.Faults.at(opExec, "/usr/sbin/nft"); err != nil {
		return "", &command.Error{Args: args, ExitCode: -1, Err: err}
	}

	ctx, cancel := context.WithTimeoutCause(ctx, guardTimeout, errors.New("nft did not end"))
	defer cancel()

	return command.Run(ctx, command.Command{Args: append([]string{"/usr/sbin/nft"}, args...)})
}

// said is the same for the same failure: a finding that differs is told anew.
func said(err error) string {
	if failed := new(command.Error); errors.As(err, &failed) && failed.Tail != "" {
		return failed.Tail
	} else if failed.Err != nil {
		return failed.Err.Error()
	}

	return err.Error()
}
