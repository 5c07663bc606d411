package cloudinit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Pauses of Await: short while a network comes up, long when it does not.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 3 * time.Second
)

// ErrNotFound means that no source had user-data.
var ErrNotFound = errors.New("no user-data: neither the metadata service, nor a config drive, nor a seed has any")

var errEmpty = errors.New("it is there and empty")

// Sources are the places where user-data may be. The zero value is those of a Droplet.
type Sources struct {
	File     string // where given, this file is read and nothing else
	Metadata string // base URL of the metadata service; MetadataURL when empty
	Root     string // the folder that /dev, /sys, /etc and /var are below; "/" when empty
}

// Found is user-data and where it was.
type Found struct {
	Source string
	Data   []byte
	Tried  []Attempt `json:",omitempty"` // what was asked before, in order
}

// Attempt is a source that had no user-data.
type Attempt struct {
	Source  string `json:"source"`
	Problem string `json:"problem"`
	absent  bool   // there is no such thing on this node, which is common and no fault
}

// source is one place to look at. read returns what is there, and a name more exact than the source's own or "".
type source struct {
	name string
	read func(context.Context) (data []byte, name string, err error)
}

func (s Sources) metadata() string {
	if s.Metadata == "" {
		return MetadataURL
	}

	return s.Metadata
}

func (s Sources) path(below string) string {
	return filepath.Join("/", s.Root, below)
}

// list is every source in the order of asking.
func (s Sources) list() []source {
	if s.File != "" {
		return []source{s.file(s.File)}
	}

	url := s.metadata() + "/metadata/v1/user-data"
	sources := []source{
		{
			name: url,
			read: func(ctx context.Context) ([]byte, string, error) {
				data, err := get(ctx, url, MaxUserData)
				return data, "", err
			},
		},
		{
			name: "config drive",
			read: func(context.Context) ([]byte, string, error) {
				drive, err := s.drive()
				return drive.userData, drive.name, err
			},
		},
	}

	for _, path := range seedFiles {
		sources = append(sources, s.file(s.path(path)))
	}

	return append(sources, source{
		name: s.path(cloudFolder),
		read: s.fromCloudConfig,
	}, s.file(s.path(instanceFile)))
}

func (s Sources) file(path string) source {
	return source{
		name: path,
		read: func(context.Context) ([]byte, string, error) {
			data, err := readFile(path)
			return data, "", err
		},
	}
}

// Find asks each source once: the metadata service first, then the config drive and the seeds that cloud-init
// reads. The first that has any user-data is the one; Tried tells of those before.
func (s Sources) Find(ctx context.Context) (Found, error) {
	var found Found
	for _, source := range s.list() {
		// A source that is there and empty is no answer: the next may have it.
		data, name, err := source.read(ctx)
		if err == nil && len(data) == 0 {
			err = errEmpty
		}
		if name == "" {
			name = source.name
		}
		if err == nil {
			found.Source, found.Data = name, data
			return found, nil
		}

		found.Tried = append(found.Tried, attempt(name, err))
	}

	return found, fmt.Errorf("%w: %s", ErrNotFound, problemsOf(found.Tried))
}

func attempt(name string, err error) Attempt {
	a := Attempt{
		Source:  name,
		Problem: err.Error(),
		absent:  errors.Is(err, fs.ErrNotExist),
	}
	if path := (*fs.PathError)(nil); a.absent && errors.As(err, &path) {
		a.Problem = "there is no such file" // which one, its source says
	}

	return a
}

// none is the absence of a thing, in its own words.
type none string

func (n none) Error() string { return string(n) }

// Is tells that it is as good as a file that does not exist.
func (n none) Is(target error) bool {
	return target == fs.ErrNotExist
}

// problemsOf joins the problems of the sources that are there, or says that there is none.
func problemsOf(tried []Attempt) string {
	var said []string
	for _, attempt := range tried {
		// Most machines lack most sources: only what is there and unusable tells something.
		if !attempt.absent {
			said = append(said, attempt.Source+": "+attempt.Problem)
		}
	}

	if len(said) == 0 {
		return "none of them is there"
	}

	return strings.Join(said, "; ")
}

// Await tries until it succeeds or ctx ends, after pauses that grow to a few seconds, and says what it waits for.
func Await[T any](ctx context.Context, say func(error), try func(context.Context) (T, error)) (T, error) {
	for pause := firstPause; ; pause = min(pause*3/2, lastPause) {
		value, err := try(ctx)
		if err == nil {
			return value, nil
		}

		say(err)

		select {
		case <-ctx.Done():
			return value, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// readFile reads a plain file, and at most one byte more than user-data may have.
func readFile(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a pipe is not waited for
	if err != nil {
		return nil, err
	}

	return readOpen(file, MaxUserData)
}

func readOpen(file *os.File, limit int64) ([]byte, error) {
	defer file.Close()

	info, err := file.Stat()
	if err != nil {
		return nil, err
	}

	// A device may never come to an end.
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: it is no plain file", file.Name())
	}

	return io.ReadAll(io.LimitReader(file, limit+1))
}
