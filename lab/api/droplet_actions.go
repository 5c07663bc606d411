package api

import (
	"net/http"
	"slices"

	"github.com/hornero/hornero/lab/state"
)

type actionRequest struct {
	Type   string   `json:"type"`
	Name   string   `json:"name"`
	Size   string   `json:"size"`
	Disk   bool     `json:"disk"`
	Image  idOrName `json:"image"`
	Kernel int      `json:"kernel"`

	BackupPolicy *policyRequest `json:"backup_policy"`
}

func (s *Server) listDropletActions(r *http.Request) (*reply, error) {
	return s.resourceActions(r, "droplet")
}

func (s *Server) getDropletAction(r *http.Request) (*reply, error) {
	return s.resourceAction(r, "droplet")
}

func (s *Server) createDropletAction(r *http.Request) (*reply, error) {
	id, err := number(r, "droplet")
	if err != nil {
		return nil, err
	}

	var body actionRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	var action state.Action
	err = s.Store.Update(func(d *state.Document) error {
		droplet := d.Droplet(id)
		if droplet == nil {
			return notFound()
		}

		action, err = s.recordAction(d, droplet, body)

		return err
	})
	if err != nil {
		return nil, err
	}

	s.runAction(action)

	return one(http.StatusCreated, "action", s.showAction(action)), nil
}

func (s *Server) createDropletActionsByTag(r *http.Request) (*reply, error) {
	tag := r.URL.Query().Get("tag_name")
	if tag == "" {
		return nil, invalid("tag_name is needed")
	}

	var body actionRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	// with no Droplet of that tag nothing else would look at the type
	if _, known := dropletActions()[body.Type]; !known {
		return nil, unknownAction(body.Type)
	}

	var actions []state.Action
	err := s.Store.Update(func(d *state.Document) error {
		for i := range d.Droplets {
			if !state.Tagged(d.Droplets[i].Tags, tag) {
				continue
			}

			// one Droplet that is locked refuses all: none of them is half done
			action, err := s.recordAction(d, &d.Droplets[i], body)
			if err != nil {
				return err
			}

			actions = append(actions, action)
		}

		return nil
	})
	if err != nil {
		return nil, err
	}

	shown := []actionShape{}

	// actions run after the state is written, since they look themselves up there
	for _, action := range actions {
		s.runAction(action)
		shown = append(shown, s.showAction(action))
	}

	return one(http.StatusCreated, "actions", shown), nil
}

// recordAction records a new action and locks its Droplet, or says why the Droplet can't have it now.
func (s *Server) recordAction(d *state.Document, droplet *state.Droplet, body actionRequest) (state.Action, error) {
	if err := s.allowAction(d, droplet, body); err != nil {
		return state.Action{}, err
	}

	// the lock is taken with the check: two requests at once can't both pass it
	droplet.Locked = true

	action := state.Action{
		ID:           d.NextID(),
		Type:         body.Type,
		Status:       state.ActionInProgress,
		Started:      s.now(),
		ResourceID:   droplet.ID,
		ResourceType: "droplet",
		Region:       droplet.Region,
		Argument:     body.argument(),
		Disk:         body.Disk,
	}

	d.Actions = append(d.Actions, action)

	return action, nil
}

// argument is what an action of its type needs to know.
func (b *actionRequest) argument() string {
	switch b.Type {
	case "resize":
		return b.Size
	case "rebuild", "restore":
		return string(b.Image)
	case "enable_backups", "change_backup_policy":
		return b.BackupPolicy.argument()
	}

	return b.Name
}

func (s *Server) allowAction(d *state.Document, droplet *state.Droplet, body actionRequest) error {
	rule, known := dropletActions()[body.Type]
	if !known {
		return unknownAction(body.Type)
	}

	// packer sends shutdown twice at once, and takes this refusal for normal
	if droplet.Locked {
		return pendingEvent()
	}

	// a guest can power itself off, so that the machine is asked and not the state
	refusal := rule.refusedOn
	if s.status(*droplet) == state.DropletOff {
		refusal = rule.refusedOff
	}

	if refusal != "" {
		return invalid("%s", refusal)
	}

	if rule.check == nil {
		return nil
	}

	return rule.check(d, droplet, body)
}

func unknownAction(kind string) error {
	return invalid("the lab does not know the Droplet action %q", kind)
}

// actionRule says when an action is refused, in DigitalOcean's words where clients look for them.
type actionRule struct {
	refusedOff string // why a Droplet that is off can't have it; empty means that it can
	refusedOn  string // the same for one that is on
	check      func(*state.Document, *state.Droplet, actionRequest) error
}

