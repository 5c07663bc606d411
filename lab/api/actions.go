package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/hornero/hornero/lab/state"
)

func (s *Server) actionRoutes() map[string]handler {
	return map[string]handler{
		"GET /v2/actions":          s.listActions,
		"GET /v2/actions/{action}": s.getAction,
	}
}

// keptActions is how many actions the lab remembers.
const keptActions = 2000

type actionShape struct {
	ID           int     `json:"id"`
	Status       string  `json:"status"`
	Type         string  `json:"type"`
	StartedAt    string  `json:"started_at"`
	CompletedAt  *string `json:"completed_at"`
	ResourceID   int     `json:"resource_id"`
	ResourceType string  `json:"resource_type"`
	Region       region  `json:"region"`
	RegionSlug   string  `json:"region_slug"`
}

func (s *Server) showAction(action state.Action) actionShape {
	shown := actionShape{
		ID:           action.ID,
		Status:       action.Status,
		Type:         action.Type,
		StartedAt:    showTime(action.Started),
		ResourceID:   action.ResourceID,
		ResourceType: action.ResourceType,
		RegionSlug:   action.Region,
	}

	shown.Region, _ = findRegion(action.Region)

	if !action.Completed.IsZero() {
		completed := showTime(action.Completed)
		shown.CompletedAt = &completed
	}

	return shown
}

func showTime(t time.Time) string {
	return t.UTC().Format(time.RFC3339)
}

// actionsOf lists actions newest first.
func (s *Server) actionsOf(wanted func(state.Action) bool) []actionShape {
	shown := []actionShape{}
	for _, action := range slices.Backward(s.Store.View().Actions) {
		if wanted(action) {
			shown = append(shown, s.showAction(action))
		}
	}

	return shown
}

func (s *Server) listActions(r *http.Request) (*reply, error) {
	return list(r, "actions", s.actionsOf(func(state.Action) bool { return true })), nil
}

func (s *Server) getAction(r *http.Request) (*reply, error) {
	id, err := number(r, "action")
	if err != nil {
		return nil, err
	}

	action := s.Store.View().Action(id)
	if action == nil {
		return nil, notFound()
	}

	return one(http.StatusOK, "action", s.showAction(*action)), nil
}

// resourceActions lists the actions of the Droplet or image in the path.
func (s *Server) resourceActions(r *http.Request, kind string) (*reply, error) {
	id, err := s.resourceID(r, kind)
	if err != nil {
		return nil, err
	}

	return list(r,
		"actions",
		s.actionsOf(func(a state.Action) bool {
			return a.ResourceType == kind && a.ResourceID == id
		}),
	), nil
}

func (s *Server) resourceAction(r *http.Request, kind string) (*reply, error) {
	id, err := s.resourceID(r, kind)
	if err != nil {
		return nil, err
	}

	actionID, err := number(r, "action")
	if err != nil {
		return nil, err
	}

	action := s.Store.View().Action(actionID)
	if action == nil || action.ResourceType != kind || action.ResourceID != id {
		return nil, notFound()
	}

	return one(http.StatusOK, "action", s.showAction(*action)), nil
}

func (s *Server) resourceID(r *http.Request, kind string) (int, error) {
	id, err := number(r, kind)
	if err != nil {
		return 0, err
	}

	d := s.Store.View()
	if kind == "droplet" && d.Droplet(id) == nil || kind == "image" && d.Image(id) == nil {
		return 0, notFound()
	}

	return id, nil
}

// spawn runs background work that Close waits for. What goes wrong in it is logged, a panic too.
func (s *Server) spawn(name string, work func() error) {
	s.begin(func() {
		if err := safely(work); err != nil && s.context.Err() == nil {
			s.Logger.Error("background work", "work", name, "err", err)
		}
	})
}

func safely(work func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()

	return work()
}

