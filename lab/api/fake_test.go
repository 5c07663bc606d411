package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hornero/hornero/lab/api"
)

// machines pretends to run Droplets. A gate, when set, holds every slow call until it is closed.
type machines struct {
	mutex     sync.Mutex
	exists    map[int]api.Machine
	running   map[int]bool
	images    map[string]bool
	faults    []string
	lost      []api.NetworkFault
	late      []api.LinkDelay
	steps     map[int]time.Duration
	leaves    map[int]int64 // of SetFills
	firewalls []api.DropletFirewall
	holders   map[netip.Addr]int // of reserved IPs
	gate      chan struct{}
	broken    map[string]error // by the name of the call
}

func newMachines() *machines {
	return &machines{
		exists:  map[int]api.Machine{},
		running: map[int]bool{},
		images:  map[string]bool{},
		broken:  map[string]error{},
	}
}

func (m *machines) pass(ctx context.Context, call string) error {
	m.mutex.Lock()
	gate, broken := m.gate, m.broken[call]
	m.mutex.Unlock()

	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}

	return broken
}

func (m *machines) hold() (release func()) {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	gate := make(chan struct{})
	m.gate = gate

	return sync.OnceFunc(func() {
		m.mutex.Lock()
		m.gate = nil
		m.mutex.Unlock()
		close(gate)
	})
}

func (m *machines) breakCall(call string, err error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	m.broken[call] = err
}

func (m *machines) set(id int, running bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	m.running[id] = running
}

func (m *machines) machine(id int) api.Machine {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.exists[id]
}

func (m *machines) EnsureImage(ctx context.Context, root string) error {
	if err := m.pass(ctx, "EnsureImage"); err != nil {
		return err
	}

	m.mutex.Lock()
	defer m.mutex.Unlock()

	m.images[root] = true

	return nil
}

func (m *machines) DeleteImage(_ context.Context, root string) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	delete(m.images, root)

	return nil
}

func (m *machines) Create(ctx context.Context, machine api.Machine) error {
	if err := m.pass(ctx, "Create"); err != nil {
		return err
	}

	m.mutex.Lock()
	defer m.mutex.Unlock()

	if !m.images[machine.Root] {
		return fmt.Errorf("no image %s", machine.Root)
	}

	m.exists[machine.ID], m.running[machine.ID] = machine, true

	return nil
}

func (m *machines) Boot(ctx context.Context, id int) error {
	if err := m.pass(ctx, "Boot"); err != nil {
		return err
	}

	m.set(id, true)

	return nil
}

func (m *machines) Shutdown(ctx context.Context, id int) error {
	if err := m.pass(ctx, "Shutdown"); err != nil {
		return err
	}

	m.set(id, false)

	return nil
}

func (m *machines) PowerOff(ctx context.Context, id int) error {
	if err := m.pass(ctx, "PowerOff"); err != nil {
		return err
	}

	m.set(id, false)

	return nil
}

func (m *machines) Destroy(ctx context.Context, id int) error {
	if err := m.pass(ctx, "Destroy"); err != nil {
		return err
	}

	m.mutex.Lock()
	defer m.mutex.Unlock()

	delete(m.exists, id)
	delete(m.running, id)

	return nil
}

func (m *machines) Rebuild(ctx context.Context, machine api.Machine) error {
	if m.Running(machine.ID) {
		return errors.New("it runs")
	}

	return m.change(ctx, "Rebuild", machine.ID, func(old *api.Machine) { *old = machine })
}

func (m *machines) Resize(ctx context.Context, id, memory, cpus, disk int) error {
	return m.change(ctx, "Resize", id, func(machine *api.Machine) {
		machine.Memory = memory
		machine.CPUs = cpus
		machine.Disk = disk
	})
}

