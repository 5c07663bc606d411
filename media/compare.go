package media

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"syscall"
	"time"

	"github.com/hornero/hornero/internal/space"
)

// DefaultCompare is how often all paths are compared.
const DefaultCompare = 10 * time.Minute

// fetchers is how many files are fetched at the same time that nobody waits for.
const fetchers = 2

// ErrTooMany is a comparison that would take away so much that it is believed to be wrong.
var ErrTooMany = errors.New("more than a tenth of all files would go")

// comparePeers takes over what other nodes know better, and learns what they have.
func (l *Library) comparePeers(ctx context.Context, others *peers) error {
	var failed []error

	for _, peer := range others.live() {
		err := others.entries(ctx, peer, func(line told) {
			if err := l.hears(peer.Name, line); err != nil {
				l.log.Warn(
					"compare a file",
					"path",
					line.Path,
					"node",
					peer.Name,
					"err",
					err,
				)
			}
		})
		if err != nil {
			failed = append(failed, err)
		}
	}

	return errors.Join(failed...)
}

// onlyRefused tells whether nodes did not answer because they have no daemon: their image is of before.
func onlyRefused(err error) bool {
	var list interface{ Unwrap() []error }
	if !errors.As(err, &list) {
		return errors.Is(err, syscall.ECONNREFUSED)
	}

	return !slices.ContainsFunc(list.Unwrap(), func(err error) bool {
		return !errors.Is(err, syscall.ECONNREFUSED)
	})
}

// scarce counts the files that are on one other node alone.
func (l *Library) scarce() int {
	count := 0

	for _, s := range l.index.all() {
		if !s.Deleted && !s.here() && len(s.Holders) == 1 {
			count++
		}
	}

	return count
}

func (l *Library) hears(node string, line told) error {
	if checkPath(line.Path) != nil || isLocal(line.Path) {
		return nil
	}

	from := ""
	if line.Here || line.Deleted {
		from = node
	}

	_, err := l.Apply(from, line.Entry, nil)

	return err
}

// sendMissing sends live nodes what only this one has: a node that joins, or that was away.
func (l *Library) sendMissing(others *peers) {
	live := others.live()

	for _, s := range l.index.all() {
		if len(live) > 0 && len(s.Holders) == 0 && (s.here() || s.Deleted) && !s.Pending {
			l.set(s.Path, func(now *state) bool {
				now.Pending = now.Version == s.Version
				return now.Pending
			})
			l.jobs.add(s.Path)
		}
	}
}

// fetchMissing brings here what is known and not here.
func (l *Library) fetchMissing(ctx context.Context) {
	paths := make(chan string)

	var wait sync.WaitGroup

	for range fetchers {
		wait.Go(func() {
			for path := range paths {
				if err := l.Fetch(ctx, path); err != nil {
					l.log.Debug(
						"fetch a file",
						"path",
						path,
						"err",
						err,
					)
				}
			}
		})
	}

	for _, s := range l.index.all() {
		if !s.Deleted && !s.here() && ctx.Err() == nil {
			paths <- s.Path
		}
	}

	close(paths)
	wait.Wait()
}

// compareSpace takes over what the Space has. What it has no more goes here, too: set aside for a week, and not at all
// where that would be more than a tenth.
func (l *Library) compareSpace(ctx context.Context, store *spaces) error {
	before := l.resting()

	found, err := store.list(ctx)
	if err != nil {
		return err
	}

	for name, object := range found {
		known := l.index.get(name)
		if known.Tag == object.Tag && known.Size == object.Size && !known.Deleted {
			l.holds(spaceHolder, known.Entry)
			continue
		}

		if !before.still(known) {
			continue
		}

		if _, err := l.Apply(spaceHolder, store.opened(name, known.Entry, object), nil); err != nil {
			l.log.Warn(
				"compare a file",
				"path",
				name,
				"err",
				err,
			)
		}
	}

	store.listed.Store(true)

	return l.takeAway(found, before)
}

// resting are the versions that the Space had when a listing of it began. About all that was on its way then, or that
// changed since, the listing is silent: it may have been made before or after.
type resting map[string]Version

func (l *Library) resting() resting {
	before := resting{}

	for _, s := range l.index.all() {
		if s.Pending {
			before[s.Path] = Version{}
			continue
		}

		before[s.Path] = s.Version
	}

	return before
}

// still tells whether a path is what it was; one that nobody knew is that as well.
func (r resting) still(now state) bool {
	return !now.Pending && r[now.Path] == now.Version
}

func (l *Library) takeAway(found map[string]space.Object, before resting) error {
	var gone []state

	live := 0

	for _, s := range l.index.all() {
		if s.Deleted {
			continue
		}

		live++

		if _, ok := found[s.Path]; !ok && len(s.Holders) > 0 && before.still(s) {
			gone = append(gone, s)
		}
	}

	// A handful is no sign of a wrong listing.
	if len(gone) > max(10, live/10) {
		return fmt.Errorf(
			"%w: %d of %d are not in the Space; nothing was taken away",
			ErrTooMany,
			len(gone),
			live,
		)
	}

	for _, s := range gone {
		if err := l.giveUp(s); err != nil {
			return err
		}
	}

	return nil
}

// giveUp sets a file aside that the Space has no more.
func (l *Library) giveUp(s state) error {
	if err := l.folder.setAside(s.Path, s.Version); err != nil {
		return err
	}

	l.place.Lock()
	defer l.place.Unlock()

	if l.index.get(s.Path).Version != s.Version {
		return nil
	}

	l.set(s.Path, func(now *state) bool {
		now.Base, now.Version = now.Version, l.clock.next()
		now.Deleted, now.Stamp = true, stamp{}

		return true
	})

	return l.folder.remove(s.Path)
}

// restWhile is how long a file is not evicted after it was written or read.
const restWhile = time.Hour

// evict removes files here that the store has, those first that were read the longest ago, until they take at most room
// bytes. One that was written or read more recently than rest stays. It returns how many went.
func (l *Library) evict(room int64, rest time.Duration) (int, error) {
	type candidate struct {
		state

		read int64
	}

	var (
		all   int64
		list  []candidate
		young = time.Now().Add(-rest).UnixNano()
	)

	for _, s := range l.index.all() {
		mark, there := l.folder.stat(s.Path)
		if !there {
			continue
		}

		all += mark.Size

		// Somebody touched it: what is known of it is brought up to date.
		if s.here() && !mark.equal(s.Stamp) {
			l.jobs.add(s.Path)
		}

		read := max(mark.Access, mark.Time)
		if s.here() && !s.Pending && len(s.Holders) > 0 && mark.equal(s.Stamp) && read < young {
			list = append(list, candidate{state: s, read: read})
		}
	}

	sort.Slice(list, func(a, b int) bool { return list[a].read < list[b].read })

	count := 0

	for _, s := range list {
		if all <= room {
			break
		}

		if err := l.drop(s.state); err != nil {
			return count, err
		}

		all -= s.Size
		count++
	}

	return count, nil
}

// drop removes a file here, and goes on knowing it.
func (l *Library) drop(s state) error {
	l.place.Lock()
	defer l.place.Unlock()

	mark, there := l.folder.stat(s.Path)
	if now := l.index.get(s.Path); !there || now.Version != s.Version || now.Pending || !mark.equal(now.Stamp) {
		return nil
	}

	l.set(s.Path, func(now *state) bool {
		now.Stamp = stamp{}
		return true
	})

	return l.folder.remove(s.Path)
}
