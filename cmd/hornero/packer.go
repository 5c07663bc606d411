package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/file"
)

// pluginSource is the plugin's name in templates.
const pluginSource = "github.com/hornero/hornero"

// packer is a Packer that has our plugin.
type packer struct {
	program     string
	environment []string
	stdout      io.Writer
	stderr      io.Writer
}

// pluginFolder is where Packer finds one of our plugins, and nothing of the user's. Each plugin has its own: two
// checkouts on one machine do not take turns.
type pluginFolder string

func pluginFolderOf(plugin string) (pluginFolder, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a folder for Packer's plugin: %w", err)
	}

	sum := sha256.Sum256([]byte(plugin))
	name := hex.EncodeToString(sum[:6])

	return pluginFolder(filepath.Join(cache, "hornero", "plugins", name)), nil
}

// environment points Packer at the folder, and has it ask nobody for a newer version of itself.
func (f pluginFolder) environment() []string {
	return []string{
		"PACKER_PLUGIN_PATH=" + f.path("plugins"),
		"PACKER_CONFIG_DIR=" + string(f),
		"CHECKPOINT_DISABLE=1",
	}
}

func (f pluginFolder) path(name string) string { return filepath.Join(string(f), name) }

// install installs the plugin with Packer, unless the one that is there is the same file.
func (f pluginFolder) install(ctx context.Context, program, plugin string) error {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return fmt.Errorf("install Packer's plugin: %w", err)
	}

	// Two that bake at once would both write it.
	unlock, err := f.lock()
	if err != nil {
		return fmt.Errorf("install Packer's plugin: %w", err)
	}
	defer unlock()

	mark, err := markOf(plugin)
	if err != nil {
		return fmt.Errorf("install Packer's plugin: %w", err)
	}

	if file.Holds(f.path("installed"), mark) {
		return nil
	}

	// Packer takes the highest version that it finds, also where ours is older now.
	if err := os.RemoveAll(f.path("plugins")); err != nil {
		return fmt.Errorf("install Packer's plugin: %w", err)
	}

	_, err = command.Run(ctx, command.Command{
		Args: []string{program, "plugins", "install", "--path", plugin, pluginSource},
		Env:  f.environment(),
	})
	if err != nil {
		return fmt.Errorf("install Packer's plugin: %w", err)
	}

	_, err = file.Write(f.path("installed"), mark, file.Options{})

	return err
}

func (f pluginFolder) lock() (unlock func(), err error) {
	lock, err := os.Create(f.path("lock"))
	if err != nil {
		return nil, err
	}

	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(err, lock.Close())
	}

	return func() { lock.Close() }, nil
}

// markOf is what tells one build of a file from another.
func markOf(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}

	return fmt.Appendf(nil, "%s %d %d\n", path, info.Size(), info.ModTime().UnixNano()), nil
}

// build runs `packer build`. When ctx ends Packer is interrupted as by Ctrl-C, and waited for until it has removed what
// it made, however long that takes.
func (p packer) build(ctx context.Context, arguments ...string) error {
	arguments = append([]string{"build", "-color=false", "-on-error=cleanup"}, arguments...)
	cmd := exec.CommandContext(ctx, p.program, arguments...)
	cmd.Env = p.environment
	cmd.Stdout = p.stdout
	cmd.Stderr = p.stderr

	// A group of its own, and one signal: a terminal's Ctrl-C would reach Packer as well, and its second interrupt ends
	// it without cleaning up. The whole group, as Packer's first process passes nothing on to the one that works.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
	}

	err := cmd.Run()

	var ended *exec.ExitError

	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &ended):
		// Packer has said what is wrong.
		return exit(cmp.Or(max(ended.ExitCode(), 0), 1))
	case err != nil:
		return fmt.Errorf("run Packer: %w", err)
	}

	return nil
}
