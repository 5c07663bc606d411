// Package lab owns a DigitalOcean on this computer: where a lab lives on disk, how one starts, ends and is found,
// and how its parts (API, machines, load balancers, mirror, metadata) are put together. Everything in it is
// reached through the API; nothing outside this folder and cmd knows that it is not the real service.
package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/lab/machine"
	"github.com/hornero/hornero/lab/state"
)

var (
	// ErrRuns is the error of starting a lab that runs.
	ErrRuns = errors.New("the lab runs already")
	// errNameInUse is the error of touching a lab while one of the same name, but in another folder, is in use.
	errNameInUse = errors.New("a lab of that name runs from another folder (" + FolderVariable + "): " +
		"use another --name")
	// errAbandoned ends a lab without ending its Droplets: somebody else is about to remove them.
	errAbandoned = errors.New("the lab is to be reset")
)

// Options is what a lab is started with.
type Options struct {
	Name     string
	Address  string       // where to listen, on loopback; empty means where it listened before, or its default
	Public   netip.Prefix // its public range; the zero value means the range it had before, or its default
	Launcher []string     // the program that calls machine.Launch, and its arguments
	Stack    string       // the stack's file that starts it, absolute; its folder owns a lab that nobody has
	Pace     Pace
	Logger   *slog.Logger
}

// guestTime is how long guests have to power themselves off when the lab stops.
const guestTime = 20 * time.Second

// Serve runs a lab until ctx ends, and then ends its Droplets and keeps its state. It calls ready once it answers.
func Serve(ctx context.Context, options Options, ready func(Endpoint)) error {
	folder := FolderOf(options.Name)
	unlock, err := folder.lockServer()
	if err != nil {
		return err
	}
	defer unlock()

	os.Remove(folder.runFile()) // of a lab that crashed

	l, err := open(ctx, folder, options)
	if err != nil {
		return err
	}

	if err := l.serve(ctx, ready); err != nil {
		return errors.Join(err, l.close(ctx))
	}

	return l.close(ctx)
}

// lab is a lab that runs in this process.
type lab struct {
	folder   Folder
	settings settings
	token    string
	host     *machine.Host
	store    *state.Store
	server   *api.Server
	services *services
	spaces   SpacesURLs
	acme     ACMEURLs
	logger   *slog.Logger
}

// open brings up the lab's networks and everything that serves in them, and takes up what an earlier run left.
func open(ctx context.Context, folder Folder, options Options) (*lab, error) {
	l := &lab{folder: folder, logger: options.Logger}
	var err error

	claim := folder.claimer(ctx, options)
	if l.settings, err = folder.chooseSettings(options.Public, claim); err != nil {
		return nil, err
	}

	if options.Address != "" {
		l.settings.Address = options.Address
	}

	l.settings.Owner = ownerAfter(l.settings.Owner, options.Stack)

	// a lab keeps its pace until it is given another (docs/lab.md)
	l.settings.Pace = options.Pace.over(l.settings.Pace)
	delays, err := l.settings.delays()
	if err != nil {
		return nil, err
	}

	if l.token, err = folder.token(); err != nil {
		return nil, err
	}

	if l.host, err = folder.host(l.settings, options.Launcher, options.Logger); err != nil {
		return nil, err
	}

	if l.store, err = state.Open(folder.stateFile(), api.Fresh(time.Now())); err != nil {
		return nil, err
	}

	// the networks come before all that listens in them: the gateway's address is theirs
	if err := l.host.Up(ctx); err != nil {
		return nil, err
	}

	// the server needs the vendor data and the package sources that the services collect
	if l.services, err = l.startServices(); err != nil {
		return nil, err
	}

	if err := errors.Join(l.startSpaces(), l.startACME(), l.startNames()); err != nil {
		l.services.close()
		return nil, err
	}

	l.server = api.New(api.Options{
		Token: l.token,
		Store: l.store,
		Machines: &hostMachines{
			host:       l.host,
			vendorData: l.services.vendorData,
			sources:    l.services.sources,
			logger:     l.logger,
		},
		Volumes:         &hostVolumes{host: l.host},
		Balancers:       l.services.balancers,
		Public:          l.settings.Public,
		Delays:          delays,
		RateLimit:       l.settings.RateLimit,
		ShutdownTimeout: guestTime,
		Logger:          l.logger,
	})

	// the server makes machines and state agree before anybody can ask it
	if err := l.server.Start(ctx); err != nil {
		return nil, err
	}

	return l, l.serveInside()
}

// claimer claims public ranges for the lab on this computer.
func (f Folder) claimer(ctx context.Context, options Options) claimer {
	return func(public netip.Prefix) error {
		host, err := f.host(settings{Public: public}, options.Launcher, options.Logger)
		if err != nil {
			return err
		}

		if err := f.checkElsewhere(host); err != nil {
			return err
		}

		return host.Claim(ctx)
	}
}

// host is the lab's machine host; it is made the same way for a lab that runs and for one whose leftovers are
// removed.
func (f Folder) host(s settings, launcher []string, logger *slog.Logger) (*machine.Host, error) {
	return machine.New(machine.Config{
		Name:     f.Name,
		State:    f.machines(),
		Cache:    cacheFolder(),
		Public:   s.Public,
		IPv6:     state.IPv6Network(s.Public),
		Launcher: launcher,
		Logger:   logger,
	})
}

