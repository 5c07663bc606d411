package media

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hornero/hornero/internal/file"
)

// TombstoneLife is how long a deletion is remembered. A node that was away for longer takes the set of the others.
const TombstoneLife = 30 * 24 * time.Hour

// state is what this node knows of a path.
type state struct {
	Entry

	Stamp   stamp    `json:"stamp,omitzero"`    // of the file here; zero where there is none
	Pending bool     `json:"pending,omitempty"` // not yet kept elsewhere
	Holders []string `json:"holders,omitempty"` // who else has it: nodes, or the Space
}

// here tells whether this node has the bytes.
func (s state) here() bool { return !s.Stamp.isZero() && !s.Deleted }

// index is what this node knows of all paths. It is on disk as a log of states, the last of a path counts.
type index struct {
	path string

	mu     sync.Mutex
	states map[string]state
	log    *os.File
	lines  int
}

// indexFile is the index in the folder of a library's state.
const indexFile = "index.jsonl"

// openIndex reads the log, leaves out what is over, and writes it anew.
func openIndex(path string) (*index, error) {
	states, err := readStates(path)
	if err != nil {
		return nil, err
	}

	x := &index{path: path, states: states}

	oldest := time.Now().Add(-TombstoneLife).UnixMicro()
	maps.DeleteFunc(x.states, func(_ string, s state) bool {
		return s.Deleted && !s.Pending && s.Version.Clock < oldest
	})

	return x, x.compact()
}

// readStates reads the log of an index; none is an empty one.
func readStates(path string) (map[string]state, error) {
	states := map[string]state{}

	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open the index: %w", err)
	}

	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)

	for lines.Scan() {
		var s state

		// The last line of a log is torn where the node lost power: the file itself tells what was in it.
		if err := json.Unmarshal(lines.Bytes(), &s); err == nil && s.Path != "" {
			states[s.Path] = s
		}
	}

	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("open the index: %w", err)
	}

	return states, nil
}

// compact writes the log anew, a line for each path.
func (x *index) compact() error {
	var out bytes.Buffer

	encoder := json.NewEncoder(&out)

	for _, path := range slices.Sorted(maps.Keys(x.states)) {
		if err := encoder.Encode(x.states[path]); err != nil {
			return fmt.Errorf("write the index: %w", err)
		}
	}

	if _, err := file.Write(x.path, out.Bytes(), file.Options{Mode: 0o600}); err != nil {
		return fmt.Errorf("write the index: %w", err)
	}

	log, err := os.OpenFile(
		x.path,
		os.O_APPEND|os.O_WRONLY,
		0o600,
	)
	if err != nil {
		return fmt.Errorf("write the index: %w", err)
	}

	if x.log != nil {
		_ = x.log.Close() // the file that it has open is another's by now
	}

	x.log, x.lines = log, len(x.states)

	return nil
}

func (x *index) close() error {
	x.mu.Lock()
	defer x.mu.Unlock()

	return x.log.Close()
}

// get is what is known of a path; the zero state where nothing is.
func (x *index) get(path string) state {
	x.mu.Lock()
	defer x.mu.Unlock()

	return x.states[path]
}

// change sets what is known of a path, as a function says of what it was; false leaves it. It returns the state after.
func (x *index) change(path string, to func(*state) bool) (state, error) {
	x.mu.Lock()
	defer x.mu.Unlock()

	s := x.states[path]
	s.Path = path
	s.Holders = slices.Clone(s.Holders)

	if !to(&s) {
		return x.states[path], nil
	}

	line, err := json.Marshal(s)
	if err != nil {
		return state{}, fmt.Errorf("write the index: %w", err)
	}

	if _, err := x.log.Write(append(line, '\n')); err != nil {
		return state{}, fmt.Errorf("write the index: %w", err)
	}

	x.states[path] = s
	x.lines++

	// A library of a hundred files that change all day would fill the disk.
	if x.lines > 2*len(x.states)+1000 {
		return s, x.compact()
	}

	return s, nil
}

// all are the states, by path.
func (x *index) all() []state {
	x.mu.Lock()
	list := slices.Collect(maps.Values(x.states))
	x.mu.Unlock()

	slices.SortFunc(list, func(a, b state) int { return strings.Compare(a.Path, b.Path) })

	return list
}

// below are the states of paths in a folder.
func (x *index) below(folder string) []state {
	return slices.DeleteFunc(x.all(), func(s state) bool {
		return !strings.HasPrefix(s.Path, folder+"/")
	})
}

// has tells whether a live path is there under another spelling of capitals, or with another extension: names of files
// are drawn without both.
func (x *index) has(stem string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()

	stem = strings.ToLower(stem)

	for path, s := range x.states {
		if !s.Deleted && stemOf(path) == stem {
			return true
		}
	}

	return false
}

// stemOf is a path in small letters, without its extension.
func stemOf(path string) string {
	folder, name := "", path
	if at := strings.LastIndexByte(path, '/'); at >= 0 {
		folder, name = path[:at+1], path[at+1:]
	}

	if at := strings.LastIndexByte(name, '.'); at > 0 {
		name = name[:at]
	}

	return strings.ToLower(folder + name)
}
