package state

import (
	"time"
)

// Volume is a block storage volume.
type Volume struct {
	ID              string    `json:"id"`
	Name            string    `json:"name"`
	Description     string    `json:"description"`
	Region          string    `json:"region"`
	Size            int       `json:"size"`       // GB
	DropletID       int       `json:"droplet_id"` // 0 when it is not attached
	FilesystemType  string    `json:"filesystem_type"`
	FilesystemLabel string    `json:"filesystem_label"`
	Tags            []string  `json:"tags"`
	Created         time.Time `json:"created"`
}

// VolumeSnapshot is a snapshot of a volume.
type VolumeSnapshot struct {
	ID             string    `json:"id"`
	Name           string    `json:"name"`
	VolumeID       string    `json:"volume_id"`
	Region         string    `json:"region"`
	Size           int       `json:"size"` // of the volume, GB
	Bytes          int64     `json:"bytes"`
	FilesystemType string    `json:"filesystem_type"`
	Tags           []string  `json:"tags"`
	Created        time.Time `json:"created"`
}

// Volume finds a volume; nil when there is none.
func (d *Document) Volume(id string) *Volume {
	return find(d.Volumes, func(x *Volume) bool { return x.ID == id })
}

// VolumeSnapshot finds a volume's snapshot; nil when there is none.
func (d *Document) VolumeSnapshot(id string) *VolumeSnapshot {
	return find(d.VolumeSnapshots, func(x *VolumeSnapshot) bool { return x.ID == id })
}

// VolumesOf lists the ids of the volumes that are attached to a Droplet.
func (d *Document) VolumesOf(droplet int) []string {
	ids := []string{}
	for _, volume := range d.Volumes {
		if volume.DropletID == droplet {
			ids = append(ids, volume.ID)
		}
	}

	return ids
}