// runAction does what a recorded action asks for, in the background. When the lab is closing the action stays in
// progress, and the next start takes it up.
func (s *Server) runAction(action state.Action) {
	s.begin(func() {
		begun := s.Now()
		err := safely(func() error { return s.perform(action) })
		if err == nil {
			s.Logger.Info("action completed",
				"action", action.ID,
				"type", action.Type,
				"resource", action.ResourceID,
				"took", s.Now().Sub(begun).Round(time.Millisecond),
			)

			return
		}

		if s.context.Err() != nil {
			return
		}

		s.Logger.Error("action errored",
			"action", action.ID,
			"type", action.Type,
			"resource", action.ResourceID,
			"err", err,
		)

		if err := s.fail(action, err); err != nil {
			s.Logger.Error("action not marked errored", "action", action.ID, "err", err)
		}
	})
}

// finish marks an action completed and its Droplet unlocked, together with what else changed.
func (s *Server) finish(action state.Action, change func(*state.Document)) error {
	err := s.commit(func(d *state.Document) error {
		s.end(d, action.ID, state.ActionCompleted, "")
		change(d)
		d.TrimActions(keptActions)

		return nil
	})

	s.kickBalancers()

	return err
}

// fail marks an action errored. A Droplet that could not be made goes with it.
func (s *Server) fail(action state.Action, cause error) error {
	return s.commit(func(d *state.Document) error {
		s.end(d, action.ID, state.ActionErrored, cause.Error())

		if action.Type == "create" {
			forgetDroplet(d, action.ResourceID)
			releaseHeld(d)
		}

		return nil
	})
}

func (s *Server) end(d *state.Document, id int, status, reason string) {
	action := d.Action(id)
	if action == nil {
		return
	}

	action.Status, action.Reason, action.Completed = status, reason, s.now()

	if droplet := d.Droplet(lockedBy(*action)); droplet != nil {
		droplet.Locked = false
	}
	if action.ResourceType == reservedIPType {
		unlockReserved(d, action.Resource)
	}
}

// lockedBy is the Droplet that can have no other action while this one is under way; 0 for none.
func lockedBy(action state.Action) int {
	switch {
	case action.ResourceType == "droplet":
		return action.ResourceID
	case action.ResourceType == volumeType && action.Type != "resize":
		droplet, _ := strconv.Atoi(action.Argument)
		return droplet
	}

	return 0
}

// commitRetry is the pause before a change that could not be written is written again.
const commitRetry = time.Second

// commit records what has already happened. It can't be refused, so a full disk is waited out.
func (s *Server) commit(change func(*state.Document) error) error {
	for {
		err := s.Store.Update(change)
		if err == nil {
			return nil
		}

		s.Logger.Error("state not kept; trying again", "err", err)

		if s.sleep(commitRetry) != nil {
			return err
		}
	}
}

// sleep waits, or returns early with an error when the lab closes.
func (s *Server) sleep(d time.Duration) error {
	if d <= 0 {
		return s.context.Err()
	}

	select {
	case <-time.After(d):
		return nil
	case <-s.context.Done():
		return s.context.Err()
	}
}

var errUnknownAction = errors.New("the lab does not know this action")

// perform does one action to its end, also one that an earlier run of the lab began.
func (s *Server) perform(action state.Action) error {
	if err := s.hurtAction(action); err != nil {
		return err
	}

	switch {
	case action.ResourceType == "image":
		return s.transfer(action)
	case action.ResourceType == reservedIPType:
		return s.moveReserved(action)
	case action.ResourceType == volumeType:
		return s.workVolume(action)
	case action.ResourceType != "droplet":
		return fmt.Errorf("%w: %s of a %s", errUnknownAction, action.Type, action.ResourceType)
	case action.Type == "create":
		return s.bringUp(action)
	}

	delay := s.Delays.Action
	if action.Type == "snapshot" {
		delay = s.Delays.Snapshot
	}

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

	case "rename", "password_reset", "enable_backups", "disable_backups":
		return s.finish(action, func(d *state.Document) {
			if droplet := d.Droplet(action.ResourceID); droplet != nil {
				settle(droplet, action)
			}
		})
	}

	status, err := s.power(action)
	if err != nil {
		return err
	}

	return s.finish(action, func(d *state.Document) {
		if droplet := d.Droplet(action.ResourceID); droplet != nil {
			droplet.Status = status
		}
	})
}

