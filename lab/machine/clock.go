package machine

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/guest"
)

// ErrClock says that a Droplet can't be shown another time.
var ErrClock = errors.New("the Droplet's programs can't be shown another time")

// A stepped Droplet preloads a library into each program that starts. All of it lies in the Droplet's /run,
// which is empty after a boot; on its disk is a link there, which means nothing while it leads nowhere.
const (
	clockFolder  = "/run/hornero-clock"
	clockLibrary = clockFolder + "/clock.so"
	clockStep    = clockFolder + "/step" // in nanoseconds, mapped by every program that has the library
	clockPreload = clockFolder + "/ld.so.preload"
	clockLink    = "/etc/ld.so.preload"
)

//go:embed preload/clock.c
var clockSource string

// clockInterval is how often a Droplet that is to be stepped is looked at, because it may have booted again.
const clockInterval = 200 * time.Millisecond

// SetClocks shows programs that start in Droplets from now on a time as far away as told, and those of all
// others the true one. A Droplet that is off, or boots again, is stepped as soon as it is up.
func (h *Host) SetClocks(ctx context.Context, steps map[int]time.Duration) error {
	h.mutex.Lock()
	h.steps = maps.Clone(steps)
	begin := len(steps) > 0 && !h.keeping
	h.keeping = h.keeping || begin
	h.mutex.Unlock()

	// One goroutine is enough for all Droplets; it ends by itself when no step is left.
	if begin {
		go h.keepClocks()
	}

	ids, err := h.Droplets()
	for _, id := range ids {
		if problem := h.reconcileClock(ctx, id); problem != nil {
			err = errors.Join(err, fmt.Errorf("step the clock of Droplet %d: %w", id, problem))
		}
	}

	return err
}

func (h *Host) step(id int) (time.Duration, bool) {
	h.mutex.Lock()
	defer h.mutex.Unlock()

	step, stepped := h.steps[id]

	return step, stepped
}

// keepClocks steps Droplets that booted, until none is to be stepped.
func (h *Host) keepClocks() {
	warned := map[int]int{} // by Droplet: the PID 1 about which a warning was logged
	for {
		time.Sleep(clockInterval)
		h.mutex.Lock()
		steps := maps.Clone(h.steps)

		// Set under the lock that SetClocks takes: a step that is added after it starts a new goroutine.
		h.keeping = len(steps) > 0
		h.mutex.Unlock()

		if len(steps) == 0 {
			return
		}

		for id := range steps {
			// The preload file lies in the guest's /run, so that its absence means that the Droplet booted again.
			pid, err := h.PID(id)
			if err != nil || exists(inRoot(pid, clockPreload)) {
				continue
			}

			// A Droplet that refuses the library would do so every 200 ms: one warning for each boot is enough.
			err = h.reconcileClock(context.Background(), id)
			if err != nil && !errors.Is(err, ErrNotRunning) && warned[id] != pid {
				h.Logger.Warn("clock not stepped", "droplet", id, "err", err)
				warned[id] = pid
			}
		}
	}
}

// reconcileClock brings one Droplet to the time that it is to have.
func (h *Host) reconcileClock(ctx context.Context, id int) error {
	defer h.lock(number(id))()

	step, stepped := h.step(id)
	pid, err := h.PID(id)
	running := err == nil

	switch {
	case running && stepped:
		return stepClock(ctx, pid, step)

	// The link or the folder tells of a step from an earlier lab process, too.
	case running && (ownLink(h.upper(id)) || exists(inRoot(pid, clockFolder))):
		return inGuest(pid, restoreClock)
	case !running && !stepped:
		return unlinkClock(h.upper(id))
	}

	return nil
}

