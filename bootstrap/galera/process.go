package galera

import (
	"context"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// process is the server's, as it is known from a connection through its socket. Its end is waited for by
// pidfd_open(2), from Linux 5.10 on; on an older kernel nobody is told, and the server is found not to answer.
type process struct {
	ended chan string // the member of Galera's view that it was

	mu     sync.Mutex
	pid    int
	member string // as it said last
}

// hasPidfd tells whether the kernel has pidfd_open(2).
func hasPidfd() bool {
	fd, err := unix.PidfdOpen(os.Getpid(), unix.PIDFD_NONBLOCK)
	if err == nil {
		_ = unix.Close(fd)
	}

	return err == nil
}

// dial connects, and looks who is at the other end.
func (p *process) dial(ctx context.Context, network, address string) (net.Conn, error) {
	connection, err := (&net.Dialer{Timeout: probeTimeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}

	// Without this the server can still be asked, and only its end is not told.
	raw, err := connection.(*net.UnixConn).SyscallConn()
	if err != nil {
		return connection, nil
	}

	_ = raw.Control(func(fd uintptr) {
		peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err == nil {
			p.watch(int(peer.Pid))
		}
	})

	return connection, nil
}

// watch begins to wait for the end of a process that is not waited for yet.
func (p *process) watch(pid int) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.pid == pid {
		return
	}

	// The new server says at its first probe which member it is.
	p.pid, p.member = pid, ""

	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return
	}

	go p.await(pid, os.NewFile(uintptr(fd), "pidfd"))
}

// await waits for the end of a process, and says which member it was.
func (p *process) await(pid int, file *os.File) {
	defer file.Close()

	raw, err := file.SyscallConn()
	if err != nil {
		return
	}

	err = raw.Read(func(fd uintptr) bool {
		// pidfd_open(2): the descriptor is readable once the process has ended.
		ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(ready, 0)

		return n > 0 || err != nil && err != unix.EINTR
	})
	if err != nil {
		return
	}

	member := p.memberThatEnded(pid)
	if member == "" {
		return
	}

	select {
	case p.ended <- member:
	// Nobody drives the node just now, and the next probe finds out by itself.
	case <-time.After(probeTimeout):
	}
}

// memberThatEnded returns which member a process was that has ended; "" when another runs by now, or it never said.
func (p *process) memberThatEnded(pid int) string {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.pid != pid {
		return ""
	}

	member := p.member
	p.pid, p.member = 0, ""

	return member
}

func (p *process) setMember(member string) {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.member = member
}
