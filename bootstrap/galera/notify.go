package galera

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/internal/pause"
)

// NotifyFile is the file that the server touches at each change of its state or its view (wsrep_notify_cmd in its
// configuration).
const NotifyFile = "/run/mysqld/hornero-told"

var errEventsLost = errors.New("events of the file may be lost")

// Notifications returns a channel that gets word when the server touched the file. It is nil on a kernel that does not
// tell when a process ends: there the driver finds the server's end by looking.
func (s *Server) Notifications(ctx context.Context, file string) <-chan struct{} {
	if !hasPidfd() {
		return nil
	}

	go func() {
		for ctx.Err() == nil {
			// The folder may not be there yet, or not any more.
			_ = s.watchFile(ctx, file)
			pause.For(ctx, time.Second)
		}
	}()

	return s.touched
}

// watchFile tells of each touch of a file, and at once when it was touched before.
func (s *Server) watchFile(ctx context.Context, file string) error {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return err
	}

	notes := os.NewFile(uintptr(fd), "inotify")
	defer notes.Close()
	defer context.AfterFunc(ctx, func() { notes.Close() })()

	folder, name := filepath.Dir(file), filepath.Base(file)

	_, err = unix.InotifyAddWatch(fd, folder, unix.IN_CLOSE_WRITE|unix.IN_ONLYDIR)
	if err != nil {
		return err
	}

	// A touch between the last watch and this one was seen by nobody.
	if _, err := os.Stat(file); err == nil {
		s.touched.Ring()
	}

	buffer := make([]byte, 4<<10)

	for {
		n, err := notes.Read(buffer)
		if err != nil {
			return err
		}

		touched, lost := parseEvents(buffer[:n], name)

		// What was lost may have been a touch.
		if touched || lost {
			s.touched.Ring()
		}

		if lost {
			return errEventsLost
		}
	}
}

// parseEvents reads inotify(7)'s events: whether the file was touched, and whether the watch is over or has lost
// events.
func parseEvents(events []byte, file string) (touched, lost bool) {
	for len(events) >= unix.SizeofInotifyEvent {
		event := (*unix.InotifyEvent)(unsafe.Pointer(&events[0]))
		end := min(unix.SizeofInotifyEvent+int(event.Len), len(events))
		name := string(events[unix.SizeofInotifyEvent:end])

		lost = lost || event.Mask&(unix.IN_IGNORED|unix.IN_Q_OVERFLOW) != 0

		// The kernel pads names with zeros.
		touched = touched || strings.TrimRight(name, "\x00") == file

		events = events[end:]
	}

	return touched, lost
}
