package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hornero/hornero/lab/api"
	"github.com/hornero/hornero/lab/machine"
)

// hostMachines runs the API's Droplets on this computer.
type hostMachines struct {
	host       *machine.Host
	vendorData string // what every Droplet is told beside its user-data
	sources    *sources
	logger     *slog.Logger
}

// baseSuffix is what a base image's slug has after the release.
const baseSuffix = "-x64"

// image finds what an image consists of, making it first when it is a base image.
func (m *hostMachines) image(ctx context.Context, root string) (machine.Image, error) {
	release, isBase := strings.CutSuffix(root, baseSuffix)
	if !isBase {
		return m.host.Image(root)
	}

	// the first use of a release downloads and unpacks it: minutes that must not be silent
	progress, done := logLines(m.logger, "base image", "release", release)
	defer done()

	return m.host.Base(ctx, release, progress)
}

// logLines returns a writer whose lines go to the log.
func logLines(logger *slog.Logger, message string, args ...any) (io.Writer, func()) {
	reader, writer := io.Pipe()
	var group sync.WaitGroup
	group.Go(func() {
		lines := bufio.NewScanner(reader)
		for lines.Scan() {
			logger.Info(message, append(args, "says", lines.Text())...)
		}

		io.Copy(io.Discard, reader) // after a line too long for the scanner
	})

	return writer, func() {
		// all lines are in the log before the caller says how it ended
		writer.Close()
		group.Wait()
	}
}

func (m *hostMachines) EnsureImage(ctx context.Context, root string) error {
	_, err := m.image(ctx, root)
	return err
}

func (m *hostMachines) DeleteImage(_ context.Context, root string) error {
	err := m.host.DeleteImage(root)

	// a deletion that a crash cut short is made again
	if errors.Is(err, machine.ErrNoImage) {
		return nil
	}

	return err
}

func (m *hostMachines) Create(ctx context.Context, droplet api.Machine) error {
	image, err := m.image(ctx, droplet.Root)
	if err != nil {
		return err
	}

	// the mirror lets through to known hosts only, and apt may run at the first boot
	if err := m.sources.add(image); err != nil {
		return err
	}

	err = m.host.Create(ctx, m.droplet(droplet, image))
	if err == nil {
		err = m.host.Start(ctx, droplet.ID)
	}

	if err != nil {
		// the API promises that nothing is left after an error, even when the lab is closing
		return errors.Join(
			fmt.Errorf("make droplet %s: %w", droplet.Name, err),
			m.host.Destroy(context.WithoutCancel(ctx), droplet.ID),
		)
	}

	return nil
}

// droplet is a Droplet as the host makes it.
func (m *hostMachines) droplet(droplet api.Machine, image machine.Image) machine.Droplet {
	attachment := machine.Attachment{
		Public:   droplet.Public,
		IPv6:     droplet.IPv6,
		Private:  droplet.Private,
		VPC:      droplet.VPC,
		VPCRange: droplet.VPCRange,
	}

	seed := machine.Seed{
		InstanceID: strconv.Itoa(droplet.ID),
		UserData:   droplet.UserData,
		VendorData: m.vendorData,
		PublicKeys: droplet.PublicKeys,
	}

	return machine.Droplet{
		ID:         droplet.ID,
		Hostname:   droplet.Name,
		Memory:     droplet.Memory,
		CPUs:       droplet.CPUs,
		Disk:       droplet.Disk,
		Layers:     image.Layers,
		Attachment: attachment,
		Seed:       seed,
	}
}

func (m *hostMachines) Rebuild(ctx context.Context, droplet api.Machine) error {
	image, err := m.image(ctx, droplet.Root)
	if err != nil {
		return err
	}

	// another release has other package sources
	if err := m.sources.add(image); err != nil {
		return err
	}

	return m.host.Rebuild(m.droplet(droplet, image))
}

func (m *hostMachines) Resize(_ context.Context, id, memory, cpus, disk int) error {
	return m.host.Resize(id, memory, cpus, disk)
}

func (m *hostMachines) Import(ctx context.Context, root, url string) (api.Imported, error) {
	image, disk, err := m.host.Import(ctx, root, url)
	return api.Imported{Bytes: image.Bytes, Disk: disk}, err
}

func (m *hostMachines) EnableIPv6(_ context.Context, id int, address netip.Addr) error {
	return m.host.EnableIPv6(id, address)
}

