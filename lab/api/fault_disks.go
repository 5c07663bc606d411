package api

import (
	"context"
	"slices"

	"github.com/hornero/hornero/lab/state"
)

func checkFill(d *state.Document, fault *state.Fault) error {
	if err := checkOneGroup(d, fault); err != nil {
		return err
	}

	for _, id := range fault.Groups[0] {
		disk := int64(diskOf(*d.Droplet(id))) << 30
		if fault.Leave >= 0 && fault.Leave < disk {
			continue
		}

		return invalid(
			"fill: what it leaves must be between 0 and less than the disk of Droplet %d, which has %d bytes, not %d",
			id, disk, fault.Leave,
		)
	}

	return nil
}

// fillDisks fills the disks of a new fault.
func (s *Server) fillDisks(ctx context.Context, fault state.Fault) error {
	for _, id := range fault.Groups[0] {
		// the machines fill only disks that they have: the fault would say more than is true
		if _, there := s.Machines.Inspect(id); !there {
			return notFound() // the machine is being made, or removed
		}
	}

	return s.applyFills(ctx)
}

// applyFills makes disks as full as the faults say.
func (s *Server) applyFills(ctx context.Context) error {
	s.faults.filling.Lock()
	defer s.faults.filling.Unlock()

	// the state is read under the mutex, so that the last call applies the last state
	return s.Machines.SetFills(ctx, fills(s.Store.View()))
}

// fills are the bytes that all faults together leave free on Droplets' disks. Of several faults of one Droplet the one
// that leaves least counts.
func fills(d *state.Document) map[int]int64 {
	leaves := map[int]int64{}
	for _, fault := range d.Faults {
		if fault.Kind != state.FaultFill {
			continue
		}

		for _, id := range slices.Concat(fault.Groups...) {
			// adding up would fill a disk more than any of the faults asks for
			if least, filled := leaves[id]; !filled || fault.Leave < least {
				leaves[id] = fault.Leave
			}
		}
	}

	return leaves
}
