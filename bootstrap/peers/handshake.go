package peers

import (
	"crypto/tls"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// handshakes ends connections to dqlite's door whose TLS handshake is not over in time. go-dqlite accepts them itself and lets them
// wait for ever: a stranger in the VPC who opens them and says nothing would use up the files of this process.
type handshakes struct {
	within time.Duration

	mu      sync.Mutex
	waiting map[netip.AddrPort]*time.Timer // by the caller's address
}

func newHandshakes(within time.Duration) *handshakes {
	return &handshakes{within: within, waiting: map[netip.AddrPort]*time.Timer{}}
}

// overhear finds a new connection in what go-dqlite logs before it reads from it: all that is told of one is where it comes
// from.
func (h *handshakes) overhear(format string, args []any) {
	if format != "new connection from %s" || len(args) != 1 {
		return
	}
	caller, known := addressOf(args[0])
	if !known {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if last := h.waiting[caller]; last != nil {
		last.Stop() // that connection is gone: the address is used again
	}
	h.waiting[caller] = time.AfterFunc(h.within, func() {
		h.forget(caller)
		hangUp(caller)
	})
}

func (h *handshakes) over(from net.Addr) {
	if caller, known := addressOf(from); known {
		h.forget(caller)
	}
}

func (h *handshakes) forget(caller netip.AddrPort) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if timer := h.waiting[caller]; timer != nil {
		timer.Stop()
		delete(h.waiting, caller)
	}
}

// watch makes a server's configuration tell when a handshake is over: with the caller's certificate accepted.
func (h *handshakes) watch(config *tls.Config) *tls.Config {
	config = config.Clone()
	choose := config.GetConfigForClient
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		one, from := config, hello.Conn.RemoteAddr()
		if choose != nil {
			chosen, err := choose(hello)
			if err != nil {
				return nil, err
			}
			if chosen != nil {
				one = chosen
			}
		}
		one = one.Clone()
		verify := one.VerifyConnection
		one.VerifyConnection = func(state tls.ConnectionState) error {
			if verify != nil {
				if err := verify(state); err != nil {
					return err
				}
			}
			h.over(from)
			return nil
		}
		return one, nil
	}
	return config
}

// hangUp shuts this process' connection with a caller down. Whoever reads from it finds its end.
func hangUp(caller netip.AddrPort) {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, file := range files {
		fd, err := strconv.Atoi(file.Name())
		if err != nil {
			continue
		}
		if peer, err := syscall.Getpeername(fd); err == nil && same(peer, caller) {
			_ = syscall.Shutdown(fd, syscall.SHUT_RDWR) // it may have ended by itself
		}
	}
}

func same(peer syscall.Sockaddr, caller netip.AddrPort) bool {
	switch peer := peer.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(peer.Addr), uint16(peer.Port)) == caller
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(peer.Addr).Unmap(), uint16(peer.Port)) == caller
	}
	return false
}

func addressOf(from any) (netip.AddrPort, bool) {
	tcp, known := from.(*net.TCPAddr)
	if !known {
		return netip.AddrPort{}, false
	}
	address := tcp.AddrPort()
	return netip.AddrPortFrom(address.Addr().Unmap(), address.Port()), true
}