// dropletActions are the actions that there are. A shutdown of a Droplet that is off changes nothing, and is no error.
func dropletActions() map[string]actionRule {
	// Terraform takes the refusal of power_off for success, by its exact words
	off := "Droplet is powered off"

	return map[string]actionRule{
		"power_on":             {refusedOn: "Droplet is already powered on"},
		"power_off":            {refusedOff: "Droplet is already powered off"},
		"power_cycle":          {refusedOff: off},
		"reboot":               {refusedOff: off},
		"shutdown":             {},
		"snapshot":             {check: checkSnapshotName},
		"rename":               {check: checkRename},
		"resize":               {refusedOn: "Droplet must be powered off to be resized", check: checkResize},
		"rebuild":              {check: checkRebuild},
		"restore":              {check: checkRestore},
		"password_reset":       {},
		"enable_backups":       {check: checkPolicy},
		"disable_backups":      {check: checkBackups},
		"change_backup_policy": {check: checkNewPolicy},
		"enable_ipv6":          {check: checkIPv6},
		"change_kernel":        {check: refuseKernel},
	}
}

func checkSnapshotName(_ *state.Document, _ *state.Droplet, body actionRequest) error {
	if body.Name == "" {
		return invalid("Name can't be blank")
	}

	return nil
}

func checkRename(_ *state.Document, _ *state.Droplet, body actionRequest) error {
	if !validHostname(body.Name) {
		return invalid("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
	}

	return nil
}

// checkResize holds a Droplet to sizes that its disk fits: a disk never shrinks.
func checkResize(_ *state.Document, droplet *state.Droplet, body actionRequest) error {
	wanted, known := findSize(body.Size)
	if !known {
		return invalid("You specified an invalid size for Droplet resize.")
	}

	// with disk: true the same size may still grow a disk that was left behind
	if body.Size == droplet.Size && !body.Disk {
		return invalid("Droplet is already the size %s", body.Size)
	}

	if wanted.Disk < diskOf(*droplet) {
		return invalid(
			"This size is not available because it has a smaller disk: the Droplet has %d GB, %s has %d GB.",
			diskOf(*droplet),
			wanted.Slug,
			wanted.Disk,
		)
	}

	return nil
}

// diskOf is how large a Droplet's disk is, in GB.
func diskOf(droplet state.Droplet) int {
	if droplet.Disk != 0 {
		return droplet.Disk
	}

	size, _ := findSize(droplet.Size)

	return size.Disk
}

func checkRebuild(d *state.Document, droplet *state.Droplet, body actionRequest) error {
	size, _ := findSize(droplet.Size)

	// the disk may be smaller than its size says: resize leaves it unless asked
	size.Disk = diskOf(*droplet)
	_, err := resolveImage(d, string(body.Image), droplet.Region, size)

	return err
}

// checkRestore takes the Droplet's own backups and snapshots only.
func checkRestore(d *state.Document, droplet *state.Droplet, body actionRequest) error {
	image := imageNamed(d, string(body.Image))
	if image == nil || image.DropletID != droplet.ID {
		return invalid(
			"You specified an invalid image for Droplet restore: it is no backup or snapshot of this Droplet.",
		)
	}

	return nil
}

func checkBackups(_ *state.Document, droplet *state.Droplet, _ actionRequest) error {
	if !slices.Contains(droplet.Features, "backups") {
		return invalid("Backups are not enabled for this Droplet.")
	}

	return nil
}

func checkPolicy(_ *state.Document, _ *state.Droplet, body actionRequest) error {
	return body.BackupPolicy.check()
}

func checkNewPolicy(d *state.Document, droplet *state.Droplet, body actionRequest) error {
	if body.BackupPolicy == nil {
		return invalid("backup_policy is needed")
	}

	if err := checkBackups(d, droplet, body); err != nil {
		return err
	}

	return body.BackupPolicy.check()
}

func checkIPv6(_ *state.Document, droplet *state.Droplet, _ actionRequest) error {
	// the IPv6 address stands beside the public one
	if !droplet.Public.IsValid() {
		return invalid("IPv6 needs public networking, which this Droplet does not have.")
	}
	if slices.Contains(droplet.Features, "ipv6") {
		return invalid("IPv6 is already enabled for this Droplet.")
	}

	return nil
}

func refuseKernel(*state.Document, *state.Droplet, actionRequest) error {
	return invalid("The kernel of this Droplet is managed internally and can't be changed.")
}
