// Package machine owns what a lab is made of on this computer: its networks inside network namespaces, its Droplets
// (systemd-nspawn on overlays of immutable layers), the layers and the images they add up to, and the Debian
// base images. Everything is found again by name in the kernel and on disk, so that a lab killed at any moment
// goes on where it was. It knows nothing of the API, of tags or of actions, and keeps no state that its folders
// do not hold.
package machine

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

var (
	// ErrNoDroplet says that there is no Droplet of that number.
	ErrNoDroplet = errors.New("no such Droplet")
	// ErrNoImage says that there is no image of that name.
	ErrNoImage = errors.New("no such image")
	// ErrRunning says that the Droplet must be off for this.
	ErrRunning = errors.New("the Droplet is running")
	// ErrNotRunning says that the Droplet must run for this.
	ErrNotRunning = errors.New("the Droplet is not running")
)

// HostPackages returns the Debian packages that a computer needs to run a lab.
func HostPackages() []string {
	return []string{
		"e2fsprogs", "fdisk", "haproxy", "iproute2", "mmdebstrap", "mount", "nftables",
		"qemu-utils", "systemd-container", "util-linux", "xfsprogs",
	}
}

// Config is what a lab is on this computer.
type Config struct {
	Name     string       // of the lab: letters, digits and '-', at most 20
	State    string       // its folder, such as /var/lib/hornero/lab/default
	Cache    string       // what labs share and takes long to make: base images, packages
	Public   netip.Prefix // a /24: .1 is the gateway, .2 this computer; Droplets and load balancers get .10 and up
	IPv6     netip.Prefix // a /64 for public IPv6 addresses, with the same two; the zero Prefix: none
	Launcher []string     // the program that calls Launch with the path appended, such as hornero lab launch-droplet
	Logger   *slog.Logger // nil discards
}

// Host runs one lab's networks and Droplets. Its methods may be called at the same time.
type Host struct {
	Config
	mutex sync.Mutex
	locks map[string]*sync.Mutex // one for each Droplet and station

	steps   map[int]time.Duration // of the Droplets' clocks
	keeping bool                  // keepClocks runs

	disk sync.RWMutex // written by what deletes layers, read by what begins to use them
	net  sync.Mutex   // one change of the fabric at a time; it holds the two below as well

	paces  map[string]pace   // of the ports that are to be late
	relays map[string]*relay // of those that are
}

// CheckPublic refuses what can't be a lab's public range.
func CheckPublic(public netip.Prefix) error {
	if public.Bits() != 24 || !public.Addr().Is4() || public != public.Masked() {
		return fmt.Errorf("public network %s: must be an IPv4 /24", public)
	}

	return nil
}

// New checks the configuration. Nothing is made before Up.
func New(config Config) (*Host, error) {
	if err := checkName(config.Name); err != nil {
		return nil, err
	}

	if err := CheckPublic(config.Public); err != nil {
		return nil, fmt.Errorf("lab %s: %w", config.Name, err)
	}

	if config.IPv6.IsValid() &&
		(config.IPv6.Bits() != 64 || !config.IPv6.Addr().Is6() || config.IPv6 != config.IPv6.Masked()) {
		return nil, fmt.Errorf(
			"lab %s: public network %s: must be an IPv6 /64",
			config.Name,
			config.IPv6,
		)
	}

	// overlayfs separates its options by ',' and its layers by ':', and escapes both by '\'.
	if !filepath.IsAbs(config.State) ||
		!filepath.IsAbs(config.Cache) ||
		strings.ContainsAny(config.State+config.Cache, ":,\\") {
		return nil, fmt.Errorf(
			"lab %s: the folders %q and %q must be absolute paths without ':', ',' and '\\'",
			config.Name,
			config.State,
			config.Cache,
		)
	}

	if strings.HasPrefix(config.State, "/run/") || strings.HasPrefix(config.Cache, "/run/") {
		return nil, fmt.Errorf(
			"lab %s: the folders %q and %q must not be in /run: Droplets start with one of their own",
			config.Name,
			config.State,
			config.Cache,
		)
	}

	if config.Logger == nil {
		config.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}

	return &Host{
		Config: config,
		locks:  map[string]*sync.Mutex{},
		relays: map[string]*relay{},
	}, nil
}

// lock takes the lock of one Droplet or station and returns the function that unlocks it.
func (h *Host) lock(name string) func() {
	h.mutex.Lock()
	lock, ok := h.locks[name]
	if !ok {
		lock = &sync.Mutex{}
		h.locks[name] = lock
	}

	// The map's mutex is released first: whoever holds a Droplet's lock for long stops nobody else's.
	h.mutex.Unlock()
	lock.Lock()
	return lock.Unlock
}
