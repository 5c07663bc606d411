package immutable

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// shortest is the least pause worth a timer.
const shortest = 20 * time.Millisecond

// Of ioprio_set(2): this thread, and the class that has the disk when nobody else wants it.
const (
	ioprioWhoProcess = 1
	ioprioIdle       = 3 << 13
)

// lowerPriority gives the calling goroutine a thread of the lowest priority. The thread ends with the goroutine. Where
// the kernel does not let it, the pace alone bounds the work.
func lowerPriority() {
	runtime.LockOSThread()

	// Errors are ignored: where the kernel allows neither, the pauses have to do.
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 19)
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, 0, ioprioIdle)
}

// pace holds work to a share of one core.
type pace struct {
	share float64
	since time.Time // work since the last rest
}

func newPace(share float64) *pace {
	return &pace{
		share: share,
		since: time.Now(),
	}
}

// rest pauses for as long as the work since the last pause asks for, unless somebody waits.
func (p *pace) rest(ctx context.Context, waited func() bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}

	if p.share <= 0 || p.share >= 1 {
		return nil
	}

	pause := time.Duration(float64(time.Since(p.since)) * (1/p.share - 1))
	if pause < shortest {
		return nil
	}

	// The pause is slept in pieces, so that it ends when somebody comes to wait.
	for end := time.Now().Add(pause); time.Now().Before(end) && !waited(); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(time.Until(end), shortest)):
		}
	}

	p.since = time.Now()

	return nil
}
