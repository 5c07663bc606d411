package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/lab/state"
)

// readyVariable tells a detached lab which file descriptor to say "ready" on.
const readyVariable = "HORNERO_LAB_READY"

// abandonSignal asks a lab to end without ending its Droplets, because a reset is about to remove them.
const abandonSignal = syscall.SIGUSR1

// Start starts a lab detached from this process and waits until it answers. A lab that runs is found: started is
// false then. arguments is the command that serves the lab in the foreground.
func Start(ctx context.Context, name string, arguments []string) (endpoint Endpoint, started bool, err error) {
	folder := FolderOf(name)
	unlock, err := folder.lock()
	if err != nil {
		return endpoint, false, err
	}
	defer unlock()

	// the folder's lock is held: of two starts at once the second finds the lab of the first
	if endpoint, err := Locate(name); !errors.Is(err, ErrNotRunning) {
		return endpoint, false, err
	}

	if err := folder.launch(ctx, arguments); err != nil {
		return endpoint, false, err
	}

	// a process that only says "ready" is not believed: it must hold the server's lock
	endpoint, err = Locate(name)

	return endpoint, err == nil, err
}

// maxLog is how large a log may be before a start begins a new one and keeps the old beside it.
const maxLog = 8 << 20

// openLog opens the lab's log to add to.
func (f Folder) openLog() (*os.File, error) {
	if info, err := os.Stat(f.LogFile()); err == nil && info.Size() > maxLog {
		// one old log is kept: two files bound what a lab's log can fill
		if err := os.Rename(f.LogFile(), f.LogFile()+".1"); err != nil {
			return nil, err
		}
	}

	return os.OpenFile(f.LogFile(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// launch starts the lab's process and waits until it says that it is ready, or ends.
func (f Folder) launch(ctx context.Context, arguments []string) error {
	log, err := f.openLog()
	if err != nil {
		return fmt.Errorf("open the lab's log: %w", err)
	}
	defer log.Close()

	ready, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()

	process := exec.Command(arguments[0], arguments[1:]...)

	// a lab that stays for weeks must not keep the starter's folder busy
	process.Dir = "/"
	process.Stdout = log
	process.Stderr = log
	process.ExtraFiles = []*os.File{tell}
	process.Env = append(os.Environ(), readyVariable+"=3")

	// a session of its own keeps the terminal's signals away from the lab
	process.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = process.Start()

	// with our copy still open, the end of the lab would not end the read below
	tell.Close()

	if err != nil {
		return fmt.Errorf("start the lab: %w", err)
	}

	go process.Wait() // no zombie while the caller lives on

	// a read of a pipe knows no context: a deadline in the past ends it
	stop := context.AfterFunc(ctx, func() {
		ready.SetReadDeadline(time.Now())
	})
	defer stop()

	said, err := bufio.NewReader(ready).ReadString('\n')

	switch {
	case ctx.Err() != nil:
		process.Process.Signal(syscall.SIGTERM)
		return fmt.Errorf("start the lab: %w", context.Cause(ctx))
	case err != nil:
		return fmt.Errorf("start the lab: it ended at once; the end of %s says why", f.LogFile())
	case strings.TrimSpace(said) != "ready":
		return fmt.Errorf("start the lab: %s", strings.TrimSpace(said))
	}

	return nil
}

// ServeForeground serves a lab in this process until it is interrupted or terminated. It logs to its log file and,
// when somebody sees it, to stderr.
func ServeForeground(ctx context.Context, options Options, stderr io.Writer, ready func(Endpoint)) error {
	folder := FolderOf(options.Name)
	tell := readyPipe()
	defer tell.Close()

	logger, closeLog, err := folder.logger(tell != nil, stderr)
	if err != nil {
		return err
	}
	defer closeLog()

	options.Logger = logger
	ctx, stop := untilSignalled(ctx)
	defer stop()

	err = Serve(ctx, options, func(endpoint Endpoint) {
		if tell == nil {
			ready(endpoint)
			return
		}

		// the starter reads one line and goes: nothing more can be said to it
		fmt.Fprintln(tell, "ready")
		tell.Close()
	})
	if err != nil {
		logger.Error("lab ended", "err", err)
		if tell != nil {
			// the starter shows one line to its user: an error of several must fit into it
			fmt.Fprintln(tell, strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}

	return err
}

// readyPipe is where a detached lab tells its starter that it is ready; nil when there is no starter.
func readyPipe() *os.File {
	if os.Getenv(readyVariable) != "3" {
		return nil
	}

	// what the lab starts must neither think that it is a lab nor keep the pipe open
	os.Unsetenv(readyVariable)
	syscall.CloseOnExec(3)

	return os.NewFile(3, "ready")
}

func (f Folder) logger(detached bool, stderr io.Writer) (*slog.Logger, func(), error) {
	if detached { // stderr is the log file already
		return slog.New(slog.NewTextHandler(stderr, nil)), func() {}, nil
	}

	if err := f.make(); err != nil {
		return nil, nil, err
	}

	log, err := f.openLog()
	if err != nil {
		return nil, nil, fmt.Errorf("open the lab's log: %w", err)
	}

	return slog.New(slog.NewTextHandler(
		io.MultiWriter(stderr, log),
		nil,
	)), func() { log.Close() }, nil
}

// untilSignalled ends the context when this process is interrupted, terminated or told to leave its Droplets alone.
func untilSignalled(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, abandonSignal)

	go func() {
		select {
		case <-ctx.Done():

		case received := <-signals:
			// a context keeps its first cause: the second cancel changes nothing then
			if received == abandonSignal {
				cancel(errAbandoned)
			}

			cancel(fmt.Errorf("signal: %s", received))
		}
	}()

	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

// stopTime is how long a lab has to end by itself.
const stopTime = guestTime + downTime + 10*time.Second

// Stop ends a lab and its Droplets and keeps its state; after a crash it ends what the crash left running. It
// reports whether there was anything to end.
func Stop(ctx context.Context, name string, logger *slog.Logger) (bool, error) {
	folder := FolderOf(name)
	if !folder.exists() {
		return false, nil
	}

	unlock, err := folder.lock()
	if err != nil {
		return false, err
	}
	defer unlock()

	ran, err := folder.endServer(ctx, syscall.SIGTERM, stopTime)
	if err != nil {
		return ran, err
	}

	// a lab that crashed leaves its guests running: they are ended here
	left, err := folder.endLeftovers(ctx, logger)

	return ran || left, err
}

// endServer signals the process that serves the lab, if any, and waits until it is gone.
func (f Folder) endServer(ctx context.Context, with syscall.Signal, within time.Duration) (bool, error) {
	running, err := f.running()
	if errors.Is(err, ErrNotRunning) {
		return false, nil
	}

	if err != nil {
		return false, err
	}

	// the process may have ended since it was looked up: that is what was wanted
	if err := syscall.Kill(running.PID, with); err != nil && !errors.Is(err, syscall.ESRCH) {
		return true, fmt.Errorf("end lab %s (process %d): %w", f.Name, running.PID, err)
	}

	ctx, cancel := context.WithTimeoutCause(ctx,
		within,
		fmt.Errorf("process %d still runs after %s", running.PID, within),
	)
	defer cancel()

	// the lock goes with the process: its release tells the end even of one that is no child
	for {
		held, err := lockHeld(f.serverLock())
		if err != nil || !held {
			return true, err
		}

		select {
		case <-ctx.Done():
			return true, fmt.Errorf("end lab %s: %w", f.Name, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// endLeftovers ends what a crashed lab left running, guests first.
func (f Folder) endLeftovers(ctx context.Context, logger *slog.Logger) (bool, error) {
	// without the server's lock a start could boot the guests that are ended here
	unlock, err := f.lockServer()
	if err != nil {
		return false, err
	}
	defer unlock()

	// a lab without settings never got as far as having machines
	kept, err := f.settings()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}

	if err != nil {
		return false, err
	}

	host, err := f.host(kept, nil, logger)
	if err != nil {
		return false, err
	}

	if err := f.checkElsewhere(host); err != nil {
		return false, err
	}

	store, err := state.Open(f.stateFile(), api.Fresh(time.Now()))
	if err != nil {
		return false, err
	}

	// this server only powers off: it is never started, and needs neither balancers nor a token
	server := api.New(api.Options{
		Store:           store,
		Machines:        &hostMachines{host: host, logger: logger},
		ShutdownTimeout: guestTime,
		Logger:          logger,
	})

	ended, err := server.PowerOffAll(ctx)

	if removed := os.Remove(f.runFile()); removed == nil {
		ended++
	}

	return ended > 0, errors.Join(err, host.Down(ctx))
}

// abandonTime is how long a lab has to let go of its Droplets before it is killed.
const abandonTime = 10 * time.Second

// Reset ends a lab and removes all of it: processes, mounts, namespaces, cgroups, routes, files. It works on a lab
// that runs, that crashed, or that an earlier reset left half removed.
func Reset(ctx context.Context, name string, logger *slog.Logger) error {
	folder := FolderOf(name)
	if folder.exists() {
		// both locks are held until the folder is gone: no start can come between
		unlock, err := folder.lockForReset(ctx, logger)
		if err != nil {
			return err
		}
		defer unlock()
	} else {
		// namespaces and guests are found by name: another folder's running lab would lose them
		release, err := claimName(name)
		if err != nil {
			return fmt.Errorf("reset lab %s: %w", name, err)
		}
		defer release()
	}

	kept, err := folder.settings()
	// gone or damaged: the range does not matter to what is left by name
	if err != nil || !kept.Public.IsValid() {
		kept = settings{Public: defaultPublic()}
	}

	host, err := folder.host(kept, nil, logger)
	if err != nil {
		return err
	}

	if err := folder.checkElsewhere(host); err != nil {
		return err
	}

	if err := host.Reset(ctx); err != nil {
		return err
	}

	return folder.remove()
}

// lockForReset ends the lab's process and makes sure that none starts until unlock.
func (f Folder) lockForReset(ctx context.Context, logger *slog.Logger) (unlock func(), err error) {
	unlockFolder, err := f.lock()
	if err != nil {
		return nil, err
	}

	// the guests are about to be removed: asking each to shut down would take time only
	if _, err = f.endServer(ctx, abandonSignal, abandonTime); err != nil {
		logger.Warn("lab did not end by itself; killing it", "err", err)
		_, err = f.endServer(ctx, syscall.SIGKILL, abandonTime)
	}

	unlockServer := func() {}
	if err == nil {
		unlockServer, err = f.lockServer()
	}

	if err != nil {
		unlockFolder()
		return nil, err
	}

	return func() {
		unlockServer()
		unlockFolder()
	}, nil
}

// Status is a lab as `hornero lab status` shows it.
type Status struct {
	Name      string `json:"name"`
	Owner     string `json:"owner"` // the folder of the stack that it belongs to
	Running   bool   `json:"running"`
	PID       int    `json:"pid"`
	URL       string `json:"url"`
	TokenFile string `json:"token_file"`
	Pace      Pace   `json:"pace"`
	SpacesURLs
	ACMEURLs
	api.Status
}

// StatusOf tells what a lab holds now. A lab that does not run is no error.
func StatusOf(ctx context.Context, name string) (Status, error) {
	folder := FolderOf(name)
	status := Status{
		Name:       name,
		TokenFile:  folder.TokenFile(),
		SpacesURLs: noSpaces(),
		Status: api.Status{
			Droplets:      []api.DropletStatus{},
			LoadBalancers: []api.BalancerStatus{},
		},
	}

	// a lab that was never started has no settings, and a status all the same
	if kept, err := folder.settings(); err == nil {
		status.Owner = folderOf(kept.Owner)
		status.PublicRange, status.Pace = kept.Public.String(), kept.Pace
	}

	running, err := folder.running()
	if errors.Is(err, ErrNotRunning) {
		return status, nil
	}

	if err != nil {
		return status, err
	}

	status.Running, status.PID, status.URL = true, running.PID, running.URL
	status.SpacesURLs, status.ACMEURLs = running.SpacesURLs, running.ACMEURLs

	endpoint, err := Locate(name)
	if err != nil {
		return status, err
	}

	status.Status, err = endpoint.Status(ctx)

	return status, err
}
