//go:build root

package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const (
	recordName = "kept.json"
	stackPart  = "stack.yaml" // the one part that the images are not made from
)

// record tells the next run what was kept, and what it was made from. It is there between two runs only.
type record struct {
	Lab      string
	At       time.Time
	Stage    stage
	Setup    setup
	Parts    map[string]string // name of a file or folder of the checkout -> digest
	Address  string
	Reserved string
	Launched string // stack.yaml as the stack was launched from it
}

func (h *harness) writeRecord() error {
	parts, err := digests(h.stack.root)
	if err != nil {
		return err
	}

	text, err := json.MarshalIndent(record{
		Lab:      h.stack.lab,
		At:       time.Now().Round(time.Second),
		Stage:    h.stage,
		Setup:    h.setup,
		Parts:    parts,
		Address:  h.stack.address,
		Reserved: h.stack.reserved,
		Launched: h.stack.launchedFrom,
	}, "", "\t")
	if err != nil {
		return err
	}

	return os.WriteFile(filepath.Join(h.stack.folder, recordName), text, 0o600)
}

// takeRecord reads the record and removes it: a run that ends before it writes another leaves none.
func takeRecord(folder string) (kept record, found bool, err error) {
	path := filepath.Join(folder, recordName)
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return kept, false, nil
	}

	if err != nil {
		return kept, false, err
	}

	if err := os.Remove(path); err != nil {
		return kept, false, err
	}

	return kept, true, json.Unmarshal(text, &kept)
}

// takeOver finds out what of an earlier run is of use, and removes the rest.
func (h *harness) takeOver() {
	h.t.Helper()
	kept, found, err := takeRecord(h.stack.folder)

	reason := ""
	switch {
	case err != nil:
		reason = fmt.Sprintf("the record of the last run cannot be read: %v", err)
	case !found:
		reason = "no run has kept anything"
	case os.Getenv("E2E_FRESH") != "":
		reason = "FRESH=1"
	case kept.Lab != h.stack.lab:
		// The lab of the other place is not removed: this checkout may be a copy of one that uses it.
		reason = fmt.Sprintf("the checkout was moved or copied; `bin/hornero lab reset --name %s` removes what the "+
			"one in the other place kept", kept.Lab)
	case !slices.Equal(kept.Setup.LabFlags, h.setup.LabFlags) ||
		!slices.Equal(kept.Setup.BakeFlags, h.setup.BakeFlags):
		reason = "this test needs another lab"
	default:
		if err := h.stack.findLab(); err != nil {
			reason = err.Error()
		}
	}

	if reason == "" {
		reason = h.adopt(kept)
	}

	if reason != "" {
		h.t.Logf("lab, images and stack are made anew: %s", reason)
		require.NoError(h.t, h.discard())
	}
}

// adopt takes over what was kept, and goes back as far as what has changed since; it says why it cannot.
func (h *harness) adopt(kept record) (problem string) {
	h.t.Helper()
	parts, err := digests(h.stack.root)
	require.NoError(h.t, err)

	h.stage = kept.Stage
	h.stack.address = kept.Address
	h.stack.reserved = kept.Reserved
	h.stack.launchedFrom = kept.Launched

	changed := changes(kept.Parts, parts)
	if len(changed) == 0 && reflect.DeepEqual(kept.Setup, h.setup) {
		h.t.Logf("taken over from the run of %s: lab %s at %s, %s",
			kept.At.Format(time.DateTime), h.stack.lab, h.stack.apiURL, h.stage)

		return h.dropIll()
	}

	h.t.Logf("the stack that was kept is replaced: changed since are %s", strings.Join(changed, ", "))

	if h.stage == launched {
		if err := h.destroyStack(); err != nil {
			return err.Error()
		}
	}

	if slices.Equal(changed, []string{stackPart}) {
		return ""
	}

	// The lab is a program of the checkout, too. It keeps its images; the bake knows which of them still fit.
	out, err := h.stack.tryFor(2*time.Minute, "lab", "stop", "--name", h.stack.lab)
	if err != nil {
		return fmt.Sprintf("stop the lab: %v\n%s", err, out)
	}

	h.stage = noLab

	return ""
}

// dropIll destroys a stack that is not healthy any more: a bench may have kept it as it left it.
func (h *harness) dropIll() (problem string) {
	h.t.Helper()

	if h.stage < launched {
		return ""
	}

	left := h.stack.left()
	if len(left) == 0 {
		return ""
	}

	h.t.Logf("the stack that was kept is replaced: %s", strings.Join(left, "; "))

	if err := h.destroyStack(); err != nil {
		return err.Error()
	}

	return ""
}

// changes names the parts that differ.
func changes(before, now map[string]string) (changed []string) {
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if before[name] != now[name] {
			changed = append(changed, name)
		}
	}

	return changed
}

// digests reads all that the lab, the images and the stack are made from.
func digests(root string) (map[string]string, error) {
	found := map[string]string{}
	for _, name := range []string{
		"bin/hornero",
		"bin/hornero-bootstrap",
		"bin/packer-plugin-hornero",
		"roles",
		"images",
		"scripts/images.sh",
		stackPart,
	} {
		digest, err := digestOf(filepath.Join(root, name))
		if err != nil {
			return nil, err
		}

		found[name] = digest
	}

	return found, nil
}

// digestOf is a digest of a file, or of the names and contents of all files in a folder.
func digestOf(path string) (string, error) {
	sum := sha256.New()
	err := filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}

		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}

		fmt.Fprintf(sum, "%s %d\n", path, len(text))
		sum.Write(text)

		return nil
	})

	return hex.EncodeToString(sum.Sum(nil)), err
}

// clearFolder removes what is in the folder of the runs, but for the lock that this run holds.
func clearFolder(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}

	for _, entry := range entries {
		if entry.Name() == "lock" {
			continue
		}

		if err := os.RemoveAll(filepath.Join(folder, entry.Name())); err != nil {
			return err
		}
	}

	return nil
}

// endProcessesOf ends what a run that was killed left running: its programs go on without it, and are known by the
// lab that their environment names.
func endProcessesOf(lab string) error {
	processes, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return err
	}

	for _, path := range processes {
		environment, _ := os.ReadFile(path) // the process may have ended
		if !slices.ContainsFunc(bytes.Split(environment, []byte{0}), func(variable []byte) bool {
			return string(variable) == runVariable+"="+lab
		}) {
			continue
		}

		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || pid == os.Getpid() {
			continue
		}

		if err := unix.Kill(pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
			return fmt.Errorf("end process %d, which an earlier run left: %w", pid, err)
		}
	}

	return nil
}
