package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hornero/hornero/fleet"
	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/stack"
)

// nodesFile keeps where nodes were last seen in a file.
type nodesFile struct{ path string }

// nodeCache is the file of a stack in the user's cache folder; nil where there is no such folder.
func nodeCache(s *stack.Stack) fleet.Cache {
	folder, err := os.UserCacheDir()
	if err != nil {
		return nil
	}

	return nodesFile{filepath.Join(folder, "hornero", s.Name+"-"+s.Cloud, "nodes.json")}
}

func (n nodesFile) Read() (fleet.Seen, error) {
	var seen fleet.Seen

	data, err := os.ReadFile(n.path)
	if errors.Is(err, fs.ErrNotExist) {
		return seen, nil
	}

	if err != nil {
		return seen, err
	}

	if err := json.Unmarshal(data, &seen); err != nil {
		return seen, fmt.Errorf("read %s: %w", n.path, err)
	}

	return seen, nil
}

func (n nodesFile) Write(seen fleet.Seen) error {
	data, err := json.MarshalIndent(seen, "", "  ")
	if err != nil {
		return err
	}

	_, err = file.Write(n.path, append(data, '\n'), file.Options{Mode: 0o600})

	return err
}
