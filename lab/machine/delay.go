package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
)

// Delay is time that every frame takes longer over the links of some Droplets, once on each link that it passes.
type Delay struct {
	Droplets   []int
	Network    string // public, vpc, or empty for both
	By, Jitter time.Duration
}

// A late link has its port's name in the fabric taken by a TAP, so that every rule that names the port still
// holds. The cable itself is off the bridge, called after its port and marked with its bridge, and this process
// carries the frames between the two. When the process is gone so is the TAP: the cable stays off its bridge
// until the next Up.
const (
	latePrefix = "d"
	lateMark   = "hornero late, of bridge "
)

func lateName(port string) string { return latePrefix + port }

// SetDelays makes frames late as told, and no others, from the next frame on.
func (h *Host) SetDelays(delays []Delay) error {
	h.net.Lock()
	defer h.net.Unlock()

	// Kept also without a fabric: links that are made later take their delay from here.
	h.paces = pacesOf(delays)
	fabric, err := openWire(h.fabric())
	if errors.Is(err, fs.ErrNotExist) && len(delays) == 0 {
		return nil // no network, no delays
	} else if err != nil {
		return fmt.Errorf("delay frames: %w", err)
	}
	defer fabric.close()

	// Ports that are late now but are not to be any more must be visited as well.
	ports := slices.Concat(
		slices.Collect(maps.Keys(h.paces)),
		slices.Collect(maps.Keys(h.relays)),
	)
	slices.Sort(ports)

	// One port that fails does not keep the others from their delay.
	for _, port := range slices.Compact(ports) {
		if late := h.reconcileDelay(fabric, port); late != nil {
			err = errors.Join(err, fmt.Errorf("delay frames at %s: %w", port, late))
		}
	}

	return err
}

// pacesOf adds up the delays of each port.
func pacesOf(delays []Delay) map[string]pace {
	paces := map[string]pace{}
	add := func(port string, delay Delay) {
		paces[port] = pace{
			by:     paces[port].by + delay.By,
			jitter: paces[port].jitter + delay.Jitter,
		}
	}

	for _, delay := range delays {
		for _, id := range delay.Droplets {
			if delay.Network != "vpc" {
				add(publicPort(number(id)), delay)
			}
			if delay.Network != "public" {
				add(privatePort(number(id)), delay)
			}
		}
	}

	return paces
}

// reconcileDelay makes the link of a port as late as it is to be. The fabric is locked; no link is fine.
func (h *Host) reconcileDelay(fabric *wire, port string) error {
	wanted, late := h.paces[port]
	if !late {
		return h.removeRelay(fabric, port)
	}

	// A new pace needs no new relay: no frame in the queue is lost.
	if running, ok := h.relays[port]; ok && running.alive() {
		running.pace.Store(&wanted)
		return nil
	}

	if err := h.removeRelay(fabric, port); err != nil { // one that ended
		return err
	}

	link, err := fabric.LinkByName(port)
	if missing(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("find link %s: %w", port, err)
	}

	if err := h.insertRelay(fabric, link, wanted); err != nil {
		return errors.Join(err, h.removeRelay(fabric, port))
	}

	return nil
}

// insertRelay takes a cable off its bridge and puts a relay between the two.
func (h *Host) insertRelay(fabric *wire, link netlink.Link, wanted pace) error {
	port, up := link.Attrs().Name, link.Attrs().Flags&net.FlagUp != 0
	bridge, err := fabric.LinkByIndex(link.Attrs().MasterIndex)
	if err != nil {
		return fmt.Errorf("find the bridge of %s: %w", port, err)
	}

	// The mark comes first: a crash at any later step leaves a cable that the next Up puts back.
	if err := fabric.LinkSetAlias(link, lateMark+bridge.Attrs().Name); err != nil {
		return fmt.Errorf("mark link %s: %w", port, err)
	}

	if err := fabric.LinkSetNoMaster(link); err != nil {
		return fmt.Errorf("take link %s off its bridge: %w", port, err)
	}

	// The name must be free before the TAP takes it.
	if err := fabric.rename(link, lateName(port)); err != nil {
		return err
	}

	var tap, cable *os.File
	err = within(h.fabric(), func() (err error) {
		if err = setSysctls(answersNothing(lateName(port), true)); err != nil {
			return err
		}

		if tap, err = openTAP(port); err != nil {
			return err
		}

		// The relay closes both files; until it exists the TAP must be closed here.
		if cable, err = openLink(link.Attrs().Index); err != nil {
			tap.Close()
		}

		return err
	})
	if err != nil {
		return err
	}

	// The relay runs before the port is on its bridge, so that no frame meets an end that nobody reads.
	h.relays[port] = startRelay(tap, cable, wanted)
	end, err := fabric.LinkByName(port)
	if err == nil {
		err = fabric.LinkSetMaster(end, bridge)
	}

	// A cable that was pulled stays down when its link becomes late.
	if err == nil && up {
		err = fabric.LinkSetUp(end)
	}

	if err != nil {
		return fmt.Errorf("put link %s on its bridge: %w", port, err)
	}

	return nil
}