// settle is what the actions do that only change what is written down.
func settle(droplet *state.Droplet, action state.Action) {
	feature := func(name string, on bool) {
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

	if err := s.Machines.EnableIPv6(
		s.context,
		droplet.ID,
		state.IPv6Beside(droplet.Public),
	); err != nil {
		return err
	}

	err := s.finish(action, func(d *state.Document) {
		if droplet := d.Droplet(action.ResourceID); droplet != nil {
			settle(droplet, action)
		}
	})

	s.kickBalancers() // its firewalls hold for the new address as well

	return err
}

// power does an action of the power button and returns the status that the Droplet has after it.
func (s *Server) power(action state.Action) (string, error) {
	id := action.ResourceID
	switch action.Type {
	case "power_on":
		return state.DropletActive, s.Machines.Boot(s.context, id)
	case "power_off":
		return state.DropletOff, s.Machines.PowerOff(s.context, id)
	case "shutdown":
		return state.DropletOff, s.shutdown(id)

	case "power_cycle":
		if err := s.Machines.PowerOff(s.context, id); err != nil {
			return "", err
		}

		return state.DropletActive, s.Machines.Boot(s.context, id)

	case "reboot":
		if err := s.shutdown(id); err != nil {
			return "", err
		}

		return state.DropletActive, s.Machines.Boot(s.context, id)
	}

	return "", fmt.Errorf("%w: %s", errUnknownAction, action.Type)
}

// rebuild puts another image beneath a Droplet: its disk is lost, its number and its addresses stay, and it
// ends active.
func (s *Server) rebuild(action state.Action) error {
	d := s.Store.View()
	droplet, image := d.Droplet(action.ResourceID), imageNamed(d, action.Argument)
	if droplet == nil || image == nil {
		return notFound()
	}

	if err := s.Machines.EnsureImage(s.context, image.Root); err != nil {
		return err
	}

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

	disk := diskOf(*droplet)
	if action.Disk {
		disk = wanted.Disk
	}

	if err := s.Machines.Resize(
		s.context,
		action.ResourceID,
		wanted.Memory,
		wanted.VCPUs,
		disk,
	); err != nil {
		return err
	}

	return s.finish(action, func(d *state.Document) {
		if droplet := d.Droplet(action.ResourceID); droplet != nil {
			droplet.Disk, droplet.Size = disk, wanted.Slug
		}
	})
}

func (s *Server) shutdown(id int) error {
	if !s.Machines.Running(id) {
		return nil
	}

	ctx, cancel := context.WithTimeoutCause(
		s.context,
		s.ShutdownTimeout,
		fmt.Errorf("the guest did not power itself off within %s", s.ShutdownTimeout),
	)
	defer cancel()

	return s.Machines.Shutdown(ctx, id)
}

func (s *Server) takeSnapshot(action state.Action) error {
	droplet := s.Store.View().Droplet(action.ResourceID)
	if droplet == nil {
		return notFound()
	}

	root := fmt.Sprintf("snapshot-%d", action.ID)
	bytes, err := s.Machines.Snapshot(s.context, droplet.ID, root)
	if err != nil {
		return errors.Join(err, s.Machines.DeleteImage(context.WithoutCancel(s.context), root))
	}

	return s.finish(action, func(d *state.Document) {
		image := state.Image{
			ID:           d.NextID(),
			Name:         action.Argument,
			Distribution: droplet.Image.Distribution,
			Type:         state.ImageSnapshot,
			Regions:      []string{droplet.Region},
			MinDisk: max(
				diskOf(*droplet),
				droplet.Image.MinDisk,
			),
			Bytes:     bytes,
			Created:   action.Started,
			Tags:      []string{},
			DropletID: droplet.ID,
			Status:    "available",
			Root:      root,
		}

		d.Images = append(d.Images, image)

		if droplet := d.Droplet(droplet.ID); droplet != nil {
			droplet.SnapshotIDs = append(droplet.SnapshotIDs, image.ID)
		}
	})
}
