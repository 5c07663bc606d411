package galera

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/file"
)

// Files in the data directory that tell its story.
const (
	pristineMark = "hornero-pristine" // left by the bake, removed before the first start
	// kept by Galera's transfer scripts while a transfer runs, dropped even when it broke
	transferMark = "sst_in_progress"
	tornMark     = "hornero-transfer" // ours: from a transfer's first sight until the node is Synced
	goneMark     = "hornero-gone"     // ours: the incarnation that is to take no part any more, and why
	grastate     = "grastate.dat"
	lastView     = "gvwstate.dat" // Galera's: the view that a server was in when it ended, and which member it was
	systemSpace  = "ibdata1"      // InnoDB's own: without it the rest cannot be read
	lostAndFound = "lost+found"   // the file system's, where the directory is a volume
)

// DataDir is a MariaDB data directory.
type DataDir struct {
	Path   string
	Server []string // the server's program and first arguments, for recovery
}

// Inspect tells what the directory holds.
func (d DataDir) Inspect() (Content, Position, error) {
	// Whatever else is there, nothing is believed of what a broken transfer left.
	if d.torn() {
		return ContentTorn, Position{}, nil
	}

	if d.has(pristineMark) {
		return ContentPristine, Position{}, nil
	}

	empty, err := d.empty()
	if err != nil {
		return "", Position{}, fmt.Errorf("inspect %s: %w", d.Path, err)
	}

	// Somebody removed the data, or all but the hidden and the small: what grastate.dat says of it is no evidence.
	if empty || d.has(grastate) && !d.has(systemSpace) {
		return ContentTorn, Position{}, nil
	}

	// Without the file there is still data, and only a recovery can tell how far it got.
	text, err := os.ReadFile(filepath.Join(d.Path, grastate))
	if errors.Is(err, fs.ErrNotExist) {
		return ContentCrashed, Position{}, nil
	}

	if err != nil {
		return "", Position{}, fmt.Errorf("inspect %s: %w", d.Path, err)
	}

	position, err := ParseGrastate(string(text))

	switch {
	// A loss of power may have cut the file off.
	case err != nil:
		return ContentCrashed, Position{}, nil
	case !position.Named():
		return ContentBlank, Position{}, nil
	// The server writes its number when it stops, and -1 while it runs.
	case !position.Known():
		return ContentCrashed, position, nil
	default:
		return ContentKnown, position, nil
	}
}

// Transferring tells whether a state transfer into the directory is under way.
func (d DataDir) Transferring() bool {
	return d.has(transferMark)
}

// torn tells whether a state transfer is under way, or was and did not end.
func (d DataDir) torn() bool {
	return d.Transferring() || d.has(tornMark)
}

func (d DataDir) has(name string) bool {
	_, err := os.Lstat(filepath.Join(d.Path, name))
	return err == nil
}

// BeginTransfer marks that a state transfer was seen, so that nothing is ever believed of what it leaves if it breaks.
func (d DataDir) BeginTransfer() error {
	if d.has(tornMark) {
		return nil
	}

	return d.write(tornMark, nil)
}

// write leaves a file that belongs to whom the directory belongs to: the server.
func (d DataDir) write(name string, data []byte) error {
	path := filepath.Join(d.Path, name)

	info, err := os.Stat(d.Path)
	if err != nil {
		return err
	}

	changed, err := file.Write(path, data, file.Options{Mode: 0o660})
	if err != nil {
		return err
	}

	// The agent is root; the server must be able to read and remove it.
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}

	if !changed {
		return nil
	}

	// What a mark says must outlive what is done because of it.
	return file.Sync(d.Path)
}

// ForgetView lets the next server begin as another member of Galera's views than the last, and in none of them. A
// member that was evicted is not let in again, and a view that the others have left behind must not be formed again.
func (d DataDir) ForgetView() error { return d.remove(lastView) }

// EndTransfer removes the mark: the server is Synced.
func (d DataDir) EndTransfer() error {
	return d.remove(tornMark)
}

func (d DataDir) empty() (bool, error) {
	entries, err := os.ReadDir(d.Path)
	others := slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		return e.Name() == lostAndFound
	})

	return len(others) == 0, err
}

