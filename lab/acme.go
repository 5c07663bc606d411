package lab

import (
	"crypto/tls"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/hornero/hornero/lab/acme"
	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/lab/nameserver"
)

// acmePort is where Droplets reach the ACME server, on the gateway: pebble's own.
const acmePort = 14000

// ACMEURLs is where the ACME server is reached: its directory. The lab's authority vouches for its host.
type ACMEURLs struct {
	Directory        string `json:"acme_url"`         // from this computer
	DropletDirectory string `json:"acme_droplet_url"` // from Droplets
}

// startACME serves the ACME server on loopback, and at the lab's gateway for Droplets.
func (l *lab) startACME() error {
	server, err := acme.New(acme.Config{
		Names:  nameserver.Handler(l.store.View),
		Logger: l.logger,
	})
	if err != nil {
		return err
	}

	l.services.acme = server
	gateway := l.host.Gateway()

	certificate, err := api.ServerCertificate(l.store, time.Now(), gateway, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	if err != nil {
		return err
	}

	secured := &tls.Config{Certificates: []tls.Certificate{certificate}}

	loopback, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}

	inside, err := l.host.Listen("tcp", net.JoinHostPort(gateway.String(), strconv.Itoa(acmePort)))
	if err != nil {
		return err
	}

	for _, listener := range []net.Listener{loopback, inside} {
		l.services.serveOn(tls.NewListener(listener, secured), server.Handler(), l.logger)
	}

	l.acme = ACMEURLs{
		Directory:        "https://" + loopback.Addr().String() + acme.DirectoryPath,
		DropletDirectory: "https://" + inside.Addr().String() + acme.DirectoryPath,
	}

	return nil
}
