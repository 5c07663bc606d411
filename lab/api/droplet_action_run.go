package api

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hornero/hornero/lab/state"
)

// performDroplet does one action of a Droplet to its end.
func (s *Server) performDroplet(action state.Action) error {
	if action.Type == "create" {
		return s.performCreate(action) // it has a delay of its own
	}

	delay := s.Delays.Action
	if action.Type == "snapshot" {
		delay = s.Delays.Snapshot
	}

	// clients must be able to see the action in progress and the Droplet locked
	if err := s.sleep(delay); err != nil {
		return err
	}

	switch action.Type {
	case "snapshot":
		return s.takeSnapshot(action)
	case "enable_ipv6":
		return s.enableIPv6(action)
	case "rebuild", "restore":
		return s.rebuild(action)
	case "resize":
		return s.resize(action)

	case "rename", "password_reset", "enable_backups", "disable_backups", "change_backup_policy":
		return s.finish(action, func(d *state.Document) {
			if droplet := d.Droplet(action.ResourceID); droplet != nil {
				changeDroplet(droplet, action)
			}
		})
	}

	return s.performPower(action)
}

// changeDroplet makes the change of an action that is one of the state alone: no machine takes part in it.
func changeDroplet(droplet *state.Droplet, action state.Action) {
	feature := func(name string, on bool) {
		// a feature that is enabled twice is listed once
		droplet.Features = slices.DeleteFunc(droplet.Features, func(x string) bool {
			return x == name
		})

		if on {
			droplet.Features = append(droplet.Features, name)
		}
	}

	switch action.Type {
	case "rename":
		droplet.Name = action.Argument
	case "enable_ipv6":
		feature("ipv6", true)
	case "enable_backups":
		feature("backups", true)
		droplet.BackupPolicy = policyOf(action.Argument)
	case "change_backup_policy":
		droplet.BackupPolicy = policyOf(action.Argument)
	case "disable_backups":
		feature("backups", false)
	}
}

// enableIPv6 gives a Droplet its address before it is shown.
func (s *Server) enableIPv6(action state.Action) error {
	droplet := s.Store.View().Droplet(action.ResourceID)
	if droplet == nil {
		return notFound()
	}

	address := state.IPv6Beside(droplet.Public)

	err := s.Machines.EnableIPv6(s.context, droplet.ID, address)
	if err != nil {
		return err
	}

	err = s.finish(action, func(d *state.Document) {
		if droplet := d.Droplet(action.ResourceID); droplet != nil {
			changeDroplet(droplet, action)
		}
	})

	s.wakeFollower() // its firewalls hold for the new address as well

	return err
}

// rebuild puts another image beneath a Droplet: its disk is lost, its number and its addresses stay, and it
// ends active.
func (s *Server) rebuild(action state.Action) error {
	d := s.Store.View()
	droplet := d.Droplet(action.ResourceID)
	image := imageNamed(d, action.Argument)

	if droplet == nil || image == nil {
		return notFound()
	}

	// the image is fetched first: a download that fails must not cost the disk
	if err := s.Machines.EnsureImage(s.context, image.Root); err != nil {
		return err
	}

	// the disk goes away beneath the guest: asking it to end would save nothing
	if err := s.Machines.PowerOff(s.context, droplet.ID); err != nil {
		return err
	}

	machine := s.machine(d, *droplet)
	machine.Root = image.Root

	if err := s.Machines.Rebuild(s.context, machine); err != nil {
		return err
	}

	if err := s.Machines.Boot(s.context, droplet.ID); err != nil {
		return err
	}

	before := droplet.Image

	err := s.finish(action, func(d *state.Document) {
		if droplet := d.Droplet(action.ResourceID); droplet != nil {
			droplet.ImageID = image.ID
			droplet.Image = *image
			droplet.Status = state.DropletActive
		}
	})
	if err != nil || before.Type == state.ImageBase {
		return err
	}

	// a snapshot that was deleted meanwhile was kept for this Droplet alone
	return s.freeRoot(before.Root)
}

// resize changes a Droplet's size, and its disk only when it was asked to. It stays off.
func (s *Server) resize(action state.Action) error {
	wanted, known := findSize(action.Argument)
	if !known {
		return fmt.Errorf("%w: no size %s", errUnknownAction, action.Argument)
	}

	droplet := s.Store.View().Droplet(action.ResourceID)
	if droplet == nil {
		return notFound()
	}

	// without disk: true only memory and CPUs grow, so that the Droplet can shrink again
	disk := diskOf(*droplet)
	if action.Disk {
		disk = wanted.Disk
	}

	err := s.Machines.Resize(s.context, action.ResourceID, wanted.Memory, wanted.VCPUs, disk)
	if err != nil {
		return err
	}

	return s.finish(action, func(d *state.Document) {
		if droplet := d.Droplet(action.ResourceID); droplet != nil {
			droplet.Disk = disk
			droplet.Size = wanted.Slug
		}
	})
}

func (s *Server) takeSnapshot(action state.Action) error {
	droplet := s.Store.View().Droplet(action.ResourceID)
	if droplet == nil {
		return notFound()
	}

	// the action's number names the files, so that a crash leaves them to be found as strays
	root := fmt.Sprintf("snapshot-%d", action.ID)
	bytes, err := s.Machines.Snapshot(s.context, droplet.ID, root)
	if err != nil {
		// half a snapshot takes space as well; it goes even when the lab is closing
		return errors.Join(err, s.Machines.DeleteImage(context.WithoutCancel(s.context), root))
	}

	return s.finish(action, func(d *state.Document) {
		image := state.Image{
			ID:           d.NextID(),
			Name:         action.Argument,
			Distribution: droplet.Image.Distribution,
			Type:         state.ImageSnapshot,
			Regions:      []string{droplet.Region},
			MinDisk:      max(diskOf(*droplet), droplet.Image.MinDisk),
			Bytes:        bytes,
			// Terraform finds the snapshot of an action by its time: created_at equals started_at
			Created:   action.Started,
			Tags:      []string{},
			DropletID: droplet.ID,
			Status:    state.ImageAvailable,
			Root:      root,
		}

		d.Images = append(d.Images, image)

		if droplet := d.Droplet(droplet.ID); droplet != nil {
			droplet.SnapshotIDs = append(droplet.SnapshotIDs, image.ID)
		}
	})
}
