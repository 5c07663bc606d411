package state

import (
	"net/netip"
	"slices"
	"time"
)

// Key is an SSH public key.
type Key struct {
	ID          int    `json:"id"`
	Name        string `json:"name"`
	PublicKey   string `json:"public_key"`
	Fingerprint string `json:"fingerprint"` // md5, aa:bb:..
}

// The types of an image.
const (
	ImageBase     = "base"
	ImageSnapshot = "snapshot"
	ImageCustom   = "custom"
)

// The states of an image.
const (
	ImageNew       = "NEW"
	ImagePending   = "pending"
	ImageAvailable = "available"
	ImageDeleted   = "deleted" // a custom image that could not be imported
)

// Image is what a Droplet starts from: a base image of the lab, or a snapshot.
type Image struct {
	ID           int       `json:"id"`
	Name         string    `json:"name"`
	Distribution string    `json:"distribution"`
	Description  string    `json:"description"`
	Slug         string    `json:"slug"` // base images only
	Type         string    `json:"type"`
	Regions      []string  `json:"regions"`
	MinDisk      int       `json:"min_disk"` // GB
	Bytes        int64     `json:"bytes"`
	Created      time.Time `json:"created"`
	Tags         []string  `json:"tags"`
	DropletID    int       `json:"droplet_id"` // the Droplet that a snapshot was taken of
	Status       string    `json:"status"`
	Root         string    `json:"root"`          // what the machines know it by
	URL          string    `json:"url"`           // custom images only: where it is fetched
	HomeRegion   string    `json:"home_region"`   // custom images only: where it is imported to
	Error        string    `json:"error_message"` // why that did not work out
}

// The states of a Droplet that the lab decides. Whether an active one in fact runs is the machines' to say.
const (
	DropletNew    = "new"
	DropletActive = "active"
	DropletOff    = "off"
)

// Droplet is one Droplet.
type Droplet struct {
	ID          int          `json:"id"`
	Name        string       `json:"name"`
	Region      string       `json:"region"`
	Size        string       `json:"size"`
	Disk        int          `json:"disk"` // GB; 0 means its size's
	ImageID     int          `json:"image_id"`
	Image       Image        `json:"image"` // as it was at creation; the image itself may be gone
	Status      string       `json:"status"`
	Locked      bool         `json:"locked"`
	Deleting    bool         `json:"deleting"`
	Ready       bool         `json:"ready"`  // its addresses are shown
	Resume      bool         `json:"resume"` // it ran when the lab was stopped; the next start boots it
	VPC         string       `json:"vpc"`
	Public      netip.Addr   `json:"public"`
	Private     netip.Addr   `json:"private"`
	Network     netip.Prefix `json:"network"` // of the VPC
	Features    []string     `json:"features"`
	Tags        []string     `json:"tags"`
	UserData    string       `json:"user_data"`
	PublicKeys  []string     `json:"public_keys"`
	SnapshotIDs []int        `json:"snapshot_ids"`
	Created     time.Time    `json:"created"`
	// BackupPolicy is when backups are to be taken, for one that has that feature.
	BackupPolicy BackupPolicy `json:"backup_policy,omitzero"`
}

// BackupPolicy is a plan of backups: daily or weekly, on which day, and from which hour.
type BackupPolicy struct {
	Plan    string `json:"plan"`
	Weekday string `json:"weekday"`
	Hour    int    `json:"hour"`
}

// The states of an action.
const (
	ActionInProgress = "in-progress"
	ActionCompleted  = "completed"
	ActionErrored    = "errored"
)

// Action is something that is done, or was done, to a resource.
type Action struct {
	ID           int       `json:"id"`
	Type         string    `json:"type"`
	Status       string    `json:"status"`
	Started      time.Time `json:"started"`
	Completed    time.Time `json:"completed"` // zero while in progress
	ResourceID   int       `json:"resource_id"`
	ResourceType string    `json:"resource_type"`
	Resource     string    `json:"resource"` // of a thing that has no number: a volume's id, a reserved IP's address
	Region       string    `json:"region"`
	Argument     string    `json:"argument"` // a snapshot's or the new name, a size, an image
	Disk         bool      `json:"disk"`     // a resize takes the disk along
	Reason       string    `json:"reason"`   // why it errored
}

// Droplet finds a Droplet; nil when there is none.
func (d *Document) Droplet(id int) *Droplet {
	return find(d.Droplets, func(x *Droplet) bool { return x.ID == id })
}

// Image finds an image; nil when there is none.
func (d *Document) Image(id int) *Image {
	return find(d.Images, func(x *Image) bool { return x.ID == id })
}

// ImageBySlug finds a base image; nil when there is none.
func (d *Document) ImageBySlug(slug string) *Image {
	return find(d.Images, func(x *Image) bool {
		// snapshots and custom images have no slug: an empty name must not find one
		return x.Slug == slug && slug != ""
	})
}

// Action finds an action; nil when there is none.
func (d *Document) Action(id int) *Action {
	return find(d.Actions, func(x *Action) bool { return x.ID == id })
}

// TrimActions forgets the oldest finished actions beyond what is kept.
func (d *Document) TrimActions(keep int) {
	for i := 0; len(d.Actions) > keep && i < len(d.Actions); {
		// the next start takes up what is in progress, so that it must not be forgotten
		if d.Actions[i].Status == ActionInProgress {
			i++
			continue
		}

		d.Actions = slices.Delete(d.Actions, i, i+1)
	}
}
