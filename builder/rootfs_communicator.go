package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/hornero/hornero/builder/rootfs"
	"github.com/hornero/hornero/internal/command"
)

// inRoot is how provisioners reach the system in a folder: as they reach a Droplet, by commands.
type inRoot struct{ machine *rootfs.Machine }

// didNotRun is the exit status of a command that was never run (the shell's own for that, POSIX 2.8.2).
const didNotRun = 126

// Start runs a command, and returns while it does.
func (r inRoot) Start(ctx context.Context, remote *packersdk.RemoteCmd) error {
	go func() {
		// Packer waits for the exit status alone: an error has to become one.
		status, err := r.machine.Run(ctx,
			remote.Command,
			remote.Stdin,
			remote.Stdout,
			remote.Stderr,
		)
		if err != nil {
			status = didNotRun
			if remote.Stderr != nil {
				fmt.Fprintln(remote.Stderr, err)
			}
		}

		remote.SetExited(status)
	}()

	return nil
}

// Upload writes a file.
func (r inRoot) Upload(path string, input io.Reader, info *os.FileInfo) error {
	script := "cat >" + quoted(path)
	if info != nil {
		script += fmt.Sprintf(" && chmod %04o %s", (*info).Mode().Perm(), quoted(path))
	}

	return r.do("upload "+path, script, input, nil)
}

// Download reads a file.
func (r inRoot) Download(path string, output io.Writer) error {
	return r.do("download "+path, "cat "+quoted(path), nil, output)
}

// UploadDir writes a folder: itself, or only what is in it when source ends in a slash.
func (r inRoot) UploadDir(into, source string, exclude []string) error {
	from, name := split(source)
	script := "mkdir -p " + quoted(into) + " && tar -xf - -C " + quoted(into) + " --no-same-owner"

	return r.packed("upload "+source, tarOf(from, exclude, name), func(pipe io.Reader) error {
		return r.do("upload "+source, script, pipe, nil)
	})
}

// DownloadDir reads a folder, with the same meaning of a slash.
func (r inRoot) DownloadDir(source, into string, exclude []string) error {
	if err := os.MkdirAll(into, 0o755); err != nil {
		return fmt.Errorf("download %s: %w", source, err)
	}

	from, name := split(source)
	unpack := exec.Command("tar", "-xf", "-", "-C", into, "--no-same-owner")
	pipe, err := unpack.StdinPipe()
	if err != nil {
		return fmt.Errorf("download %s: %w", source, err)
	}

	if err := unpack.Start(); err != nil {
		return fmt.Errorf("download %s: %w", source, err)
	}

	// The pipe is closed after it, which tells tar that there is no more.
	err = r.do("download "+source, command.Quote(tarOf(from, exclude, name)), nil, pipe)

	return errors.Join(err, pipe.Close(), unpack.Wait())
}

// packed gives the output of a program on this machine to a function.
func (r inRoot) packed(what string, args []string, take func(io.Reader) error) error {
	program := exec.Command(args[0], args[1:]...)
	pipe, err := program.StdoutPipe()
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}

	if err := program.Start(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}

	// Wait comes after take: it closes the pipe (os/exec, StdoutPipe).
	return errors.Join(take(pipe), program.Wait())
}

func (r inRoot) do(what, script string, input io.Reader, output io.Writer) error {
	var said strings.Builder
	status, err := r.machine.Run(context.Background(), script, input, output, &said)
	if err == nil && status != 0 {
		err = fmt.Errorf(
			"%w: exit status %d: %s",
			ErrRemote,
			status,
			strings.TrimSpace(said.String()),
		)
	}

	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}

	return nil
}

func quoted(path string) string {
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// split is where tar goes, and what it packs there.
func split(folder string) (from, name string) {
	if strings.HasSuffix(folder, "/") {
		return folder, "."
	}

	return filepath.Dir(folder), filepath.Base(folder)
}

func tarOf(from string, exclude []string, name string) []string {
	args := []string{"tar", "-cf", "-", "-C", from}
	for _, pattern := range exclude {
		args = append(args, "--exclude="+pattern)
	}

	return append(args, "--", name)
}
