package machine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// pace is how late frames are.
type pace struct{ by, jitter time.Duration }

// draw is the delay of one frame.
func (p pace) draw() time.Duration {
	if p.jitter == 0 {
		return p.by
	}

	return p.by + rand.N(2*p.jitter+1) - p.jitter
}

const (
	// maxQueuedBytes is how many bytes wait in one direction at most; frames beyond are lost, as in any full queue.
	maxQueuedBytes = 64 << 20
	// maxQueuedFrames is how many frames wait in one direction at most.
	maxQueuedFrames = 1 << 14
	// frameSize holds the largest frame before it is cut into packets, with the header that says how to cut it.
	frameSize = 1<<16 + 64
	// drainTime is how long what waits may take to be handed on when the delay ends.
	drainTime = time.Second
)

// relay carries frames between two links both ways, each later than it came and in its order.
type relay struct {
	ends  [2]*os.File
	pace  atomic.Pointer[pace]
	quit  chan struct{} // closed: what waits is handed on at once, and nothing more is read
	once  sync.Once
	ended chan struct{} // closed: both links are closed
}

// startRelay takes both files over. It ends by itself when one of the links is gone.
func startRelay(one, other *os.File, p pace) *relay {
	r := &relay{
		ends:  [2]*os.File{one, other},
		quit:  make(chan struct{}),
		ended: make(chan struct{}),
	}
	r.pace.Store(&p)
	var work sync.WaitGroup

	for from, to := range map[*os.File]*os.File{one: other, other: one} {
		queue := make(chan frame, maxQueuedFrames)
		queued := &atomic.Int64{}
		work.Go(func() {
			r.receive(from, queue, queued)
		})
		work.Go(func() {
			r.send(to, queue, queued)
		})
	}

	// Each direction uses both links: they are closed when the second one has ended.
	go func() {
		work.Wait()
		one.Close()
		other.Close()
		close(r.ended)
	}()

	return r
}

type frame struct {
	due  time.Time
	data []byte
}

// receive reads frames until the link is gone or the relay ends. A link that is down, or a frame that the kernel
// cannot describe, does not end it.
func (r *relay) receive(from *os.File, queue chan<- frame, queued *atomic.Int64) {
	defer close(queue)
	defer r.end()

	buffer := make([]byte, frameSize)
	var last time.Time

	for {
		n, err := from.Read(buffer)
		if errors.Is(err, unix.ENETDOWN) || errors.Is(err, unix.EINVAL) {
			continue
		}

		if err != nil {
			return
		}

		if queued.Load() > maxQueuedBytes {
			continue
		}

		// A frame is never due before the one ahead of it: jitter must not change their order.
		if due := time.Now().Add(r.pace.Load().draw()); due.After(last) {
			last = due
		}

		// The next read overwrites the buffer: a frame in the queue needs a copy.
		select {
		case queue <- frame{
			due:  last,
			data: append([]byte(nil), buffer[:n]...),
		}:
			queued.Add(int64(n))

		default: // too many
		}
	}
}

// send writes frames when they are due. What a link that is down does not take is lost, as on a cable.
func (r *relay) send(to *os.File, queue <-chan frame, queued *atomic.Int64) {
	for one := range queue {
		if wait := time.Until(one.due); wait > 0 {
			select {
			case <-time.After(wait):
			case <-r.quit:
			}
		}

		to.Write(one.data)
		queued.Add(-int64(len(one.data)))
	}
}

// end makes the relay end.
func (r *relay) end() {
	r.once.Do(func() {
		close(r.quit)

		// Deadlines wake readers at once and give writers a moment for what is queued.
		for _, end := range r.ends {
			end.SetReadDeadline(time.Now())
			end.SetWriteDeadline(time.Now().Add(drainTime))
		}
	})
}

// stop ends the relay, and returns when both links are closed.
func (r *relay) stop() {
	r.end()
	<-r.ended
}

func (r *relay) alive() bool {
	select {
	case <-r.ended:
		return false
	default:
		return true
	}
}

// receiveBuffer is what the kernel keeps of frames that came and were not read yet.
const receiveBuffer = 16 << 20

// openTAP makes a link of that name in the network that the calling thread is in, whose frames the file
// carries. Frames come and go as they are in the kernel, not yet cut into packets and without checksums, with a
// header in front that says so.
func openTAP(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun (`modprobe tun` loads what it needs): %w", err)
	}

	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}

	if err == nil {
		err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, tcpOffloads|unix.TUN_F_USO4|unix.TUN_F_USO6)
		if errors.Is(err, unix.EINVAL) { // before Linux 6.2
			err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, tcpOffloads)
		}
	}

	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make link %s: %w", name, err)
	}

	return os.NewFile(uintptr(fd), name), nil
}

const tcpOffloads = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN

// anyProtocol is ETH_P_ALL in the network's order.
func anyProtocol() uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
}

// openLink opens a link by its number, in the network that the calling thread is in, for the same kind of
// frames. What is written goes out of the link; what is read came in.
func openLink(index int) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open link: %w", err)
	}

	// Without IGNORE_OUTGOING the relay would carry back each frame that it wrote.
	for _, option := range []struct{ level, name, value int }{
		{
			level: unix.SOL_PACKET,
			name:  unix.PACKET_VNET_HDR,
			value: 1,
		}, {
			level: unix.SOL_PACKET,
			name:  unix.PACKET_IGNORE_OUTGOING,
			value: 1,
		},
		{
			level: unix.SOL_SOCKET,
			name:  unix.SO_RCVBUFFORCE,
			value: receiveBuffer,
		}, {
			level: unix.SOL_SOCKET,
			name:  unix.SO_SNDBUFFORCE,
			value: receiveBuffer,
		},
	} {
		err = errors.Join(err, unix.SetsockoptInt(fd, option.level, option.name, option.value))
	}

	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: anyProtocol(), Ifindex: index})
	}

	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("open link: %w", err)
	}

	return os.NewFile(uintptr(fd), "link"), nil
}
