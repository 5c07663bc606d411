package media

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// watched is all that changes what a path is (inotify(7)).
const watched = unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO |
	unix.IN_ONLYDIR | unix.IN_DONT_FOLLOW | unix.IN_EXCL_UNLINK

// pollWait is how long the reader sleeps before it looks whether it is still wanted, in milliseconds.
const pollWait = 500

// eventRoom holds many events: each has at most a name's 256 bytes.
const eventRoom = 64 << 10

// watch tells what changes below a folder. The kernel queues a change before the call that made it returns: who drains
// the queue knows of all that was done before.
type watch struct {
	root string
	log  *slog.Logger
	// Of paths in the root: a file that was written or is gone, a folder that is there or gone. An empty path is the
	// root: changes were lost.
	file   func(path string)
	folder func(path string)

	mu      sync.Mutex // held while events are read and told
	queue   int
	folders map[int32]string
	room    []byte
}

func newWatch(root string, log *slog.Logger, file, folder func(path string)) (*watch, error) {
	queue, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", root, err)
	}

	return &watch{
		root:    root,
		log:     log,
		file:    file,
		folder:  folder,
		queue:   queue,
		folders: map[int32]string{},
		room:    make([]byte, eventRoom),
	}, nil
}

// add watches a folder and all below it. One that is gone meanwhile is passed over.
func (w *watch) add(from string) error {
	return filepath.WalkDir(filepath.Join(w.root, from), func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}

		if err != nil || !entry.IsDir() {
			return err
		}

		name, err := filepath.Rel(w.root, path)
		if err != nil {
			return err
		}

		if name != "." && isLocal(name) {
			return fs.SkipDir
		}

		id, err := unix.InotifyAddWatch(
			w.queue,
			path,
			watched,
		)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			return fs.SkipDir
		}

		if err != nil {
			return fmt.Errorf("watch %s: %w", path, err)
		}

		w.folders[int32(id)] = name

		return nil
	})
}

// run tells of changes until ctx ends.
func (w *watch) run(ctx context.Context) {
	for ctx.Err() == nil {
		wanted := []unix.PollFd{{Fd: int32(w.queue), Events: unix.POLLIN}}

		if _, err := unix.Poll(wanted, pollWait); err != nil && !errors.Is(err, unix.EINTR) {
			w.log.Error("watch the library", "err", err)
			return
		}

		w.drain()
	}
}

func (w *watch) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()

	return unix.Close(w.queue)
}

// drain tells all changes that were made before it was called.
func (w *watch) drain() {
	w.mu.Lock()
	defer w.mu.Unlock()

	for {
		n, err := unix.Read(w.queue, w.room)
		if errors.Is(err, unix.EINTR) {
			continue
		}

		if err != nil || n <= 0 {
			return // EAGAIN: none are left
		}

		w.tell(w.room[:n])
	}
}

func (w *watch) tell(events []byte) {
	for len(events) >= unix.SizeofInotifyEvent {
		event := (*unix.InotifyEvent)(unsafe.Pointer(&events[0]))
		end := unix.SizeofInotifyEvent + int(event.Len)
		name := strings.TrimRight(
			string(events[unix.SizeofInotifyEvent:end]),
			"\x00",
		)
		events = events[end:]

		switch {
		case event.Mask&unix.IN_Q_OVERFLOW != 0:
			w.lost()
		case event.Mask&unix.IN_IGNORED != 0:
			delete(w.folders, event.Wd)
		default:
			w.one(event, name)
		}
	}
}

// lost begins anew: which changes there were is unknown.
func (w *watch) lost() {
	w.log.Warn("too many changes at once; the library is looked through")

	if err := w.add("."); err != nil {
		w.log.Error("watch the library", "err", err)
	}

	w.folder("")
}

func (w *watch) one(event *unix.InotifyEvent, name string) {
	folder, known := w.folders[event.Wd]
	if !known || name == "" {
		return
	}

	path := filepath.Join(folder, name)
	if isLocal(path) || checkPath(path) != nil {
		return
	}

	switch {
	case event.Mask&unix.IN_ISDIR == 0 && event.Mask&unix.IN_CREATE == 0:
		w.file(path)
	case event.Mask&unix.IN_ISDIR == 0:
		w.created(path)
	case event.Mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0:
		// Files may be in it already: it is watched first, and looked through then.
		if err := w.add(path); err != nil {
			w.log.Error(
				"watch a folder",
				"path",
				path,
				"err",
				err,
			)
		}

		w.folder(path)
	default:
		w.folder(path)
	}
}

// created tells of a second name of a file: nobody closes it. One that is being written is told when it is closed.
func (w *watch) created(path string) {
	info, err := os.Lstat(filepath.Join(w.root, path))
	if err != nil || !info.Mode().IsRegular() {
		return
	}

	if linksOf(info) > 1 {
		w.file(path)
	}
}
