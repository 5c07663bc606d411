package machine

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
)

// PLACEHOLDER signatures, replaced by the real thing file by file; names and types stay.
var errNotYet = errors.New("not written yet")

// Seed is what a Droplet is told at its first boot (NoCloud: the same that the metadata service says).
type Seed struct {
	InstanceID string   `json:"instance_id"`
	UserData   string   `json:"user_data"`
	VendorData string   `json:"vendor_data"`
	PublicKeys []string `json:"public_keys"`
}

// Attachment is a place in the lab's networks.
type Attachment struct {
	Public   netip.Addr   `json:"public"`    // eth0
	Private  netip.Addr   `json:"private"`   // eth1
	VPC      string       `json:"vpc"`       // any unique text, such as the VPC's UUID
	VPCRange netip.Prefix `json:"vpc_range"` // .1 of it is the VPC's gateway
}

// Droplet is a machine as it is to be made.
type Droplet struct {
	ID         int    `json:"id"`
	Hostname   string `json:"hostname"`
	Attachment `json:"attachment"`
	Memory     int      `json:"memory"` // MB
	CPUs       int      `json:"cpus"`
	Layers     []string `json:"layers"` // of its image: Image.Layers
	Seed       Seed     `json:"seed"`
}

// Image is a stack of immutable layers (folders), the lowest first.
type Image struct {
	Layers []string `json:"layers"`
	Bytes  int64    `json:"bytes"`
}

// Place is where a Droplet is to be found on this computer.
type Place struct {
	Namespace string // for ip netns exec
	PID       int    // the Droplet's PID 1; 0 when it does not run
	Console   string // file
	Root      string // of the file system as seen from this computer (through PID 1); empty when it does not run
}

// Up makes the lab's fabric; what is there already stays. Down ends all Droplets and stations and removes every process, namespace, mount,
// route and cgroup; files stay (Boot starts Droplets again). Reset is Down and then removes Config.State.
func (h *Host) Up(ctx context.Context) error    { return errNotYet }
func (h *Host) Down(ctx context.Context) error  { return errNotYet }
func (h *Host) Reset(ctx context.Context) error { return errNotYet }

func (h *Host) Gateway() netip.Addr { return h.Public.Addr().Next() }        // .1: the fabric; the mirror listens here
func (h *Host) Self() netip.Addr    { return h.Public.Addr().Next().Next() } // .2: this computer

// Listen opens a listener inside the fabric (the gateway's and 169.254.169.254's addresses are there); Dial connects from the fabric, DialIn from a Droplet.
func (h *Host) Listen(network, address string) (net.Listener, error) { return nil, errNotYet }
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return nil, errNotYet
}
func (h *Host) DialIn(ctx context.Context, id int, network, address string) (net.Conn, error) {
	return nil, errNotYet
}

// Base makes a base image ("debian-13", "debian-12") or finds it in the cache.
func (h *Host) Base(ctx context.Context, release string, progress io.Writer) (Image, error) {
	return Image{}, errNotYet
}

// Snapshot keeps the Droplet's disk as the image of that name. Images are remembered under Config.State.
func (h *Host) Snapshot(ctx context.Context, id int, image string) (Image, error) {
	return Image{}, errNotYet
}
func (h *Host) Image(name string) (Image, error) { return Image{}, errNotYet } // ErrNoImage
// DeleteImage forgets the image and deletes the layers that no image and no Droplet needs any more.
func (h *Host) DeleteImage(name string) error { return errNotYet }

// Create makes the Droplet's disk, seed and network; nothing boots. Once made it is known by its id, after a crash too.
func (h *Host) Create(ctx context.Context, droplet Droplet) error { return errNotYet }
func (h *Host) Start(ctx context.Context, id int) error           { return errNotYet } // nil when it runs
func (h *Host) Shutdown(ctx context.Context, id int) error        { return errNotYet } // asks, waits until ctx ends
func (h *Host) PowerOff(ctx context.Context, id int) error        { return errNotYet } // at once; nil when it is off
func (h *Host) Destroy(ctx context.Context, id int) error         { return errNotYet } // nil when there is none
func (h *Host) Freeze(id int) error                               { return errNotYet }
func (h *Host) Thaw(id int) error                                 { return errNotYet }

// Links sets all the Droplet's links (but loopback) up or down, with its routes.
func (h *Host) Links(id int, up bool) error     { return errNotYet }
func (h *Host) Running(id int) bool             { return false }
func (h *Host) PID(id int) (int, error)         { return 0, errNotYet } // ErrNotRunning
func (h *Host) Droplet(id int) (Droplet, error) { return Droplet{}, errNotYet }
func (h *Host) Droplets() ([]int, error)        { return nil, errNotYet }
func (h *Host) Place(id int) (Place, error)     { return Place{}, errNotYet }

// Watch calls stopped for each Droplet that ran and does not any more, whoever ended it, until ctx ends.
func (h *Host) Watch(ctx context.Context, stopped func(id int)) { <-ctx.Done() }

// Launch is what the Config.Launcher program calls with its last argument; it does not return when all is well.
func Launch(spec string) error { return errNotYet }

// MAC returns the hardware address that an address always has.
func MAC(address netip.Addr) net.HardwareAddr { return nil }

// Attach makes a namespace with a leg in the public network and one in a VPC for something that is not a Droplet (a load
// balancer), Detach ends its processes and removes it. Run starts a program in it that outlives the lab, in a cgroup of its own.
func (h *Host) Attach(name string, at Attachment) error          { return errNotYet }
func (h *Host) Detach(ctx context.Context, name string) error    { return errNotYet }
func (h *Host) Run(name string, args []string, log string) error { return errNotYet }
func (h *Host) Processes(name string) []int                      { return nil }
