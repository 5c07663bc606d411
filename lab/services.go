package lab

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hornero/hornero/lab/acme"
	"github.com/hornero/hornero/lab/loadbalancer"
	"github.com/hornero/hornero/lab/machine"
	"github.com/hornero/hornero/lab/metadata"
	"github.com/hornero/hornero/lab/mirror"
	"github.com/hornero/hornero/lab/nameserver"
	"github.com/hornero/hornero/lab/state"
)

// services are what serves a lab's Droplets beside the API: the metadata service, the package mirror, the load
// balancers and the name server.
type services struct {
	balancers  *hostBalancers
	vendorData string
	sources    *sources
	servers    []*http.Server
	acme       *acme.Server
	names      *nameserver.Server
}

func (l *lab) startServices() (*services, error) {
	proxy := net.JoinHostPort(l.host.Gateway().String(), strconv.Itoa(mirror.Port))
	s := &services{
		vendorData: mirror.VendorData("http://" + proxy),
		sources:    &sources{},
		balancers: &hostBalancers{runner: loadbalancer.New(
			l.host,
			l.folder.balancers(),
			l.logger,
		)},
	}

	// Droplets of an earlier run need their package sources as well
	if err := s.sources.addDroplets(l.host); err != nil {
		return nil, err
	}

	packages := mirror.New(mirror.Config{
		Folder: filepath.Join(cacheFolder(), "packages"),
		Hosts:  s.sources.hosts,
		Logger: l.logger,
	})

	if err := s.serve(l.host, proxy, packages, l.logger); err != nil {
		return nil, err
	}

	facts := metadata.Handler(func(address netip.Addr) (metadata.Info, bool) {
		return lookup(l.host, l.store.View(), address, s.vendorData)
	})

	if err := s.serve(
		l.host,
		net.JoinHostPort(machine.MetadataAddress().String(), "80"),
		facts,
		l.logger,
	); err != nil {
		s.close()
		return nil, err
	}

	return s, nil
}

// insidePort is where Droplets reach the API, on the gateway.
const insidePort = 8080

func (l *lab) insideAddress() string {
	return net.JoinHostPort(l.host.Gateway().String(), strconv.Itoa(insidePort))
}

// serveInside answers Droplets as DigitalOcean's API answers them. What only the lab has is not for them.
func (l *lab) serveInside() error {
	whole := l.server.Handler()
	return l.services.serve(l.host, l.insideAddress(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// a guest that could kill Droplets or lift faults would undo a test
		if !strings.HasPrefix(r.URL.Path, "/v2/") {
			http.NotFound(w, r)
			return
		}

		whole.ServeHTTP(w, r)
	}), l.logger)
}

// serve answers at an address inside the lab's networks.
func (s *services) serve(host *machine.Host, address string, handler http.Handler, logger *slog.Logger) error {
	listener, err := host.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %s in the lab: %w", address, err)
	}

	s.serveOn(listener, handler, logger)

	return nil
}

func (s *services) serveOn(listener net.Listener, handler http.Handler, logger *slog.Logger) {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}

	s.servers = append(s.servers, server)
	go server.Serve(listener) // ends with Close
}

func (s *services) close() {
	s.balancers.runner.Close()

	for _, server := range s.servers {
		server.Close()
	}

	// a lab whose start failed has none
	if s.acme != nil {
		s.acme.Close()
	}

	if s.names != nil {
		s.names.Close()
	}
}

// lookup finds what the Droplet of an address is told about itself.
func lookup(host *machine.Host, d *state.Document, address netip.Addr, vendorData string) (metadata.Info, bool) {
	// the metadata service knows a Droplet by the address that it asks from
	i := slices.IndexFunc(d.Droplets, func(x state.Droplet) bool {
		return x.Public == address || x.Private == address
	})
	if i < 0 {
		return metadata.Info{}, false
	}

	droplet := d.Droplets[i]
	var reserved netip.Addr

	if held := d.ReservedIPOf(droplet.ID); held != nil {
		reserved = held.Address
	}

	return metadata.Info{
		ReservedIP: reserved,
		ID:         droplet.ID,
		Hostname:   droplet.Name,
		Region:     droplet.Region,
		UserData:   droplet.UserData,
		VendorData: vendorData,
		PublicKeys: droplet.PublicKeys,
		Tags:       droplet.Tags,
		Features:   droplet.Features,
		Resolvers:  host.Resolvers(droplet.Public),
		Public:     publicInterface(host, droplet),
		Private: metadata.Interface{
			Address: netip.PrefixFrom(droplet.Private, droplet.Network.Bits()),
			Gateway: droplet.Network.Masked().Addr().Next(),
			MAC:     machine.MAC(droplet.Private).String(),
		},
	}, true
}

// publicInterface is the zero Interface for a Droplet that has only its VPC.
func publicInterface(host *machine.Host, droplet state.Droplet) metadata.Interface {
	if !droplet.Public.IsValid() {
		return metadata.Interface{}
	}

	told := metadata.Interface{
		Address: netip.PrefixFrom(droplet.Public, host.Public.Bits()),
		Gateway: host.Gateway(),
		MAC:     machine.MAC(droplet.Public).String(),
		Anchor:  machine.Anchor(droplet.Public),
	}

	if six := droplet.IPv6(); six.IsValid() {
		told.IPv6, told.GatewayIPv6 = netip.PrefixFrom(six, host.IPv6.Bits()), host.GatewayIPv6()
	}

	return told
}

// sources are the hosts that the Droplets' own apt asks for packages: what the mirror lets through to.
type sources struct {
	mutex sync.Mutex
	known []string
}

func (s *sources) hosts() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Clone(s.known)
}

// add lets a new Droplet's image's package sources through.
func (s *sources) add(image machine.Image) error {
	hosts, err := machine.Sources(image)
	if err != nil {
		return err
	}

	s.mutex.Lock()
	defer s.mutex.Unlock()

	// images of one release have the same hosts
	s.known = append(s.known, hosts...)
	slices.Sort(s.known)

	s.known = slices.Compact(s.known)

	return nil
}

func (s *sources) addDroplets(host *machine.Host) error {
	ids, err := host.Droplets()
	if err != nil {
		return err
	}

	for _, id := range ids {
		droplet, err := host.Droplet(id)
		if err != nil {
			return err
		}
		if err := s.add(machine.Image{Layers: droplet.Layers}); err != nil {
			return err
		}
	}

	return nil
}
