package machine

import (
	"bytes"
	"context"
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
)

// ErrClock says that a Droplet can't be shown another time.
var ErrClock = errors.New("the Droplet's programs can't be shown another time")

// A stepped Droplet preloads libfaketime into each program that starts. All of it lies in its /run, which is empty after a
// boot; on its disk are two links there, which mean nothing while they lead nowhere: its systemd itself never starts with it.
const (
	clockFolder  = "/run/hornero-clock"
	clockLibrary = clockFolder + "/libfaketime.so.1"
	clockOffset  = clockFolder + "/faketimerc"
	clockPreload = clockFolder + "/ld.so.preload"
)

// clockLinks are the links on the disk, the one that makes all the rest count last.
func clockLinks() []struct{ path, target string } {
	return []struct{ path, target string }{{"/etc/faketimerc", clockOffset}, {"/etc/ld.so.preload", clockPreload}}
}

// clockVariables hold in services: the monotonic clock goes on as it did, and another step is noticed soon.
func clockVariables() map[string]string {
	return map[string]string{"FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_CACHE_DURATION": "1"}
}

const (
	// guestAnswer is how long a guest may take to answer, one that boots too.
	guestAnswer = 15 * time.Second
	// clockInterval is how often a Droplet that is to be stepped is looked at, because it may have booted again.
	clockInterval = 300 * time.Millisecond
)

