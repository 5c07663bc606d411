package fleet_test

import (
	"context"
	"crypto/tls"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/hornero/hornero/lab/api"
)

func (w *world) Create(_ context.Context, machine api.Machine) error {
	if w.created != nil {
		w.created(machine)
	}

	w.mutex.Lock()
	defer w.mutex.Unlock()

	w.machines[machine.ID] = machine

	return nil
}

func (w *world) Destroy(_ context.Context, id int) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	if machine, there := w.machines[id]; there {
		document := w.document(machine)
		name := document.Node + "/" + strconv.Itoa(document.Incarnation)
		w.history = append(w.history, "destroy "+name)
	}

	delete(w.machines, id)

	return nil
}

func (w *world) Images() ([]string, error) {
	return nil, nil
}

func (w *world) SetNetworkFaults(context.Context, []api.NetworkFault) error {
	return nil
}

func (w *world) SetDelays(context.Context, []api.LinkDelay) error {
	return nil
}

func (w *world) SetClocks(context.Context, map[int]time.Duration) error {
	return nil
}

func (w *world) Import(context.Context, string, string) (api.Imported, error) {
	return api.Imported{}, nil
}

func (w *world) EnableIPv6(context.Context, int, netip.Addr) error {
	return nil
}

func (w *world) SetFills(context.Context, map[int]int64) error {
	return nil
}

func (w *world) SetFirewalls(context.Context, []api.DropletFirewall) error {
	return nil
}

func (w *world) SetReserved(context.Context, map[netip.Addr]int) error {
	return nil
}

func (w *world) Running(id int) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	_, there := w.machines[id]

	return there && !w.off[id]
}

func (w *world) List() ([]int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()

	return slices.Collect(maps.Keys(w.machines)), nil
}

func (w *world) EnsureImage(context.Context, string) error {
	return nil
}

func (w *world) DeleteImage(context.Context, string) error {
	return nil
}

func (w *world) Boot(_ context.Context, id int) error {
	w.set(func() { delete(w.off, id) })
	return nil
}

func (w *world) Shutdown(context.Context, int) error {
	return nil
}

func (w *world) PowerOff(_ context.Context, id int) error {
	w.set(func() { w.off[id] = true })
	return nil
}

func (w *world) Snapshot(context.Context, int, string) (int64, error) {
	return 0, nil
}

func (w *world) Fault(context.Context, int, string) error {
	return nil
}

func (w *world) Inspect(int) (api.Inspection, bool) {
	return api.Inspection{}, false
}

type balancers struct{ site *site }

// Apply has the site show the certificate of the load balancer, if it has one.
func (b balancers) Apply(_ context.Context, wanted api.Balancer) error {
	for _, certificate := range wanted.Certificates {
		pair, err := tls.X509KeyPair([]byte(certificate.Leaf), []byte(certificate.PrivateKey))
		if err != nil {
			return err
		}

		b.site.show(&pair)
	}

	return nil
}

func (balancers) Remove(context.Context, string) error { return nil }

func (balancers) List() ([]string, error) {
	return nil, nil
}

func (balancers) Published(netip.Addr) (string, bool) {
	return "", false
}

// volumes are none: no stack asks for one.
type volumes struct{ api.Volumes }

func (volumes) RemoveAllBut(context.Context, []string, []string) error {
	return nil
}