// serve answers the API until ctx ends.
func (l *lab) serve(ctx context.Context, ready func(Endpoint)) error {
	listener, err := l.listen()
	if err != nil {
		return err
	}

	endpoint := Endpoint{
		Name:   l.folder.Name,
		URL:    "http://" + listener.Addr().String(),
		Inside: "http://" + l.insideAddress(),
		Token:  l.token,
	}

	// the address is written down before the lab is ready: a starter locates it by that file
	if err := l.announce(endpoint); err != nil {
		return errors.Join(err, listener.Close())
	}

	server := &http.Server{
		Handler:           l.server.Handler(),
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          slog.NewLogLogger(l.logger.Handler(), slog.LevelWarn),
	}

	// the buffer lets the goroutine end when nobody reads: Close is the usual end
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	l.logger.Info("lab serves",
		"lab", l.folder.Name,
		"url", endpoint.URL,
		"public", l.settings.Public.String(),
		"pid", os.Getpid(),
	)

	ready(endpoint)

	select {
	case err := <-served:
		return fmt.Errorf("serve the lab's API: %w", err)
	case <-ctx.Done():
	}

	return server.Close()
}

// listen takes the lab's address. One that was only remembered, or is the default, gives way to any free port.
func (l *lab) listen() (net.Listener, error) {
	address := l.settings.Address
	if address == "" && l.folder.Name == DefaultName {
		address = DefaultAddress
	}
	if address == "" {
		address = "127.0.0.1:0"
	}

	return l.listenAt(address)
}

// listenAt takes an address of loopback, or when it is in use any free port.
func (l *lab) listenAt(address string) (net.Listener, error) {
	if err := checkLoopback(address); err != nil {
		return nil, err
	}

	listener, err := net.Listen("tcp", address)

	// another lab, or another program, may have taken the port since the last start
	if errors.Is(err, unix.EADDRINUSE) {
		l.logger.Warn("address is in use; taking any free port", "address", address)
		listener, err = net.Listen("tcp", "127.0.0.1:0")
	}

	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}

	return listener, nil
}

func checkLoopback(address string) error {
	listen, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf(
			"listen on %q: must be an address and a port, as in %s",
			address,
			DefaultAddress,
		)
	}

	if !listen.Addr().IsLoopback() {
		return fmt.Errorf(
			"listen on %s: the lab is for this computer only: give it an address of loopback",
			address,
		)
	}

	return nil
}

// announce writes down where the lab is to be found.
func (l *lab) announce(endpoint Endpoint) error {
	// clients keep the URL in their environment, so that the next start tries the same port
	l.settings.Address = endpoint.URL[len("http://"):]

	if err := l.folder.keepSettings(l.settings); err != nil {
		return err
	}

	// a running lab is found by this file and by the server's lock
	data, err := json.Marshal(process{
		PID:        os.Getpid(),
		URL:        endpoint.URL,
		Inside:     endpoint.Inside,
		SpacesURLs: l.spaces,
		ACMEURLs:   l.acme,
	})
	if err != nil {
		return err
	}

	_, err = file.Write(l.folder.runFile(), data, file.Options{Mode: 0o600})

	return err
}

// downTime is how long the end of a lab may take after its guests are off.
const downTime = time.Minute

// close ends the lab: guests first, then what serves them, then the networks. Only a reset leaves all that to
// whoever resets.
func (l *lab) close(ctx context.Context) error {
	// actions under way are cut short here; the next start takes them up again
	l.server.Close()

	// a reset removes the machines itself: waiting for guests would only delay it
	if errors.Is(context.Cause(ctx), errAbandoned) {
		l.services.close()
		return nil
	}

	// ctx has ended already: the end of the lab needs a deadline of its own
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), guestTime+downTime)
	defer cancel()

	l.logger.Info("lab stops", "lab", l.folder.Name)

	_, err := l.server.PowerOffAll(ending)
	l.services.close()

	err = errors.Join(err,
		l.host.Down(ending),
		os.Remove(l.folder.runFile()),
	)
	l.logger.Info("lab stopped", "lab", l.folder.Name, "err", err)

	return err
}

// lockServer makes sure that one process at a time serves the lab.
func (f Folder) lockServer() (unlock func(), err error) {
	if err := f.make(); err != nil {
		return nil, err
	}

	lock, err := os.OpenFile(f.serverLock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock lab %s: %w", f.Name, err)
	}

	for range 50 { // whoever looks whether the lab runs holds the lock for an instant
		if err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			break
		}

		time.Sleep(10 * time.Millisecond)
	}

	// half a second is longer than anybody looks: the lock is a running lab's
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrRuns
	}

	// the folder's lock does not keep a lab of the same name in another folder away
	releaseName := func() {}
	if err == nil {
		releaseName, err = claimName(f.Name)
	}

	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("lock lab %s: %w", f.Name, err)
	}

	return func() {
		releaseName()
		lock.Close()
	}, nil
}

// claimName makes sure that no lab of that name in another folder runs: namespaces, cgroups and guests are found by
// the lab's name alone. The name of an abstract socket goes with the process that holds it, however that ends.
func claimName(name string) (release func(), err error) {
	address := &net.UnixAddr{Name: "@hornero-lab-" + name, Net: "unix"}
	socket, err := net.ListenUnix("unix", address)
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, errNameInUse
	}

	if err != nil {
		return nil, err
	}

	return func() { socket.Close() }, nil
}

// checkElsewhere refuses to touch what a lab of the same name left running in another folder when it crashed. A lab
// that runs is kept from by its name's socket.
func (f Folder) checkElsewhere(host *machine.Host) error {
	machines, err := host.Elsewhere()
	if err != nil || machines == "" {
		return err
	}

	parent := filepath.Dir(filepath.Dir(machines))

	return fmt.Errorf(
		"lab %s: one of that name in %s crashed and is not ended: `%s=%s hornero lab stop --name %s`, "+
			"or use another --name",
		f.Name,
		parent,
		FolderVariable,
		parent,
		f.Name,
	)
}
