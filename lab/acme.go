package lab

import (
	"crypto/tls"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/hornero/hornero/lab/acme"
	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/lab/state"
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
		Lookup: func(name string) []netip.Addr { return addressesOf(l.store.View(), name) },
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

// mostAliases is how many names may lead to each other, one after the other.
const mostAliases = 8

// addressesOf are the addresses that the account's domains have for a name.
func addressesOf(d *state.Document, name string) []netip.Addr {
	for range mostAliases {
		found, alias := lookupRecord(d, name)
		if alias == "" {
			return found
		}

		name = alias
	}

	return nil
}

// lookupRecord finds a name's addresses, or the name that it stands for.
func lookupRecord(d *state.Document, name string) (found []netip.Addr, alias string) {
	for _, domain := range d.Domains {
		for _, record := range domain.Records {
			if fullName(record.Name, domain.Name) != name {
				continue
			}

			switch record.Type {
			case "A", "AAAA":
				// the API has let no other text in
				if address, err := netip.ParseAddr(record.Data); err == nil {
					found = append(found, address)
				}

			case "CNAME":
				alias = fullName(record.Data, domain.Name)
			}
		}
	}

	return found, alias
}

// fullName is a record's name, or what a CNAME says, as resolvers ask for it.
func fullName(name, domain string) string {
	name = strings.TrimSuffix(strings.ToLower(name), ".")

	switch {
	case name == "@":
		return domain
	case name == domain, strings.HasSuffix(name, "."+domain), strings.Contains(name, "."):
		return name
	}

	return name + "." + domain
}
