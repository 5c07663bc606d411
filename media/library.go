package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"
)

// What a library does at the same time, and how long it waits.
const (
	DefaultWorkers = 6
	// DefaultFirst is how long the first tries to keep a file may take: then its writer is told.
	DefaultFirst = 10 * time.Second
	// DefaultPause is how long the first pause between two tries is. Each is twice as long as the one before.
	DefaultPause = 500 * time.Millisecond
	maxPause     = time.Minute
	// AsideLife is how long what lost against another version is kept.
	AsideLife = 7 * 24 * time.Hour
)

// Library is a folder of files that are kept elsewhere, too.
type Library struct {
	settings Settings
	folder   *folder
	index    *index
	clock    *clock
	store    Store
	watch    *watch
	jobs     *jobs
	fetches  *fetches
	log      *slog.Logger
	wait     sync.WaitGroup
	started  chan struct{} // closed when the folder is watched and was looked through

	// place is held while a file here and what is known of it change together.
	place sync.Mutex
}

// Settings are what a library is opened with.
type Settings struct {
	Node   string
	Folder string // the files
	State  string // what is known of them: a folder of root's
	Owner  Owner  // of files that come from elsewhere
	Log    *slog.Logger

	Workers int           // default DefaultWorkers
	First   time.Duration // default DefaultFirst
	Pause   time.Duration // default DefaultPause
}

func (s *Settings) complete() {
	if s.Workers == 0 {
		s.Workers = DefaultWorkers
	}

	if s.First == 0 {
		s.First = DefaultFirst
	}

	if s.Pause == 0 {
		s.Pause = DefaultPause
	}
}

// Open opens a library. Nothing is kept anywhere before Start.
func Open(settings Settings) (*Library, error) {
	settings.complete()

	l := &Library{
		settings: settings,
		clock:    &clock{node: settings.Node},
		store:    alone{},
		jobs:     newJobs(),
		fetches:  newFetches(),
		log:      settings.Log,
		started:  make(chan struct{}),
	}

	var err error
	if l.index, err = openIndex(filepath.Join(settings.State, indexFile)); err != nil {
		return nil, err
	}

	for _, s := range l.index.all() {
		l.clock.saw(s.Version)
	}

	l.folder, err = openFolder(
		settings.Folder,
		settings.Owner,
		filepath.Join(settings.State, "aside"),
	)
	if err != nil {
		return nil, err
	}

	l.watch, err = newWatch(
		settings.Folder,
		settings.Log,
		l.changed,
		l.scan,
	)

	return l, err
}

// Start looks through the folder and keeps what changes until ctx ends; Wait waits for that end.
func (l *Library) Start(ctx context.Context, store Store) error {
	l.store = store

	if err := l.watch.add("."); err != nil {
		return err
	}

	l.forgetLost()
	l.scan("")

	for _, s := range l.index.all() {
		if s.Pending {
			l.jobs.add(s.Path)
		}
	}

	close(l.started)

	for range l.settings.Workers {
		l.wait.Go(func() { l.work(ctx) })
	}

	l.wait.Go(func() { l.watch.run(ctx) })

	return nil
}

// drain waits until all is known that was written before it was called.
func (l *Library) drain(ctx context.Context) error {
	// What was written while nobody watched is found when Start looks through the folder.
	select {
	case <-l.started:
	case <-ctx.Done():
		return ctx.Err()
	}

	l.watch.drain()

	return nil
}

// Wait waits until all that Start began has ended, and closes the library.
func (l *Library) Wait() error {
	l.wait.Wait()

	return errors.Join(
		l.watch.close(),
		l.index.close(),
		l.folder.root.Close(),
	)
}

// forgetLost marks files that went while nobody looked as not here: a store that has them gives them back. A deletion
// is only what was seen.
func (l *Library) forgetLost() {
	for _, s := range l.index.all() {
		if _, ok := l.folder.stat(s.Path); ok || !s.here() {
			continue
		}

		l.set(s.Path, func(s *state) bool {
			// What was kept nowhere else is lost; what others have, they give back.
			s.Stamp, s.Pending = stamp{}, false
			return true
		})
	}
}