func (m *hostMachines) Boot(ctx context.Context, id int) error {
	if err := m.host.Start(ctx, id); err != nil {
		return err
	}

	return m.host.Links(id, true) // a kill took them down
}

func (m *hostMachines) Shutdown(ctx context.Context, id int) error {
	return m.host.Shutdown(ctx, id)
}

func (m *hostMachines) PowerOff(ctx context.Context, id int) error {
	return m.host.PowerOff(ctx, id)
}

func (m *hostMachines) Destroy(ctx context.Context, id int) error {
	return m.host.Destroy(ctx, id)
}

func (m *hostMachines) Snapshot(ctx context.Context, id int, root string) (int64, error) {
	image, err := m.host.Snapshot(ctx, id, root)
	return image.Bytes, err
}

// Fault gives a Droplet a fault. A lost machine says nothing more to its peers: links first, then the processes.
func (m *hostMachines) Fault(ctx context.Context, id int, fault string) error {
	err := m.applyFault(ctx, id, fault)
	for cause, known := range map[error]error{
		machine.ErrNoDroplet:  api.ErrGone,
		machine.ErrNotRunning: api.ErrOff,
	} {
		if errors.Is(err, cause) {
			return errors.Join(known, err)
		}
	}

	return err
}

func (m *hostMachines) applyFault(ctx context.Context, id int, fault string) error {
	if _, err := m.host.Droplet(id); err != nil {
		return err
	}

	switch fault {
	case api.FaultKill:
		// a process that ends closes its connections; peers of a lost machine hear nothing
		if err := m.host.Links(id, false); err != nil {
			return err
		}

		return m.host.PowerOff(ctx, id)

	case api.FaultFreeze:
		return m.host.Freeze(id)
	case api.FaultThaw:
		return m.host.Thaw(id)
	}

	return fmt.Errorf("unknown fault %q", fault)
}

func (m *hostMachines) SetNetworkFaults(ctx context.Context, faults []api.NetworkFault) error {
	losses := []machine.Loss{}
	for _, fault := range faults {
		losses = append(losses, machine.Loss(fault))
	}

	return m.host.SetLosses(ctx, losses)
}

func (m *hostMachines) SetDelays(_ context.Context, delays []api.LinkDelay) error {
	all := []machine.Delay{}
	for _, delay := range delays {
		all = append(all, machine.Delay(delay))
	}

	return m.host.SetDelays(all)
}

func (m *hostMachines) SetClocks(ctx context.Context, steps map[int]time.Duration) error {
	err := m.host.SetClocks(ctx, steps)
	if errors.Is(err, machine.ErrClock) {
		return errors.Join(api.ErrUnsupported, err)
	}

	return err
}

func (m *hostMachines) SetFirewalls(ctx context.Context, firewalls []api.DropletFirewall) error {
	all := []machine.DropletFirewall{}
	for _, firewall := range firewalls {
		all = append(all, machine.DropletFirewall{
			Droplet:   firewall.Droplet,
			Public:    firewall.Public,
			Addresses: firewall.Addresses,
			Inbound:   machineRules(firewall.Inbound),
			Outbound:  machineRules(firewall.Outbound),
		})
	}

	return m.host.SetFirewalls(ctx, all)
}

func machineRules(of []api.FirewallRule) []machine.FirewallRule {
	all := []machine.FirewallRule{}
	for _, rule := range of {
		all = append(all, machine.FirewallRule(rule))
	}

	return all
}

func (m *hostMachines) SetFills(_ context.Context, leaves map[int]int64) error {
	err := m.host.SetFills(leaves)
	if errors.Is(err, machine.ErrDisk) {
		return errors.Join(api.ErrUnsupported, err)
	}

	return err
}

func (m *hostMachines) SetReserved(ctx context.Context, holders map[netip.Addr]int) error {
	return m.host.SetReserved(ctx, holders)
}

func (m *hostMachines) Images() ([]string, error) {
	return m.host.Images()
}

func (m *hostMachines) Running(id int) bool {
	return m.host.Running(id)
}

func (m *hostMachines) Inspect(id int) (api.Inspection, bool) {
	place, err := m.host.Place(id)
	if err != nil {
		return api.Inspection{}, false
	}

	return api.Inspection{
		Namespace: place.Namespace,
		PID:       place.PID,
		Console:   place.Console,
		Root:      place.Root,
	}, true
}

func (m *hostMachines) List() ([]int, error) {
	return m.host.Droplets()
}
