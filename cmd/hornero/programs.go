package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/report"
)

// packerVariable names the Packer to run.
const packerVariable = "HORNERO_PACKER"

// Programs that come with hornero.
const (
	pluginProgram    = "packer-plugin-hornero"
	bootstrapProgram = "hornero-bootstrap"
)

// programs is where the programs are that a bake needs.
type programs struct {
	beside  string // the folder that hornero itself is in
	library string // where a package puts what nobody calls by hand
}

func newPrograms() (programs, error) {
	self, err := os.Executable()
	if err != nil {
		return programs{}, err
	}

	// What a link points to has its companions beside it.
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return programs{}, err
	}

	return programs{
		beside:  filepath.Dir(self),
		library: "/usr/lib/hornero",
	}, nil
}

// companion finds a program that comes with hornero: beside it, in PATH, or where a package puts it.
func (p programs) companion(name string) (string, error) {
	for _, candidate := range []string{
		filepath.Join(p.beside, name),
		name,
		filepath.Join(p.library, name),
	} {
		if found, err := exec.LookPath(candidate); err == nil {
			return filepath.Abs(found)
		}
	}

	return "", fmt.Errorf("find %s: it comes with hornero, and is not in %s, in PATH or in %s; unpack the whole "+
		"archive, install the package, or run make build in a checkout", name, p.beside, p.library)
}

// bootstrap finds the program that goes into every image: the one that is named, or hornero's own.
func (p programs) bootstrap(named string) (string, error) {
	if named == "" {
		return p.companion(bootstrapProgram)
	}

	if _, err := os.Stat(named); err != nil {
		return "", fmt.Errorf("--bootstrap: %w", err)
	}

	return filepath.Abs(named)
}

var errNoPacker = errors.New("find Packer 1.11 or newer: it is not in PATH; install it from " +
	"https://developer.hashicorp.com/packer/install, name one in " + packerVariable +
	", or run make packer in a checkout, which builds it")

// packer finds Packer: the one that the environment names, the checkout's, or the first in PATH that is one.
func (p programs) packer(ctx context.Context) (string, error) {
	if named := os.Getenv(packerVariable); named != "" {
		found, err := exec.LookPath(named)
		if err != nil {
			return "", fmt.Errorf("%s: %w", packerVariable, err)
		}

		return filepath.Abs(found)
	}

	// `make packer` has looked at this one.
	built := filepath.Join(filepath.Dir(p.beside), ".cache", "packer")
	if found, err := exec.LookPath(built); err == nil {
		return found, nil
	}

	for _, folder := range filepath.SplitList(os.Getenv("PATH")) {
		found, err := exec.LookPath(filepath.Join(folder, "packer"))
		if err == nil && isPacker(ctx, found) {
			return filepath.Abs(found)
		}
	}

	return "", errNoPacker
}

var packerVersion = regexp.MustCompile(`(?m)^(?:Packer v)?(\d+)\.(\d+)\.\d`)

// isPacker asks a program called packer for its version: others have that name, too, cracklib's among them.
func isPacker(ctx context.Context, program string) bool {
	said, err := command.Run(ctx, command.Command{
		Args: []string{program, "version"},
		Env:  []string{"CHECKPOINT_DISABLE=1"},
	})
	if err != nil {
		return false
	}

	version := packerVersion.FindStringSubmatch(said)
	if version == nil {
		return false
	}

	// Older ones cannot install a plugin from a file.
	major, _ := report.ParseNumber(version[1])
	minor, _ := report.ParseNumber(version[2])

	return major > 1 || major == 1 && minor >= 11
}
