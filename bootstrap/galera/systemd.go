package galera

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/systemd"
)

// commandTimeout bounds the short systemctl calls; the server's own start is never bounded.
const commandTimeout = 20 * time.Second

// stateTimeout bounds the question what the unit does: until it is answered, a server that is down is not said to be.
const stateTimeout = 2 * time.Second

var (
	errNoSystemd = errors.New("systemd did not answer")
	errNoJournal = errors.New("the journal did not answer")
)

// Systemd drives the server's unit.
type Systemd struct {
	Name string // mariadb.service
	// NewCluster is the file through which galera_new_cluster passes its option to the unit, for one start; "" for no
	// such unit.
	NewCluster string
}

// newCluster is the variable in that file. Debian 9's galera_new_cluster sets it in systemd's own environment
// instead, where it stays when the script is killed.
const newCluster = "_WSREP_NEW_CLUSTER"

// State reads what systemd makes of the unit.
func (s Systemd) State(ctx context.Context) (Process, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, stateTimeout, errNoSystemd)
	defer cancel()

	state, err := systemd.Ctl(s.systemctl).State(ctx, s.Name)
	if err != nil {
		return "", err
	}

	// An active unit may still be receiving its state: that it runs, its answer to SQL tells.
	switch state {
	case "active", "activating", "reloading", "refreshing":
		return ProcessStarting, nil
	case "deactivating":
		return ProcessStopping, nil
	case "failed":
		return ProcessFailed, nil
	case "inactive", "maintenance":
		return ProcessStopped, nil
	default:
		return "", fmt.Errorf("read state of %s: unknown word %q", s.Name, state)
	}
}

// Start removes what an interrupted bootstrap may have left, so that a member never starts as the first of a cluster.
func (s Systemd) Start(ctx context.Context) error {
	if err := s.clearNewCluster(ctx); err != nil {
		return fmt.Errorf("start %s: %w", s.Name, err)
	}

	// A start may take as long as a state transfer, so it is not waited for here.
	_, err := s.systemctl(ctx, "start", "--no-block", s.Name)

	return err
}

func (s Systemd) clearNewCluster(ctx context.Context) error {
	if s.NewCluster == "" {
		return nil
	}

	if err := os.Remove(s.NewCluster); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	// The script of Debian 9 leaves the option in systemd's environment when it is killed.
	_, err := s.systemctl(ctx, "unset-environment", newCluster)

	return err
}

// Bootstrap runs Debian's galera_new_cluster, which starts the unit with its option for one start and returns
// when the server is up.
func (s Systemd) Bootstrap(ctx context.Context) error {
	unit := strings.TrimSuffix(s.Name, ".service")

	_, err := command.Run(ctx, command.Command{Args: []string{"galera_new_cluster", unit}})
	if err != nil {
		return fmt.Errorf("bootstrap %s: %w", s.Name, err)
	}

	return nil
}

// Stop asks for a stop.
func (s Systemd) Stop(ctx context.Context) error {
	_, err := s.systemctl(ctx, "stop", "--no-block", s.Name)
	return err
}

// Kill ends every process of the unit at once.
func (s Systemd) Kill(ctx context.Context) error {
	_, err := s.systemctl(ctx, "kill", "--signal=SIGKILL", s.Name)
	return err
}

func (s Systemd) systemctl(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTimeout, errNoSystemd)
	defer cancel()

	return systemd.Systemctl(ctx, args...)
}

// troubleLines is how much of the server's journal is searched for errors.
const troubleLines = "1000"

// Trouble reads the server's errors since its start was asked for: those of an earlier start speak of that one.
func (s Systemd) Trouble(ctx context.Context, since time.Time) Trouble {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTimeout, errNoJournal)
	defer cancel()

	args := []string{
		"journalctl", "--unit", s.Name,
		"--boot", "--since", fmt.Sprintf("@%d", since.Unix()),
		"--lines", troubleLines,
		"--output", "cat", "--no-pager",
	}

	// Without the journal the start's own error is told.
	out, err := command.Run(ctx, command.Command{Args: args})
	if err != nil {
		return Trouble{}
	}

	return TroubleOf(out)
}
