package galera

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/internal/pause"
)

// ToldFile is what the server touches at each change of its state or its view (wsrep_notify_cmd in its
// configuration).
const ToldFile = "/run/mysqld/hornero-told"

// attention is how closely the driver looks at its server. Only the loop touches it.
type attention struct {
	heard   time.Time // the server told last that something changed
	owed    time.Time // since when a change is known that it did not tell; zero while there is none
	stirred time.Time // the last change, told or seen
}

// hear notes that the server told that something changed.
func (a *attention) hear() {
	a.heard, a.owed, a.stirred = time.Now(), time.Time{}, time.Now()
}

// see notes a change that was seen. One that nobody told means that nobody may tell the next one.
func (a *attention) see(within time.Duration) {
	a.stirred = time.Now()
	if time.Since(a.heard) > within {
		a.owed = time.Now()
	}
}

// quiet tells whether nothing changed for a while, and the server is known to tell when something does.
func (a *attention) quiet(calm time.Duration) bool {
	return !a.heard.IsZero() && a.owed.IsZero() && time.Since(a.stirred) >= calm
}

// rest is how long the loop may wait for somebody to tell it something: a server that serves, and that tells
// what changes, is looked at only because it may hang.
func (d *Driver) rest() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()

	if time.Since(d.attention.heard) < 2*d.Times.Tick {
		return d.Times.Tick / 5 // it is told before all of it can be seen
	}
	if d.settling.Kind == Serve &&
		d.status.State == StateSynced &&
		d.status.Healthy &&
		d.leave.IsZero() &&
		d.attention.quiet(d.Times.Calm) {
		return d.Times.Steady
	}

	return d.Times.Tick
}

// likeBefore tells whether a server's view and state are what they were.
func (w Wsrep) likeBefore(before Wsrep) bool {
	return w.ClusterStatus == before.ClusterStatus &&
		w.LocalState == before.LocalState &&
		w.Ready == before.Ready &&
		w.Size == before.Size &&
		slices.Equal(w.Incoming, before.Incoming)
}

// Told returns a channel that gets word when the server touched the file; nil on a kernel that does not tell of
// the server's end, which is found by looking then.
func (s *Server) Told(ctx context.Context, file string) <-chan struct{} {
	if !endsAreTold() {
		return nil
	}

	go func() {
		for ctx.Err() == nil {
			_ = s.overhear(ctx, file) // the folder is not there yet, or no more
			pause.For(ctx, time.Second)
		}
	}()

	return s.told
}

// overhear tells of each touch of a file, and at once when it was touched before.
func (s *Server) overhear(ctx context.Context, file string) error {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return err
	}

	notes := os.NewFile(uintptr(fd), "inotify")
	defer notes.Close()
	defer context.AfterFunc(ctx, func() { notes.Close() })()

	if _, err := unix.InotifyAddWatch(fd,
		filepath.Dir(file),
		unix.IN_CLOSE_WRITE|unix.IN_ONLYDIR,
	); err != nil {
		return err
	}

	if _, err := os.Stat(file); err == nil {
		s.told.Ring()
	}

	buffer := make([]byte, 4<<10)

	for {
		n, err := notes.Read(buffer)
		if err != nil {
			return err
		}

		touched, lost := touches(buffer[:n], filepath.Base(file))
		if touched || lost {
			s.told.Ring()
		}
		if lost {
			return errors.New("what was told may be lost")
		}
	}
}

// touches reads inotify(7)'s events: whether the file was touched, and whether the watch is over or has lost events.
func touches(events []byte, name string) (touched, lost bool) {
	for len(events) >= unix.SizeofInotifyEvent {
		event := (*unix.InotifyEvent)(unsafe.Pointer(&events[0]))
		end := min(
			unix.SizeofInotifyEvent+int(event.Len),
			len(events),
		)

		lost = lost || event.Mask&(unix.IN_IGNORED|unix.IN_Q_OVERFLOW) != 0

		touched = touched || strings.TrimRight(
			string(events[unix.SizeofInotifyEvent:end]),
			"\x00",
		) == name

		events = events[end:]
	}

	return touched, lost
}