func (m *machines) change(ctx context.Context, call string, id int, change func(*api.Machine)) error {
	if err := m.pass(ctx, call); err != nil {
		return err
	}

	m.mutex.Lock()
	defer m.mutex.Unlock()

	machine, known := m.exists[id]
	if !known {
		return api.ErrGone
	}

	change(&machine)

	m.exists[id] = machine

	return nil
}

func (m *machines) Snapshot(ctx context.Context, id int, root string) (int64, error) {
	if err := m.pass(ctx, "Snapshot"); err != nil {
		return 0, err
	}

	m.mutex.Lock()
	defer m.mutex.Unlock()

	m.images[root] = true

	return 1_234_000_000, nil
}

func (m *machines) Fault(_ context.Context, id int, fault string) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	if _, known := m.exists[id]; !known {
		return api.ErrGone
	}

	m.faults = append(m.faults, fault)

	if fault == api.FaultKill {
		m.running[id] = false
	}

	return nil
}

func (m *machines) Import(ctx context.Context, root, url string) (api.Imported, error) {
	if err := m.pass(ctx, "Import"); err != nil {
		return api.Imported{}, err
	}

	return api.Imported{Bytes: 700_000_000, Disk: 2}, m.EnsureImage(ctx, root)
}

func (m *machines) EnableIPv6(ctx context.Context, id int, address netip.Addr) error {
	return m.change(ctx, "EnableIPv6", id, func(machine *api.Machine) {
		machine.IPv6 = address
	})
}

func (m *machines) SetFirewalls(ctx context.Context, firewalls []api.DropletFirewall) error {
	if err := m.pass(ctx, "SetFirewalls"); err != nil {
		return err
	}

	m.mutex.Lock()
	defer m.mutex.Unlock()

	m.firewalls = firewalls

	return nil
}

func (m *machines) SetNetworkFaults(_ context.Context, faults []api.NetworkFault) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	m.lost = faults

	return nil
}

func (m *machines) SetDelays(_ context.Context, delays []api.LinkDelay) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	m.late = delays

	return nil
}

func (m *machines) SetClocks(ctx context.Context, steps map[int]time.Duration) error {
	if err := m.pass(ctx, "SetClocks"); err != nil && len(steps) > 0 {
		return err
	}

	m.mutex.Lock()
	defer m.mutex.Unlock()

	m.steps = steps

	return nil
}

func (m *machines) SetFills(ctx context.Context, leaves map[int]int64) error {
	if err := m.pass(ctx, "SetFills"); err != nil && len(leaves) > 0 {
		return err
	}

	m.mutex.Lock()
	defer m.mutex.Unlock()

	m.leaves = leaves

	return nil
}

func (m *machines) SetReserved(ctx context.Context, holders map[netip.Addr]int) error {
	if err := m.pass(ctx, "SetReserved"); err != nil {
		return err
	}

	m.mutex.Lock()
	defer m.mutex.Unlock()

	m.holders = holders

	return nil
}

// holder is the Droplet that packets for a reserved IP reach; 0 when there is none.
func (m *machines) holder(address string) int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.holders[netip.MustParseAddr(address)]
}

func (m *machines) forgetHolders() {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	m.holders = nil
}

func (m *machines) Running(id int) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.running[id]
}

func (m *machines) Inspect(id int) (api.Inspection, bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	_, known := m.exists[id]

	return api.Inspection{
		Namespace: fmt.Sprintf("netns-%d", id),
		PID:       id,
	}, known
}

func (m *machines) List() ([]int, error) {
	return m.ids(), nil
}

func (m *machines) ids() []int {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	ids := []int{}

	for id := range m.exists {
		ids = append(ids, id)
	}

	slices.Sort(ids)

	return ids
}

func (m *machines) Images() ([]string, error) {
	return slices.DeleteFunc(m.roots(), func(root string) bool {
		return strings.HasPrefix(root, "debian-")
	}), nil
}

// roots names the snapshots that are kept.
func (m *machines) roots() []string {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	roots := []string{}

	for root := range m.images {
		roots = append(roots, root)
	}

	return roots
}