func inRoot(pid int, path string) string {
	return fmt.Sprintf("/proc/%d/root%s", pid, path)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// stepClock steps the Droplet of a PID 1.
func stepClock(ctx context.Context, pid int, step time.Duration) error {
	library, err := compileClock(ctx)
	if err != nil {
		return err
	}

	err = inGuest(pid, func() error {
		// A preload file of the guest's own may be vital to it: it is never replaced.
		if exists(clockLink) && !ownLink("/") {
			return fmt.Errorf("%w: it has a file %s of its own", ErrClock, clockLink)
		}

		// Programs of all users must be able to open the library: the folder is readable whatever the umask says.
		_, err := file.Write(clockLibrary, library, file.Options{Mode: 0o755})

		return errors.Join(err,
			os.Chmod(clockFolder, 0o755),
			writeStep(step),
		)
	})
	if err != nil {
		return err
	}

	// The library is tried before the link makes every new program load it.
	if err := tryLibrary(ctx, pid); err != nil {
		return errors.Join(err, inGuest(pid, restoreClock))
	}

	return inGuest(pid, func() error {
		// The link comes last: until it exists no program of the guest reads the preload file.
		if _, err := file.Write(
			clockPreload,
			[]byte(clockLibrary+"\n"),
			file.Options{Mode: 0o644},
		); err != nil || ownLink("/") {
			return err
		}

		return os.Symlink(clockPreload, clockLink)
	})
}

// compileClock makes the library, with this computer's compiler. libfaketime is no choice: it changes the
// monotonic clock or spoils waits on it, and keeps shared memory, for which the sandbox of Debian 12's sshd
// ends every login.
func compileClock(ctx context.Context) ([]byte, error) {
	folder, err := os.MkdirTemp("", "hornero-clock-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)

	result := filepath.Join(folder, "clock.so")
	_, err = command.Run(ctx, command.Command{
		Input: clockSource,
		Args: []string{"gcc", "-x", "c", "-O2", "-shared", "-fPIC", "-nostartfiles",
			"-DSTEP_FILE=\"" + clockStep + "\"", "-o", result, "-"},
	})
	if err != nil {
		return nil, fmt.Errorf(
			"compile the library of stepped clocks (`apt-get install gcc libc6-dev` gives this computer what "+
				"that needs): %w",
			err,
		)
	}

	return os.ReadFile(result)
}

// writeStep tells a guest's programs how far away their time is. The file stays the same one: they have it mapped.
func writeStep(step time.Duration) error {
	steps, err := os.OpenFile(clockStep, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}

	_, err = steps.Write(binary.NativeEndian.AppendUint64(nil, uint64(step)))

	return errors.Join(err, steps.Close())
}

// tryLibrary finds out whether the guest's programs can load the library: ld.so says so when they can't, and goes on.
func tryLibrary(ctx context.Context, pid int) error {
	var said bytes.Buffer
	_, err := command.Run(ctx, command.Command{
		Args:   guest.Enter(pid, "env", "LD_PRELOAD="+clockLibrary, "true"),
		Output: &said,
	})
	if err == nil && said.Len() > 0 {
		err = fmt.Errorf("%w: %s", ErrClock, strings.TrimSpace(said.String()))
	}

	return err
}

// restoreClock gives the guest that the thread is in the true time back: programs that have the library go back
// to it at once, others never load it.
func restoreClock() error {
	var problem error
	if exists(clockStep) {
		// Running programs keep the file mapped after it is removed: zero must be in it before.
		problem = writeStep(0)
	}

	return errors.Join(
		problem,
		unlinkClock("/"),
		os.RemoveAll(clockFolder),
	)
}

// unlinkClock removes the link from a disk, and nothing that is somebody else's.
func unlinkClock(root string) error {
	if !ownLink(root) {
		return nil
	}
	if err := os.Remove(filepath.Join(root, clockLink)); err != nil {
		return fmt.Errorf("remove %s: %w", clockLink, err)
	}

	return nil
}

func ownLink(root string) bool {
	target, err := os.Readlink(filepath.Join(root, clockLink))
	return err == nil && target == clockPreload
}

// inGuest runs f on a thread that sees the file systems of a PID 1's guest and nothing else, so that no link of
// the guest leads out of it. One that is only about to leave this computer's file systems is not entered.
func inGuest(pid int, f func() error) error {
	guest, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotRunning
	} else if err != nil {
		return err
	}
	defer guest.Close()

	var outside unix.Stat_t

	if err := unix.Stat("/", &outside); err != nil {
		return err
	}

	return onThread(func() error {
		if err := errors.Join(
			unix.Unshare(unix.CLONE_FS),
			unix.Setns(int(guest.Fd()), unix.CLONE_NEWNS),
		); err != nil {
			return fmt.Errorf("enter the guest's mounts: %w", err)
		}

		// Right after its start PID 1 still shares this computer's root: writing then would change this computer.
		var here unix.Stat_t
		if err := unix.Stat("/", &here); err != nil || here.Dev == outside.Dev {
			return errors.Join(ErrNotRunning, err)
		}

		return f()
	})
}
