package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// generatedSuffix names the files that packer-sdc writes.
const generatedSuffix = ".hcl2spec.go"

// sources lists the Go files that git tracks, and those that it neither tracks nor ignores yet.
func sources(root string) ([]string, error) {
	git := exec.Command("git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard", "*.go")
	git.Stderr = os.Stderr

	out, err := git.Output()
	if err != nil {
		return nil, fmt.Errorf("list the files of %s: %w", root, err)
	}

	var paths []string

	for path := range strings.Lines(string(out)) {
		path = strings.TrimSpace(path)

		// A file that was deleted and not committed yet is still in git's list.
		_, err := os.Stat(filepath.Join(root, path))
		if errors.Is(err, fs.ErrNotExist) || strings.HasSuffix(path, generatedSuffix) {
			continue
		}

		paths = append(paths, path)
	}

	return paths, nil
}

// longFilesPath lists the files that may be longer than maxCodeLines: a path, a colon and the reason, one a line.
const longFilesPath = "tools/pagecheck/long-files.txt"

type longFiles struct {
	lines map[string]int
	met   map[string]bool
}

func readLongFiles(root string) (*longFiles, error) {
	allowed := &longFiles{
		lines: map[string]int{},
		met:   map[string]bool{},
	}

	file, err := os.Open(filepath.Join(root, longFilesPath))
	if errors.Is(err, fs.ErrNotExist) {
		return allowed, nil // a checkout from before the list
	}

	if err != nil {
		return nil, err
	}
	defer file.Close()

	s := bufio.NewScanner(file)

	for line := 1; s.Scan(); line++ {
		text := strings.TrimSpace(s.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}

		path, reason, _ := strings.Cut(text, ":")
		if strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("%s:%d:1: want PATH: REASON, got %q", longFilesPath, line, text)
		}

		allowed.lines[path] = line
	}

	return allowed, s.Err()
}

func (l *longFiles) has(path string) bool {
	_, ok := l.lines[path]
	l.met[path] = ok

	return ok
}

// unused lists the entries that no file needs any more, so that the list does not grow for ever.
func (l *longFiles) unused() []fault {
	var faults []fault

	for path, line := range l.lines {
		if !l.met[path] {
			text := path + " is not that long, or not there: remove the line"
			faults = append(faults, fault{longFilesPath, line, 1, text})
		}
	}

	return faults
}
