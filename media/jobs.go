package media

import (
	"context"
	"sync"
	"time"

	"github.com/hornero/hornero/internal/pause"
)

// job is a path that is to be brought to the store.
type job struct {
	path  string
	first chan struct{} // closed when it is kept, or when its first tries have failed

	// Of its jobs' mutex.
	err     error
	told    bool // first is closed
	again   bool // it changed meanwhile
	running bool
}

// jobs are the paths that are to be brought to the store, each once.
type jobs struct {
	bell pause.Bell

	mu     sync.Mutex
	byPath map[string]*job
	queue  []*job
}

func newJobs() *jobs {
	return &jobs{bell: pause.NewBell(), byPath: map[string]*job{}}
}

// add asks for a path. What changes while it is brought is brought again, and its first tries begin anew.
func (j *jobs) add(path string) {
	j.mu.Lock()
	defer j.mu.Unlock()

	found := j.byPath[path]
	if found == nil {
		found = &job{path: path, first: make(chan struct{})}
		j.byPath[path] = found
		j.queue = append(j.queue, found)
		j.bell.Ring()

		return
	}

	found.again = true

	if found.told {
		found.first, found.told, found.err = make(chan struct{}), false, nil
	}
}

// next takes a job; nil when there is none.
func (j *jobs) next() *job {
	j.mu.Lock()
	defer j.mu.Unlock()

	if len(j.queue) == 0 {
		return nil
	}

	taken := j.queue[0]
	j.queue = j.queue[1:]
	taken.running, taken.again = true, false

	if len(j.queue) > 0 {
		j.bell.Ring()
	}

	return taken
}

// begin tells whether a job was asked for anew since it began, and begins again.
func (j *jobs) begin(of *job) bool {
	j.mu.Lock()
	defer j.mu.Unlock()

	again := of.again
	of.again = false

	return again
}

// end closes a job that was kept, unless its path changed meanwhile.
func (j *jobs) end(of *job) bool {
	j.mu.Lock()
	defer j.mu.Unlock()

	if of.again {
		return false
	}

	delete(j.byPath, of.path)

	if of.told {
		return true
	}

	of.err, of.told = nil, true
	close(of.first)

	return true
}

// fail tells those who wait that the first tries have failed.
func (j *jobs) fail(of *job, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()

	of.err = err

	if !of.told {
		of.told = true
		close(of.first)
	}
}

// note remembers why a try failed, for the status.
func (j *jobs) note(of *job, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()

	of.err = err
}

// waiting is a job as it was when somebody began to wait for it.
type waiting struct {
	path  string
	first chan struct{}
	of    *job
}

// waited are the jobs of these paths; of all that have not failed yet where none are named.
func (j *jobs) waited(paths []string) []waiting {
	j.mu.Lock()
	defer j.mu.Unlock()

	var list []waiting

	add := func(found *job) {
		list = append(
			list,
			waiting{path: found.path, first: found.first, of: found},
		)
	}

	if len(paths) == 0 {
		for _, found := range j.byPath {
			if !found.told {
				add(found)
			}
		}
	}

	for _, path := range paths {
		if found := j.byPath[path]; found != nil {
			add(found)
		}
	}

	return list
}

func (j *jobs) failure(of waiting) error {
	j.mu.Lock()
	defer j.mu.Unlock()

	return of.of.err
}

// failing are the paths that could not be kept so far, and why.
func (j *jobs) failing() map[string]string {
	j.mu.Lock()
	defer j.mu.Unlock()

	list := map[string]string{}

	for path, found := range j.byPath {
		if found.err != nil {
			list[path] = found.err.Error()
		}
	}

	return list
}

func (j *jobs) count() int {
	j.mu.Lock()
	defer j.mu.Unlock()

	return len(j.byPath)
}

// retry lets all jobs try now that wait for their next try: the peers, or the keys, are others.
func (j *jobs) retry() {
	j.mu.Lock()
	defer j.mu.Unlock()

	for _, found := range j.byPath {
		if found.told && found.err != nil {
			found.again = true
		}
	}
}

// work brings paths to the store, one after another, until ctx ends.
func (l *Library) work(ctx context.Context) {
	for ctx.Err() == nil {
		taken := l.jobs.next()
		if taken == nil {
			select {
			case <-l.jobs.bell:
			case <-ctx.Done():
			}

			continue
		}

		l.bring(ctx, taken)
	}
}

// bring tries until a path is kept. A job whose first tries failed leaves the worker to others, and waits by itself.
func (l *Library) bring(ctx context.Context, of *job) {
	if l.tries(ctx, of, time.Now().Add(l.settings.First)) {
		return
	}

	l.wait.Go(func() {
		wait := l.settings.Pause

		for ctx.Err() == nil {
			wait = min(2*wait, maxPause)
			l.pauseFor(ctx, of, wait)

			if l.tries(ctx, of, time.Now()) {
				return
			}
		}
	})
}

// pauseFor waits, or less where the path changes meanwhile.
func (l *Library) pauseFor(ctx context.Context, of *job, wait time.Duration) {
	end := time.Now().Add(wait)

	for time.Now().Before(end) && ctx.Err() == nil && !l.jobs.begin(of) {
		pause.For(ctx, min(l.settings.Pause, time.Until(end)))
	}
}

// slowest is how many bytes a second a store takes at least. A large file has the time that it needs.
const slowest = 1 << 20

func (l *Library) sendTime(name string) time.Duration {
	mark, _ := l.folder.stat(name)
	return time.Duration(mark.Size/slowest) * time.Second
}

// tries tries until the path is kept or the time is over, at least once.
func (l *Library) tries(ctx context.Context, of *job, until time.Time) bool {
	wait := l.settings.Pause

	for {
		limited, cancel := context.WithDeadline(
			ctx,
			time.Now().Add(max(l.settings.First, time.Until(until))+l.sendTime(of.path)),
		)
		err := l.keep(limited, of.path)

		cancel()

		if err == nil && l.jobs.end(of) {
			return true
		}

		switch {
		case err == nil:
			l.jobs.begin(of) // changed meanwhile: once more
		case ctx.Err() != nil || time.Now().Add(wait).After(until):
			l.jobs.fail(of, err)
			l.log.Warn(
				"keep a file",
				"path",
				of.path,
				"err",
				err,
			)

			return false

		default:
			l.jobs.note(of, err)
			pause.For(ctx, wait)
			wait *= 2
		}
	}
}
