// Package media keeps a folder of files the same on all nodes of a role: what is written on one is kept elsewhere
// before the writer is told so, and is found by all. It owns what is known of each path (versions, tombstones), the
// watch over the folder, and the two stores that files are kept in: a Space, or the other nodes. It must not know who
// writes the files, nor what is in them.
package media

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Sentinels of this package.
var (
	// ErrNotThere is a path that no one has.
	ErrNotThere = errors.New("no such file")
	// ErrNotKept is a file that could be kept nowhere but here.
	ErrNotKept = errors.New("not kept")
	// ErrPath is a path that is not a library's.
	ErrPath = errors.New("not a path of the library")
	// ErrConfig is a configuration that cannot be used.
	ErrConfig = errors.New("wrong configuration")
	// ErrDamaged is a file whose bytes are not those that were promised.
	ErrDamaged = errors.New("the bytes are not those that were sent")
)

// Version orders all that a path ever was, over all nodes: by clock, then by node.
type Version struct {
	Clock int64 // microseconds since 1970, never less than what the node saw of others
	Node  string
}

// Compare is negative where v is older than other.
func (v Version) Compare(other Version) int {
	return cmp.Or(
		cmp.Compare(v.Clock, other.Clock),
		cmp.Compare(v.Node, other.Node),
	)
}

// IsZero tells whether it is none at all, which is older than all.
func (v Version) IsZero() bool { return v == Version{} }

// String is the version as files and messages have it.
func (v Version) String() string { return strconv.FormatInt(v.Clock, 10) + "@" + v.Node }

// MarshalText writes String.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (v *Version) UnmarshalText(text []byte) error {
	number, node, _ := strings.Cut(string(text), "@")

	clock, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return fmt.Errorf("read version %q: %w", text, err)
	}

	*v = Version{Clock: clock, Node: node}

	return nil
}

// Entry is what a path is at a version.
type Entry struct {
	Path    string  `json:"path"` // in the library, without a leading slash
	Version Version `json:"version"`
	Base    Version `json:"base"` // what it took the place of
	Size    int64   `json:"size"`
	Sum     string  `json:"sum"` // SHA-256, in hex; empty for what a Space held before
	Tag     string  `json:"tag"` // MD5, in hex: the ETag of what is put in one piece
	Deleted bool    `json:"deleted,omitempty"`

	packed bool // size and tag are an object's that was packed, and the bytes are not
}

// sameContent tells whether two entries have the same bytes.
func (e Entry) sameContent(other Entry) bool {
	if e.Deleted || other.Deleted {
		return e.Deleted && other.Deleted
	}

	if e.Sum == "" || other.Sum == "" {
		return e.Tag == other.Tag && e.Size == other.Size
	}

	return e.Sum == other.Sum
}

// maxPath bounds a path, in bytes: a key of S3 has at most 1024, with its prefix.
const maxPath = 900

// checkPath refuses what is no clean relative path, and the parts that the library leaves alone.
func checkPath(name string) error {
	switch {
	case name == "" || name == "." || len(name) > maxPath:
	case path.IsAbs(name) || path.Clean(name) != name || name == ".." || strings.HasPrefix(name, "../"):
	case strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7f }):
	default:
		return nil
	}

	return fmt.Errorf("%w: %q", ErrPath, name)
}

// isLocal tells paths that stay on their node: temporary files, logs that are appended to all day, and caches.
func isLocal(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") || part == "wc-logs" || part == "cache" {
			return true
		}
	}

	switch path.Ext(name) {
	case ".tmp", ".part", ".log", ".lock", ".swp":
		return true
	}

	return false
}

// clock gives versions. It goes on from the newest that it saw, so that a node whose time is behind loses nothing.
type clock struct {
	node string

	mu   sync.Mutex
	last int64
}

func (c *clock) next() Version {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.last = max(time.Now().UnixMicro(), c.last+1)

	return Version{Clock: c.last, Node: c.node}
}

func (c *clock) saw(v Version) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.last = max(c.last, v.Clock)
}
