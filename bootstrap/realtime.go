package bootstrap

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// realTime tells whether a process of this node may run before all others, by sched(7)'s SCHED_RR. A kernel
// that shares real-time out among control groups refuses it to a container that was given none, to root as
// well. It is tried on a thread of its own, which ends with the goroutine that never unlocks it.
var realTime = sync.OnceValue(func() bool {
	allowed := make(chan bool)
	go func() {
		runtime.LockOSThread()

		allowed <- unix.SchedSetAttr(
			0,
			&unix.SchedAttr{
				Size:     unix.SizeofSchedAttr,
				Policy:   unix.SCHED_RR,
				Priority: 1,
			},
			0,
		) == nil
	}()

	return <-allowed
})
