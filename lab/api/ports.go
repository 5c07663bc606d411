package api

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/hornero/hornero/lab/state"
)

// Machine is a Droplet as whoever runs it needs to know it.
type Machine struct {
	ID         int
	Name       string // also its hostname
	Region     string
	Root       string // the image it starts from
	Memory     int    // MB
	CPUs       int
	Disk       int        // GB
	Public     netip.Addr // the zero Addr: it has its VPC only
	IPv6       netip.Addr // the zero Addr: none
	Private    netip.Addr
	VPC        string
	VPCRange   netip.Prefix
	UserData   string
	PublicKeys []string
}

// The faults that a machine can be given.
const (
	FaultKill   = "kill"   // the whole machine is lost: links down first, then every process
	FaultFreeze = "freeze" // its processes stand still
	FaultThaw   = "thaw"   // they go on
)

// NetworkFault is loss of packets from some machines to others. No machines mean any, and all else in the networks.
type NetworkFault struct {
	From, To []int
	Network  string // public, vpc, or empty for both
	Percent  int    // of the packets
}

// LinkDelay is time that every frame takes longer over the links of some machines, once on each link that it passes.
type LinkDelay struct {
	Droplets   []int
	Network    string        // public, vpc, or empty for both
	By, Jitter time.Duration // Jitter is by how much a frame's delay may be more or less
}

// Inspection is where a machine is to be found on this computer.
type Inspection struct {
	Namespace string `json:"netns"`
	PID       int    `json:"pid"` // the Droplet's PID 1; 0 when it does not run
	Console   string `json:"console"`
	Root      string `json:"root"`
}

var (
	// ErrGone says that there is no such machine, or not any more.
	ErrGone = errors.New("the Droplet is gone")
	// ErrOff says that a machine must run for this.
	ErrOff = errors.New("the Droplet is off")
	// ErrUnsupported says that a fault can't be given to this machine.
	ErrUnsupported = errors.New("the Droplet can't have this fault")
)

// Machines runs Droplets and keeps the images they start from. Each call may take long and ends early with ctx.
type Machines interface {
	// EnsureImage makes a base image when it is not there yet.
	EnsureImage(ctx context.Context, root string) error
	// DeleteImage removes a snapshot; nil when there is none.
	DeleteImage(ctx context.Context, root string) error
	// Create makes the machine and boots it. After an error nothing of it is left.
	Create(ctx context.Context, machine Machine) error
	// Boot starts a machine that is off; nil when it runs.
	Boot(ctx context.Context, id int) error
	// Shutdown asks the guest to power itself off and waits until it has.
	Shutdown(ctx context.Context, id int) error
	// PowerOff ends the machine at once; nil when it is off.
	PowerOff(ctx context.Context, id int) error
	// Destroy ends the machine and removes all of it; nil when there is none.
	Destroy(ctx context.Context, id int) error
	// Rebuild gives a machine that is off an empty disk above another image, and the same of all else.
	Rebuild(ctx context.Context, machine Machine) error
	// Resize gives a machine that is off another memory (MB), number of CPUs and disk (GB).
	Resize(ctx context.Context, id, memory, cpus, disk int) error
	// Import fetches a disk image and keeps its root file system as an image. After an error nothing of it is left.
	Import(ctx context.Context, root, url string) (Imported, error)
	// EnableIPv6 gives a machine a public IPv6 address.
	EnableIPv6(ctx context.Context, id int, address netip.Addr) error
	// Snapshot keeps the machine's disk as an image, and says how many bytes that is.
	Snapshot(ctx context.Context, id int, root string) (bytes int64, err error)
	// Images names the snapshots that are kept, whole or not.
	Images() ([]string, error)
	// Fault gives the machine one of the faults; ErrGone and ErrOff when it can't have it.
	Fault(ctx context.Context, id int, fault string) error
	// SetFirewalls puts these firewalls in force, and no others.
	SetFirewalls(ctx context.Context, firewalls []DropletFirewall) error
	// SetNetworkFaults puts these faults in force, and no others.
	SetNetworkFaults(ctx context.Context, faults []NetworkFault) error
	// SetDelays puts these delays on links, and no others.
	SetDelays(ctx context.Context, delays []LinkDelay) error
	// SetClocks steps the clocks of machines by that much, and sets those of all others right; ErrUnsupported when
	// one can't be stepped. One that is off gets its step when it boots.
	SetClocks(ctx context.Context, steps map[int]time.Duration) error
	// SetFills fills the disks of machines until that many bytes are free, and empties those of all others of what it
	// filled them with; ErrUnsupported when one has no disk of its own.
	SetFills(ctx context.Context, leaves map[int]int64) error
	// SetReserved makes the reserved IPs reach the Droplets that hold them, and no others.
	SetReserved(ctx context.Context, holders map[netip.Addr]int) error
	// Running tells whether the machine runs now. It is quick.
	Running(id int) bool
	// Inspect says where the machine is; false when there is none.
	Inspect(id int) (Inspection, bool)
	// List names all machines that there are, running or not.
	List() ([]int, error)
}

// Imported is what became of a disk image.
type Imported struct {
	Bytes int64 // that its files take
	Disk  int   // GB
}

// Balancer is a load balancer as whoever runs it needs to know it.
type Balancer struct {
	state.LoadBalancer
	VPCRange     netip.Prefix
	Targets      []Target
	Certificates map[string]state.Certificate // by id: those of the rules
}

// Target is a Droplet behind a load balancer.
type Target struct {
	DropletID int
	Name      string
	Address   netip.Addr // in the VPC
}

// Balancers runs load balancers.
type Balancers interface {
	// Apply makes the load balancer, or changes it to what is given.
	Apply(ctx context.Context, balancer Balancer) error
	// Remove ends a load balancer; nil when there is none.
	Remove(ctx context.Context, id string) error
	// List names all load balancers that there are.
	List() ([]string, error)
	// Published tells on which address of loopback a load balancer's address is reached.
	Published(address netip.Addr) (host string, ok bool)
}

// Volumes keeps volumes and gives them to machines. Each call can be made again after it was cut short.
type Volumes interface {
	// Create makes a volume, empty or from a snapshot; nil when it is there.
	Create(ctx context.Context, volume state.Volume, snapshot string) error
	// Delete removes a volume that no machine has; nil when there is none.
	Delete(ctx context.Context, id string) error
	// Attach gives a machine a volume as a disk; nil when it has it, ErrGone when there is no such machine.
	Attach(ctx context.Context, volume state.Volume, droplet int) error
	// Detach takes it away, mounted or not; nil when it is away.
	Detach(ctx context.Context, volume state.Volume, droplet int) error
	// Resize makes a volume larger; size is in GB.
	Resize(ctx context.Context, id string, size int) error
	// Snapshot keeps what is on a volume at one moment, and says how many bytes that is.
	Snapshot(ctx context.Context, volume state.Volume, snapshot string) (bytes int64, err error)
	// DeleteSnapshot removes a snapshot; nil when there is none.
	DeleteSnapshot(ctx context.Context, id string) error
	// RemoveAllBut removes all volumes and snapshots but these.
	RemoveAllBut(ctx context.Context, volumes, snapshots []string) error
}
