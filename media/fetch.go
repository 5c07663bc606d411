package media

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// DefaultMiss is how long a path that no one has is not asked for again.
const DefaultMiss = time.Second

// fetches are the paths that are being fetched, each once for all who wait.
type fetches struct {
	mu      sync.Mutex
	running map[string]*fetch
	missed  map[string]time.Time
}

type fetch struct {
	done chan struct{}
	err  error
}

func newFetches() *fetches {
	return &fetches{running: map[string]*fetch{}, missed: map[string]time.Time{}}
}

// join returns the fetch of a path, and whether the caller is to do it; nil where it was missed a moment ago.
func (f *fetches) join(path string) (found *fetch, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()

	if at, ok := f.missed[path]; ok && time.Since(at) < DefaultMiss {
		return nil, false
	}

	if found := f.running[path]; found != nil {
		return found, false
	}

	found = &fetch{done: make(chan struct{})}
	f.running[path] = found

	return found, true
}

func (f *fetches) end(path string, of *fetch, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	delete(f.running, path)
	delete(f.missed, path)

	if errors.Is(err, ErrNotThere) {
		f.forgetOld()
		f.missed[path] = time.Now()
	}

	of.err = err
	close(of.done)
}

// forgetOld keeps what strangers ask for from filling the memory.
func (f *fetches) forgetOld() {
	const enough = 1000

	if len(f.missed) < enough {
		return
	}

	clear(f.missed)
}

// Fetch brings a file here, where it is not. ErrNotThere where no one has it.
func (l *Library) Fetch(ctx context.Context, name string) error {
	if err := checkPath(name); err != nil {
		return err
	}

	if isLocal(name) {
		return fmt.Errorf("%w: %s", ErrNotThere, name)
	}

	known := l.index.get(name)
	if _, ok := l.folder.stat(name); ok {
		return nil
	}

	if known.Deleted {
		return fmt.Errorf(
			"%w: %s was deleted",
			ErrNotThere,
			name,
		)
	}

	running, first := l.fetches.join(name)
	if running == nil {
		return fmt.Errorf("%w: %s", ErrNotThere, name)
	}

	if first {
		// For all who wait: it goes on when the first of them goes away.
		go func() {
			l.fetches.end(
				name,
				running,
				l.bringHere(context.WithoutCancel(ctx), name, known.Entry),
			)
		}()
	}

	select {
	case <-running.done:
		return running.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fetchTimeout bounds a fetch, whose bytes may be many.
const fetchTimeout = 10 * time.Minute

func (l *Library) bringHere(ctx context.Context, name string, known Entry) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()

	entry, body, err := l.store.Fetch(ctx, name, known)
	if err != nil {
		return err
	}
	defer body.Close()

	// A Space's own objects have no version yet: they are as old as they can be.
	if entry.Version.IsZero() {
		entry.Version = Version{Clock: 1, Node: spaceHolder}
	}

	return l.folder.install(entry, body, func(whole Entry, mark stamp) error {
		return l.takePlace(whole, mark, "")
	})
}

// Open opens a file that is here, and tells what it is. ErrNotThere for all others.
func (l *Library) Open(name string) (Entry, *os.File, error) {
	if err := checkPath(name); err != nil {
		return Entry{}, nil, err
	}

	known := l.index.get(name)
	if !known.here() {
		return Entry{}, nil, fmt.Errorf("%w: %s", ErrNotThere, name)
	}

	opened, err := l.folder.open(name)

	return known.Entry, opened, err
}
