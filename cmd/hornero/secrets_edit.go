package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/hornero/hornero/stack"
)

const editHelp = `Opens the secrets in $VISUAL or $EDITOR, as YAML with what each is for. What is saved is checked
before anything is written: names that the stack has no use for, empty values, a certificate without its key. Then the
nodes are named that must be replaced. Nothing changed, nothing written.

The text lies in a file that only you may read, in memory where this computer has a tmpfs (XDG_RUNTIME_DIR, /dev/shm),
and is removed at the end, also by Ctrl-C. Mind what your editor keeps elsewhere (backups, undo files).`

// editorGrace is how long an editor may take to end after Ctrl-C.
const editorGrace = 2 * time.Second

func secretsEditCommand(with func(secretsWork) runE) *cobra.Command {
	return &cobra.Command{
		Use:   "edit",
		Short: "change secrets in an editor",
		Long:  editHelp,
		Args:  cobra.NoArgs,
		RunE: with(func(cmd *cobra.Command, secrets openedSecrets, _ []string) error {
			// A terminal that is closed ends this program, too, and the text has to be removed before.
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP)
			defer stop()

			edit := secretsEdit{
				opened: secrets,
				cmd:    cmd,
				again:  func(problem error) error { return askAgain(ctx, cmd, problem) },
			}

			return edit.run(ctx)
		}),
	}
}

// secretsEdit is one run of `hornero secrets edit`.
type secretsEdit struct {
	opened openedSecrets
	cmd    *cobra.Command
	// again shows what is wrong with the text, and returns nil when the editor is to be opened once more.
	again func(problem error) error
}

func (e secretsEdit) run(ctx context.Context) error {
	editing, err := e.opened.Edit(e.opened.stack, e.opened.manifests)
	if err != nil {
		return err
	}

	folder, err := makePrivateFolder(e.cmd.ErrOrStderr())
	if err != nil {
		return fmt.Errorf("edit secrets: %w", err)
	}
	defer folder.remove()

	// Also where a second signal ends the program before it gets to the line above.
	defer context.AfterFunc(ctx, folder.remove)()

	path := filepath.Join(folder.path, "secrets.yaml")
	if err := os.WriteFile(path, editing.Text, 0o600); err != nil {
		return fmt.Errorf("edit secrets: %w", err)
	}

	for {
		if err := e.edit(ctx, path); err != nil {
			return err
		}

		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("edit secrets: %w", err)
		}

		edited, problem := editing.Parse(path, text)
		if problem == nil {
			before := e.opened.All()
			if err := e.opened.Change(editing.Shown, edited); err != nil {
				return err
			}

			e.opened.tellChanged(e.cmd.ErrOrStderr(), before)

			return nil
		}

		if err := e.again(problem); err != nil {
			return err
		}
	}
}

// edit runs the editor, which has the terminal.
func (e secretsEdit) edit(ctx context.Context, path string) error {
	editor, err := findEditor()
	if err != nil {
		return err
	}

	// The shell splits what the variable says, as git has it: "code --wait".
	run := exec.CommandContext(ctx, "sh", "-c", editor+` "$@"`, editor, path)
	run.Stdin = e.cmd.InOrStdin()
	run.Stdout = e.cmd.OutOrStdout()
	run.Stderr = e.cmd.ErrOrStderr()
	run.WaitDelay = editorGrace
	run.Cancel = func() error { return run.Process.Signal(syscall.SIGTERM) }

	// The editor and what it starts have no use for the key.
	run.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, stack.KeyTextVariable+"=")
	})

	err = run.Run()
	if ctx.Err() != nil {
		return fmt.Errorf("edit secrets: %w; nothing is written", ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("edit secrets with %s: %w; nothing is written", editor, err)
	}

	return nil
}