// scan looks through a folder, all of them when it is empty: what is new is kept, and what is gone is deleted.
func (l *Library) scan(name string) {
	from, known := name, l.index.below(name)
	if name == "" {
		from, known = ".", nil
	}

	// Only a folder whose removal was seen: else a disk that is not there would delete everything.
	for _, s := range known {
		if s.here() {
			l.changed(s.Path)
		}
	}

	if err := l.folder.walk(from, l.changed); err != nil {
		l.log.Error(
			"look through the library",
			"folder",
			from,
			"err",
			err,
		)
	}
}

// changed looks at a path that something happened to.
func (l *Library) changed(name string) {
	l.place.Lock()
	defer l.place.Unlock()

	mark, there := l.folder.stat(name)
	known := l.index.get(name)

	switch {
	case there && known.here() && mark.equal(known.Stamp):
		// Its own doing, or nothing new.
	case there:
		l.jobs.add(name)
	case known.here():
		l.bury(name)
	}
}

// bury makes a tombstone of a path. The caller has place.
func (l *Library) bury(name string) {
	l.set(name, func(s *state) bool {
		s.Base, s.Version = s.Version, l.clock.next()
		s.Deleted, s.Pending = true, true
		s.Stamp, s.Holders = stamp{}, nil

		return true
	})
	l.jobs.add(name)
}

// set changes what is known of a path. What cannot be written to the disk is told, and known all the same at the next
// start: the file says it.
func (l *Library) set(name string, to func(*state) bool) state {
	s, err := l.index.change(name, to)
	if err != nil {
		l.log.Error(
			"remember a file",
			"path",
			name,
			"err",
			err,
		)
	}

	return s
}

// Delete deletes a file everywhere, whether it is here or not.
func (l *Library) Delete(name string) error {
	if err := checkPath(name); err != nil {
		return err
	}

	l.watch.drain()

	l.place.Lock()
	defer l.place.Unlock()

	if known := l.index.get(name); known.Version.IsZero() || known.Deleted {
		return l.folder.remove(name)
	}

	l.bury(name)

	return l.folder.remove(name)
}

// Taken tells whether a name, without its extension, is a file's already.
func (l *Library) Taken(name string) bool { return l.index.has(stemOf(name)) }

// Settled waits until all that was written and deleted before is kept, or until the first tries failed. Of the paths
// named, all failures are told; without any, nobody is told of failures, which status has.
func (l *Library) Settled(ctx context.Context, names ...string) error {
	if err := l.drain(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrNotKept, err)
	}

	var failed []error

	for _, job := range l.jobs.waited(names) {
		select {
		case <-job.first:
		case <-ctx.Done():
			return fmt.Errorf(
				"%w: %w",
				ErrNotKept,
				ctx.Err(),
			)
		}

		if err := l.jobs.failure(job); err != nil {
			failed = append(
				failed,
				fmt.Errorf("%s: %w", job.path, err),
			)
		}
	}

	if len(names) == 0 {
		return nil
	}

	return errors.Join(failed...)
}

// keep brings a path to the store, as it is now.
func (l *Library) keep(ctx context.Context, name string) error {
	s, err := l.look(name)
	if err != nil || !s.Pending {
		return err
	}

	var holders []string

	if s.Deleted {
		holders, err = l.store.Remove(ctx, s.Entry)
	} else {
		holders, err = l.store.Keep(ctx, s.Entry, func() (io.ReadCloser, error) {
			return l.folder.open(name)
		})
	}

	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotKept, err)
	}

	l.set(name, func(now *state) bool {
		// Meanwhile it may have become something else.
		if now.Version != s.Version {
			return false
		}

		now.Pending, now.Holders = false, holders

		return true
	})

	return nil
}

// look finds out what a path is now: a new version when its bytes are others.
func (l *Library) look(name string) (state, error) {
	known := l.index.get(name)

	mark, there := l.folder.stat(name)
	if !there || known.here() && mark.equal(known.Stamp) {
		return known, nil
	}

	entry, mark, err := l.folder.measure(name)
	if errors.Is(err, ErrNotThere) {
		return known, nil
	}

	if err != nil {
		return state{}, err
	}

	l.place.Lock()
	defer l.place.Unlock()

	return l.set(name, func(s *state) bool {
		s.Stamp = mark

		// Written again with the same bytes, or found where an earlier life of this node left it.
		if !s.Version.IsZero() && !s.Deleted && s.sameContent(entry) {
			s.Sum, s.Tag = entry.Sum, entry.Tag
			return true
		}

		entry.Base, entry.Version = s.Version, l.clock.next()
		s.Entry, s.Pending, s.Holders = entry, true, nil

		return true
	}), nil
}
