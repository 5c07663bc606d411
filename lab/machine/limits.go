package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// sharedFolder holds what all labs on this computer share while one of them is up.
const sharedFolder = "/run/hornero"

// limits are what the kernel must allow root, who runs all Droplets at once: a systemd alone takes ten inotify
// instances of the usual 128, and each database asks for thousands of asynchronous requests.
func limits() map[string]int {
	return map[string]int{
		"fs/inotify/max_user_instances": 8192,
		"fs/inotify/max_user_watches":   524288,
		"fs/aio-max-nr":                 1048576,
	}
}

// limitsFile keeps what is raised, for all labs.
const limitsFile = sharedFolder + "/limits.json"

// raised is what was changed for the labs that are up, and what it was before.
type raised struct {
	Labs   []string          `json:"labs"`
	States map[string]string `json:"states,omitempty"` // where each of them keeps its Droplets
	Before map[string]int    `json:"before"`
}

// raiseLimits raises the limits that are too low. The last lab to go down puts them back.
func (h *Host) raiseLimits(ctx context.Context) error {
	return changeRaised(ctx, func(state *raised) error {
		if !slices.Contains(state.Labs, h.Name) {
			state.Labs = append(state.Labs, h.Name)
		}

		if state.States == nil {
			state.States = map[string]string{}
		}

		state.States[h.Name] = h.State

		for name, least := range limits() {
			now, err := readLimit(name)
			if err != nil {
				return err
			}
			if now >= least {
				continue
			}

			// Only the first lab sees the value that this computer had before.
			if _, ok := state.Before[name]; !ok {
				state.Before[name] = now
			}

			if err := writeLimit(name, least); err != nil {
				return err
			}
		}

		return nil
	})
}

func (h *Host) restoreLimits(ctx context.Context) error {
	return changeRaised(ctx, func(state *raised) error {
		state.Labs = slices.DeleteFunc(state.Labs, func(name string) bool {
			return name == h.Name
		})
		delete(state.States, h.Name)

		// Another lab is still up and needs the raised limits.
		if len(state.Labs) > 0 {
			return nil
		}

		for name, before := range state.Before {
			if err := writeLimit(name, before); err != nil {
				return err
			}
		}

		return nil
	})
}

// changeRaised changes what is remembered under a lock that all labs take. With the last lab all of it goes.
func changeRaised(ctx context.Context, change func(*raised) error) error {
	lock := filepath.Join(sharedFolder, "limits.lock")
	unlock, err := lockFile(ctx, lock)
	if err != nil {
		return fmt.Errorf("lock the kernel's limits: %w", err)
	}
	defer unlock()

	state := raised{Before: map[string]int{}}

	if err := readJSON(limitsFile, &state); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	if err := change(&state); err != nil {
		return err
	}

	if len(state.Labs) > 0 {
		return writeJSON(limitsFile, state)
	}

	return errors.Join(
		ignoreMissing(os.Remove(limitsFile)),
		os.Remove(lock),
		ignore(os.Remove(sharedFolder), syscall.ENOTEMPTY),
	)
}

func readLimit(name string) (int, error) {
	text, err := os.ReadFile(filepath.Join("/proc/sys", name))
	if err != nil {
		return 0, fmt.Errorf("read limit: %w", err)
	}

	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func writeLimit(name string, value int) error {
	if err := os.WriteFile(
		filepath.Join("/proc/sys", name),
		[]byte(strconv.Itoa(value)),
		0,
	); err != nil {
		return fmt.Errorf("set limit: %w", err)
	}

	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}

	return err
}