// findEditor is the editor that the user names, or one that is there.
func findEditor() (string, error) {
	for _, variable := range []string{"VISUAL", "EDITOR"} {
		if editor := strings.TrimSpace(os.Getenv(variable)); editor != "" {
			return editor, nil
		}
	}

	// Debian's own choice comes first.
	for _, editor := range []string{"editor", "nano", "vi"} {
		if _, err := exec.LookPath(editor); err == nil {
			return editor, nil
		}
	}

	return "", errors.New("edit secrets: there is no editor; name one in EDITOR, or use `hornero secrets set NAME`")
}

// errNotEdited ends an edit whose text is wrong.
var errNotEdited = errors.New("edit secrets: nothing is written")

// askAgain shows what is wrong. Without a terminal nobody is asked.
func askAgain(ctx context.Context, cmd *cobra.Command, problem error) error {
	input, isFile := cmd.InOrStdin().(*os.File)
	if !isFile || !term.IsTerminal(int(input.Fd())) {
		return fmt.Errorf("%w:\n%w", errNotEdited, problem)
	}

	fmt.Fprintf(cmd.ErrOrStderr(), "%s\nEdit again? [Y/n] ", problem)

	answer := make(chan string, 1)

	go func() {
		line, err := bufio.NewReader(input).ReadString('\n')
		if err != nil {
			line = "n" // the input is at its end
		}

		answer <- strings.TrimSpace(line)
	}()

	select {
	case said := <-answer:
		if said == "" || strings.EqualFold(said, "y") || strings.EqualFold(said, "yes") {
			return nil
		}

		return errNotEdited
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errNotEdited, ctx.Err())
	}
}

// privateFolder is a folder that only the user may look into. It is locked while its owner lives.
type privateFolder struct {
	path string
	lock *os.File
}

// privateName begins the names of private folders.
const privateName = "hornero-edit-"

// makePrivateFolder makes one in memory where it can, and removes those whose owners were killed.
func makePrivateFolder(progress io.Writer) (*privateFolder, error) {
	parent := os.TempDir()
	inMemory := false

	for _, candidate := range []string{os.Getenv("XDG_RUNTIME_DIR"), "/dev/shm", os.TempDir()} {
		if isMemory(candidate) && unix.Access(candidate, unix.W_OK|unix.X_OK) == nil {
			parent, inMemory = candidate, true
			break
		}
	}

	if !inMemory {
		fmt.Fprintf(progress, "no tmpfs is at hand: the text that you edit lies on the disk of %s until you are done\n",
			parent)
	}

	removeAbandoned(parent)

	path, err := os.MkdirTemp(parent, privateName+"*") // mode 0700
	if err != nil {
		return nil, err
	}

	lock, err := lockPrivate(path)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}

	return &privateFolder{path, lock}, nil
}

// lockPrivate locks a folder that nobody else holds. The lock goes with the process.
func lockPrivate(path string) (*os.File, error) {
	lock, err := os.Open(path)
	if err != nil {
		return nil, err
	}

	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, lock.Close())
	}

	return lock, nil
}

func (f *privateFolder) remove() {
	os.RemoveAll(f.path)
	f.lock.Close()
}

// isMemory tells whether a folder is on a tmpfs.
func isMemory(folder string) bool {
	var about unix.Statfs_t
	return folder != "" && unix.Statfs(folder, &about) == nil && about.Type == unix.TMPFS_MAGIC
}

// removeAbandoned removes the user's private folders that nobody holds: the lock of who was killed is gone.
func removeAbandoned(parent string) {
	folders, _ := filepath.Glob(filepath.Join(parent, privateName+"*"))

	for _, folder := range folders {
		info, err := os.Lstat(folder)
		if err != nil || !info.IsDir() {
			continue
		}

		owner, known := info.Sys().(*syscall.Stat_t)
		if !known || int(owner.Uid) != os.Getuid() {
			continue
		}

		if lock, err := lockPrivate(folder); err == nil {
			os.RemoveAll(folder)
			lock.Close()
		}
	}
}