// answersNothing keeps the fabric, which has all its addresses on bridges, from answering on a cable for them.
func answersNothing(link string, nothing bool) map[string]string {
	value := "0"
	if nothing {
		value = "8"
	}

	return map[string]string{"ipv4/conf/" + link + "/arp_ignore": value}
}

// removeRelay ends a port's relay, frames that wait in it go on at once, and puts the cable back where it was.
// Each step can be done again after a crash; the mark goes last.
func (h *Host) removeRelay(fabric *wire, port string) error {
	if running, ok := h.relays[port]; ok {
		running.stop()
		delete(h.relays, port)
	}

	// A crash may have come before or after the rename: the cable has one of two names.
	link, err := fabric.LinkByName(lateName(port))
	if missing(err) {
		link, err = fabric.LinkByName(port)
	}

	if missing(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("find link %s: %w", port, err)
	}

	// Without the mark the link is an ordinary cable, which is where it belongs.
	bridge, marked := strings.CutPrefix(link.Attrs().Alias, lateMark)
	if !marked {
		return nil
	}

	if err := fabric.rename(link, port); err != nil {
		return err
	}

	if err := within(h.fabric(), func() error {
		return setSysctls(answersNothing(port, false))
	}); err != nil {
		return err
	}

	master, err := fabric.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("find bridge %s: %w", bridge, err)
	}

	if err := fabric.LinkSetMaster(link, master); err != nil {
		return fmt.Errorf("put link %s on its bridge: %w", port, err)
	}

	if err := fabric.LinkSetAlias(link, ""); err != nil {
		return fmt.Errorf("unmark link %s: %w", port, err)
	}

	return nil
}

// restoreDelays puts back the cables that a killed lab left loose.
func (h *Host) restoreDelays() error {
	fabric, err := openWire(h.fabric())
	if err != nil {
		return err
	}
	defer fabric.close()

	links, err := fabric.LinkList()
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}

	// A new process knows of no delays: the marks in the kernel tell which cables are loose.
	for _, link := range links {
		if strings.HasPrefix(link.Attrs().Alias, lateMark) {
			err = errors.Join(err, h.reconcileDelay(fabric, strings.TrimPrefix(
				link.Attrs().Name,
				latePrefix,
			)))
		}
	}

	return err
}

// cable makes a station's cable as makeCable does, and as late as it is to be.
func (h *Host) cable(fabric *wire, port, bridge string, end *wire, name string, mac net.HardwareAddr) error {
	// The cable of a relay that ended is loose; makeCable would take it for half-made.
	if running, ok := h.relays[port]; !ok || !running.alive() {
		if err := h.removeRelay(fabric, port); err != nil {
			return err
		}
	}

	if err := fabric.makeCable(port, bridge, end, name, mac); err != nil {
		return err
	}

	// A new cable is not late yet, although its port may have a delay.
	if err := h.reconcileDelay(fabric, port); err != nil {
		return err
	}

	return fabric.raiseLate(port, true)
}

// uncable removes a station's cable; nil when there is none.
func (h *Host) uncable(fabric *wire, port string) error {
	return errors.Join(
		h.removeRelay(fabric, port),
		fabric.removeLink(port),
	)
}

// raiseLate sets the cable of a late port up or down; nil when the port is not late.
func (w *wire) raiseLate(port string, up bool) error {
	if err := w.setUp(lateName(port), up); !missing(err) {
		return err
	}

	return nil
}

// rename gives a link another name; kernels before 6.2 want it down for that.
func (w *wire) rename(link netlink.Link, name string) error {
	if link.Attrs().Name == name {
		return nil
	}

	err := w.LinkSetName(link, name)
	if errors.Is(err, syscall.EBUSY) {
		err = errors.Join(
			w.LinkSetDown(link),
			w.LinkSetName(link, name),
		)
		if err == nil && link.Attrs().Flags&net.FlagUp != 0 {
			err = w.LinkSetUp(link)
		}
	}

	if err != nil {
		return fmt.Errorf("rename link %s to %s: %w", link.Attrs().Name, name, err)
	}

	return nil
}