// readIfThere reads a small file; "" when there is none.
func readIfThere(dir, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}

	return string(text), err
}

// Recover lets the server find its position in InnoDB. It starts no network and takes no part in a cluster.
func (d DataDir) Recover(ctx context.Context) (Position, error) {
	// Without a log file the server writes its position and its errors to its output.
	var said bytes.Buffer
	args := append(slices.Clone(d.Server), "--user=mysql", "--wsrep-recover", "--disable-log-error")
	_, err := command.Run(ctx, command.Command{Args: args, Output: &said})

	if err == nil {
		var position Position
		if position, err = ParseRecovered(said.String()); err == nil {
			return position, nil
		}
	}

	trouble := TroubleOf(said.String())

	// Nobody but the kernel kills the server, when memory is short, unless the agent itself gave up waiting.
	if ctx.Err() == nil && killed(err) {
		trouble = Trouble{Cause: CauseMemory, Said: "the system killed the server"}
	}

	return Position{}, &RecoveryError{Trouble: trouble, Err: err}
}

// killed tells whether a program ended by SIGKILL.
func killed(err error) bool {
	ended := new(exec.ExitError)
	if !errors.As(err, &ended) {
		return false
	}

	status, ok := ended.Sys().(syscall.WaitStatus)

	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// Wipe removes everything in the directory but the mark that nothing usable is there.
func (d DataDir) Wipe() error {
	// The mark comes first: a wipe that breaks off leaves nothing to believe either.
	if err := d.BeginTransfer(); err != nil {
		return fmt.Errorf("wipe %s: %w", d.Path, err)
	}

	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return fmt.Errorf("wipe %s: %w", d.Path, err)
	}

	for _, entry := range entries {
		if entry.Name() == tornMark || entry.Name() == lostAndFound {
			continue
		}

		if err := os.RemoveAll(filepath.Join(d.Path, entry.Name())); err != nil {
			return fmt.Errorf("wipe %s: %w", d.Path, err)
		}
	}

	return nil
}

// errTorn refuses to vouch for what a broken transfer or a broken wipe left.
var errTorn = errors.New("the data directory holds no whole data")

// SetPosition writes where the server is to start from, and Galera's own permission when it is to bootstrap, into
// grastate.dat. A directory without the file begins a new history and needs none.
func (d DataDir) SetPosition(position Position, bootstrap bool) error {
	if d.torn() {
		return fmt.Errorf("leave position %s: %w", position, errTorn)
	}

	if bootstrap && !position.Named() && !d.has(grastate) {
		return nil
	}

	if err := d.write(grastate, []byte(grastateText(position, bootstrap))); err != nil {
		return fmt.Errorf("leave position %s: %w", position, err)
	}

	return nil
}

// Seed is what the bake's mark says: drawn by lot in each bake, when all else was in the directory.
func (d DataDir) Seed() (string, error) {
	text, err := readIfThere(d.Path, pristineMark)
	if err != nil {
		return "", fmt.Errorf("read the bake's mark: %w", err)
	}

	return strings.TrimSpace(text), nil
}

// ClearPristine removes the mark of the bake.
func (d DataDir) ClearPristine() error {
	return d.remove(pristineMark)
}

func (d DataDir) remove(mark string) error {
	err := os.Remove(filepath.Join(d.Path, mark))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}

	// A mark that came back after a loss of power would be believed.
	if err == nil {
		err = file.Sync(d.Path)
	}

	if err != nil {
		return fmt.Errorf("remove mark %s: %w", mark, err)
	}

	return nil
}

// Progress sums up sizes and the latest change; it differs from one look to the next while bytes move.
func (d DataDir) Progress() (string, error) {
	var total int64
	var latest time.Time

	err := filepath.WalkDir(d.Path, func(_ string, entry fs.DirEntry, err error) error {
		// The server removes files while they are counted.
		if err != nil {
			return ignoreGone(err)
		}

		info, err := entry.Info()
		if err != nil {
			return ignoreGone(err)
		}

		total += info.Size()

		if info.ModTime().After(latest) {
			latest = info.ModTime()
		}

		return nil
	})

	return fmt.Sprintf("%d MiB, last change %s", total>>20, latest.UTC().Format(time.RFC3339)), err
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}

	return err
}
