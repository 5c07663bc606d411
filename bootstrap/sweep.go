package bootstrap

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hornero/hornero/internal/pki"
)

// How a subnet is swept: a /24 in one second.
const (
	sweepAtOnce    = 64                     // addresses that are dialed at the same time
	sweepReach     = 250 * time.Millisecond // for a connection: all addresses are in one VPC
	sweepHandshake = 2 * time.Second        // a node that just boots is slow, and few answer at all
)

// Of a subnet larger than a /24, each round has these and one slice of the others.
const (
	sweepWhole  = 256  // addresses of a subnet that is swept whole; of a larger one the first so many
	sweepAround = 128  // addresses on either side of the node's own: Droplets made together have neighbouring ones
	sweepSlice  = 1024 // of the others
)

// The nearest addresses are dialed alone now and then: Droplets get low addresses, and those made together neighbouring
// ones. The kernel keeps an entry for each address that does not answer, a thousand in all; in the lab all Droplets
// share one kernel, and they boot together.
const (
	nearLow    = 64
	nearAround = 16
)

// nearest is the addresses of a subnet at which a node of the stack most likely is.
func nearest(own netip.Addr, network netip.Prefix) []netip.Addr {
	whole := sweepRound(own, network, 0)
	self := number(own)

	return slices.DeleteFunc(whole, func(address netip.Addr) bool {
		place := number(address)
		low := place-number(network.Masked().Addr()) < nearLow
		around := place+nearAround >= self && place <= self+nearAround

		return !low && !around
	})
}

// sweepRound is the addresses of a subnet that one round of a sweep dials, in order: the likely ones from low to high,
// then this round's slice of the others. The node's own, and those that no host has, are left out.
func sweepRound(own netip.Addr, network netip.Prefix, round int) []netip.Addr {
	if !network.IsValid() || !network.Addr().Is4() {
		return nil
	}

	base := number(network.Masked().Addr())
	size := uint64(1) << (32 - network.Bits())
	self := size + sweepAround // the node's place in its subnet; here outside

	if network.Contains(own) {
		self = uint64(number(own) - base)
	}

	// The first address is the subnet's own, the last one means everybody.
	first, last := uint64(0), size-1
	if size > 2 {
		first, last = 1, size-2
	}

	likely := func(place uint64) bool {
		return place < sweepWhole || place+sweepAround >= self && place <= self+sweepAround
	}

	var places []uint64

	for place := first; place <= min(last, sweepWhole-1); place++ {
		places = append(places, place)
	}

	for place := max(first, sweepWhole, self-min(self, sweepAround)); place <= min(last, self+sweepAround); place++ {
		places = append(places, place)
	}

	if size > sweepWhole {
		slice := sweepWhole + uint64(round%sweepRounds(network))*sweepSlice

		for place := slice; place < min(slice+sweepSlice, last+1); place++ {
			if !likely(place) {
				places = append(places, place)
			}
		}
	}

	addresses := make([]netip.Addr, 0, len(places))

	for _, place := range places {
		if place != self {
			addresses = append(addresses, address(base+uint32(place)))
		}
	}

	return addresses
}

// sweepRounds is after how many rounds a sweep has dialed every address of a subnet.
func sweepRounds(network netip.Prefix) int {
	others := 1<<(32-network.Bits()) - sweepWhole

	return max(1, (others+sweepSlice-1)/sweepSlice)
}

func number(address netip.Addr) uint32 {
	bytes := address.Unmap().As4()

	return binary.BigEndian.Uint32(bytes[:])
}

func address(number uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, number)))
}

// sweeper dials the addresses of a subnet and finds those at which a peer answers that its TLS configuration allows.
// Whoever shows another certificate, or none, is passed over.
type sweeper struct {
	tls  *tls.Config
	from string // the node's own address
	port int
	slow atomic.Bool // somebody took the connection and was too busy to show a certificate
}

// sighting is a peer that answered, as its certificate names it.
type sighting struct {
	address string
	name    pki.Name
}

// sweep dials addresses in their order, and gives met each peer that answers, one after the other, until met returns
// true. It returns whether met did.
func (s *sweeper) sweep(
	ctx context.Context,
	addresses []netip.Addr,
	met func(context.Context, sighting) bool,
) bool {
	ctx, stop := context.WithCancel(ctx)
	defer stop()

	next := make(chan netip.Addr)
	found := make(chan sighting)
	var work sync.WaitGroup

	for range min(sweepAtOnce, len(addresses)) {
		work.Go(func() {
			for address := range next {
				seen, ok := s.dial(ctx, address.String())
				if !ok {
					continue
				}

				select {
				case found <- seen:
				case <-ctx.Done():
				}
			}
		})
	}

	go func() {
		defer close(found)
		defer work.Wait()
		defer close(next)

		for _, address := range addresses {
			select {
			case next <- address:
			case <-ctx.Done():
				return
			}
		}
	}()

	over := false

	for seen := range found {
		// After the last one the others only end.
		if !over && met(ctx, seen) {
			over = true
			stop()
		}
	}

	return over
}

// dial tells who answers at an address.
func (s *sweeper) dial(ctx context.Context, address string) (sighting, bool) {
	dialer := net.Dialer{Timeout: sweepReach}

	// A node may have a public address besides, from which no peer may come.
	if own := net.ParseIP(s.from); own != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: own}
	}

	connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(s.port)))
	if err != nil {
		return sighting{}, false
	}

	peer := tls.Client(connection, s.tls)
	defer peer.Close()

	limited, cancel := context.WithTimeout(ctx, sweepHandshake)
	defer cancel()

	if err := peer.HandshakeContext(limited); err != nil {
		if limited.Err() != nil && ctx.Err() == nil {
			s.slow.Store(true)
		}

		return sighting{}, false
	}

	// The configuration asks for a certificate that names a node.
	name, err := pki.NameOf(peer.ConnectionState().PeerCertificates[0])

	return sighting{address, name}, err == nil
}
