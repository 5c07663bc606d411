package lab

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/hornero/hornero/lab/nameserver"
)

// namesPort is where Droplets ask for names, on the gateway: each Droplet's resolv.conf says so.
const namesPort = 53

// startNames answers Droplets for the names of the account's domains.
func (l *lab) startNames() error {
	address := net.JoinHostPort(l.host.Gateway().String(), strconv.Itoa(namesPort))

	stream, err := l.host.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen for names: %w", err)
	}

	datagrams, err := l.host.ListenPacket("udp", address)
	if err != nil {
		return fmt.Errorf("listen for names: %w", errors.Join(err, stream.Close()))
	}

	l.services.names = nameserver.Serve(nameserver.Handler(l.store.View), stream, datagrams)

	return nil
}