// SetClocks shows programs that start in Droplets from now on a time as far away as told, and those of all others the true
// one. A Droplet that is off, or boots again, is stepped as soon as its systemd answers.
func (h *Host) SetClocks(ctx context.Context, steps map[int]time.Duration) error {
	h.mutex.Lock()
	h.steps = maps.Clone(steps)
	begin := len(steps) > 0 && !h.keeping
	h.keeping = h.keeping || begin
	h.mutex.Unlock()
	if begin {
		go h.keepClocks()
	}
	ids, err := h.Droplets()
	for _, id := range ids {
		if problem := h.settleClock(ctx, id); problem != nil {
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
	told := map[int]int{} // the PID 1 whose trouble was told
	for {
		time.Sleep(clockInterval)
		h.mutex.Lock()
		steps := maps.Clone(h.steps)
		h.keeping = len(steps) > 0
		h.mutex.Unlock()
		if len(steps) == 0 {
			return
		}
		for id := range steps {
			pid, err := h.PID(id)
			if err != nil || exists(inRoot(pid, clockPreload)) {
				continue
			}
			if err := h.settleClock(context.Background(), id); err != nil && told[id] != pid {
				h.Logger.Warn("clock not stepped", "droplet", id, "err", err)
				told[id] = pid
			}
		}
	}
}

// settleClock brings one Droplet to the time that it is to have.
func (h *Host) settleClock(ctx context.Context, id int) error {
	defer h.lock(number(id))()
	step, stepped := h.step(id)
	pid, err := h.PID(id)
	running := err == nil
	switch {
	case running && stepped:
		return stepClock(ctx, pid, step)
	case running && (linked(h.upper(id)) || exists(inRoot(pid, clockFolder))):
		return restoreClock(ctx, pid)
	case !running && !stepped:
		return unlinkClock(h.upper(id))
	}
	return nil
}

func inRoot(pid int, path string) string { return fmt.Sprintf("/proc/%d/root%s", pid, path) }

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// stepClock steps the Droplet of a PID 1.
func stepClock(ctx context.Context, pid int, step time.Duration) error {
	library, err := hostLibrary()
	if err != nil {
		return err
	}
	err = inGuest(pid, func() error {
		if foreign, err := os.Lstat("/etc/ld.so.preload"); err == nil && !ownLink("/etc/ld.so.preload", clockPreload) {
			return fmt.Errorf("%w: it has a file %s of its own", ErrClock, "/etc/"+foreign.Name())
		}
		_, err := file.Write(clockLibrary, library, file.Options{Mode: 0o755})
		if err == nil {
			_, err = file.Write(clockOffset, fmt.Appendf(nil, "%+f\n", step.Seconds()), file.Options{Mode: 0o644})
		}
		return errors.Join(err, os.Chmod(clockFolder, 0o755))
	})
	if err != nil {
		return err
	}
	if err := tryLibrary(ctx, pid); err != nil {
		return err
	}
	set := []string{"set-environment"}
	for name, value := range clockVariables() {
		set = append(set, name+"="+value)
	}
	if err := tellSystemd(ctx, pid, set); err != nil {
		return err
	}
	return inGuest(pid, func() error {
		_, err := file.Write(clockPreload, []byte(clockLibrary+"\n"), file.Options{Mode: 0o644})
		for _, link := range clockLinks() {
			if err == nil && !ownLink(link.path, link.target) {
				err = errors.Join(ignoreMissing(os.Remove(link.path)), os.Symlink(link.target, link.path))
			}
		}
		return err
	})
}

// hostLibrary is this computer's libfaketime, in the build for programs of several threads.
func hostLibrary() ([]byte, error) {
	found, err := filepath.Glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
	if err != nil || len(found) == 0 {
		return nil, errors.New("find libfaketime: `apt-get install libfaketime` gives this computer what stepped clocks need")
	}
	return os.ReadFile(found[0])
}

// tryLibrary finds out whether the guest's programs can load the library: ld.so says so when they can't, and goes on.
func tryLibrary(ctx context.Context, pid int) error {
	var said bytes.Buffer
	_, err := command.Run(ctx, command.Command{Args: append(enterGuest(pid), "env", "LD_PRELOAD="+clockLibrary, "true"), Output: &said})
	if err == nil && said.Len() > 0 {
		err = fmt.Errorf("%w: %s", ErrClock, strings.TrimSpace(said.String()))
	}
	return err
}

// restoreClock gives the Droplet of a PID 1 the true time back. Programs that have the library loaded find nothing to read
// and go back to it. The folder goes last: while it is there this is done again.
func restoreClock(ctx context.Context, pid int) error {
	if err := inGuest(pid, func() error { return unlinkClock("/") }); err != nil {
		return err
	}
	unset := []string{"unset-environment"}
	for name := range clockVariables() {
		unset = append(unset, name)
	}
	if err := tellSystemd(ctx, pid, unset); err != nil {
		return err
	}
	return inGuest(pid, func() error {
		var problems []error
		for _, pattern := range []string{"/dev/shm/faketime_shm_*", "/dev/shm/sem.faketime_sem_*"} { // what the library left
			left, err := filepath.Glob(pattern)
			problems = append(problems, err)
			for _, path := range left {
				problems = append(problems, ignoreMissing(os.Remove(path)))
			}
		}
		return errors.Join(append(problems, os.RemoveAll(clockFolder))...)
	})
}

// unlinkClock removes the links from a disk, and nothing that is somebody else's.
func unlinkClock(root string) error {
	for _, link := range clockLinks() {
		if path := filepath.Join(root, link.path); ownLink(path, link.target) {
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("remove %s: %w", link.path, err)
			}
		}
	}
	return nil
}

func linked(root string) bool {
	for _, link := range clockLinks() {
		if ownLink(filepath.Join(root, link.path), link.target) {
			return true
		}
	}
	return false
}

func ownLink(path, target string) bool {
	found, err := os.Readlink(path)
	return err == nil && found == target
}

// tellSystemd has the guest's systemd do something, and waits while it boots.
func tellSystemd(ctx context.Context, pid int, what []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, guestAnswer, errors.New("its systemd does not answer"))
	defer cancel()
	var last error
	err := until(ctx, func() bool {
		_, last = command.Run(ctx, command.Command{Args: append(append(enterGuest(pid), "systemctl"), what...)})
		return last == nil
	})
	if err != nil {
		return errors.Join(err, last)
	}
	return nil
}

// enterGuest runs what follows inside the guest of a PID 1.
func enterGuest(pid int) []string {
	return []string{"nsenter", "--target", number(pid), "--all", "--"}
}

// inGuest runs f on a thread that sees the file systems of a PID 1's guest and nothing else, so that no link of the guest
// leads out of it. One that is only about to leave this computer's file systems is not entered.
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
		if err := errors.Join(unix.Unshare(unix.CLONE_FS), unix.Setns(int(guest.Fd()), unix.CLONE_NEWNS)); err != nil {
			return fmt.Errorf("enter the guest's mounts: %w", err)
		}
		var here unix.Stat_t
		if err := unix.Stat("/", &here); err != nil || here.Dev == outside.Dev {
			return errors.Join(ErrNotRunning, err)
		}
		return f()
	})
}
