package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hornero/hornero/lab"
)

// defaultStackFile is the stack's file when -f names none.
const defaultStackFile = "stack.yaml"

// labChoice is the lab that a command means, and why.
type labChoice struct {
	lab.Choice
	stack string // the stack's file that it is chosen for, absolute; empty where there is none
	named bool   // by --name or LAB
}

// chooseLab gives the named lab, or the one that the folder of the stack's file uses.
func chooseLab(name, file string) (labChoice, error) {
	stackFile, err := findStack(file)

	if name != "" {
		// the stack only tells whose the lab becomes: a named lab is found without it, too
		return labChoice{
			Choice: lab.Choice{Name: name},
			stack:  stackFile,
			named:  true,
		}, nil
	}

	if err != nil {
		return labChoice{}, fmt.Errorf("choose a lab by the stack's folder: %w; --name or LAB names one", err)
	}

	choice, err := lab.NameFor(stackFile)

	return labChoice{Choice: choice, stack: stackFile}, err
}

// again chooses once more, after a lab was started: another folder may have taken the default lab meanwhile.
func (c labChoice) again() (labChoice, error) {
	if c.named {
		return c, nil
	}

	choice, err := lab.NameFor(c.stack)
	c.Choice = choice

	return c, err
}

// notice is what the user is told of a choice that may surprise.
func (c labChoice) notice() string {
	switch {
	case c.Other == "":
		return ""
	case c.Gone && c.Name == lab.DefaultName:
		return fmt.Sprintf("lab %s: taken over from %s, where the stack's file is no more", c.Name, c.Other)
	case c.Gone:
		return ""
	case c.Name == lab.DefaultName:
		return fmt.Sprintf("lab %s: it belongs to %s", c.Name, c.Other)
	}

	return fmt.Sprintf("lab %s: %s belongs to %s", c.Name, lab.DefaultName, c.Other)
}

// tell says the notice when a lab starts, and when it is taken over while it runs.
func (c labChoice) tell(progress io.Writer, started bool) {
	takenOver := c.Gone && c.Name == lab.DefaultName

	if notice := c.notice(); notice != "" && (started || takenOver) {
		fmt.Fprintln(progress, notice)
	}
}

// mayReset refuses a lab of another folder that nobody named.
func (c labChoice) mayReset() error {
	if c.named || c.Name != lab.DefaultName || c.Other == "" || c.Gone {
		return nil
	}

	return fmt.Errorf("reset lab %s: it belongs to %s; say --name %s to reset it", c.Name, c.Other, c.Name)
}

// findStack is the absolute path of a stack's file, without symbolic links in its folder, so that one folder has one
// name. The default file is looked for upwards from the current folder; where there is none the path is empty.
func findStack(file string) (string, error) {
	folder := filepath.Dir(file)

	if file == defaultStackFile {
		var err error
		if folder, err = nearestStack(); folder == "" {
			return "", err
		}
	}

	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}

	if folder, err = filepath.EvalSymlinks(folder); err != nil {
		return "", err
	}

	return filepath.Join(folder, filepath.Base(file)), nil
}

// nearestStack is the current folder, or the nearest one above it, that has a stack's file.
func nearestStack() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}

	// above a symbolic link is what it leads into, not where it lies
	if folder, err = filepath.EvalSymlinks(folder); err != nil {
		return "", err
	}

	for {
		_, err := os.Stat(filepath.Join(folder, defaultStackFile))
		if err == nil {
			return folder, nil
		}

		parent := filepath.Dir(folder)
		if !errors.Is(err, fs.ErrNotExist) || parent == folder {
			return "", ignoreMissing(err)
		}

		folder = parent
	}
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}

	return err
}

// labFlag is --name of `hornero lab`, and what follows from it.
type labFlag struct {
	name string
	file *string // the stack's
}

// environmentLab is the lab that the environment names.
func environmentLab() string { return os.Getenv("LAB") }

// choose takes the flag's lab, or the environment's, or that of the stack's folder.
func (f *labFlag) choose() (labChoice, error) {
	return chooseLab(cmp.Or(f.name, environmentLab()), *f.file)
}

// locate finds the lab, which must run.
func (f *labFlag) locate() (lab.Endpoint, error) {
	choice, err := f.choose()
	if err != nil {
		return lab.Endpoint{}, err
	}

	return lab.Locate(choice.Name)
}
