package api

import (
	"cmp"
	"context"
	"net/http"
	"regexp"
	"slices"

	"github.com/hornero/hornero/lab/state"
)

// volumeType is what actions call a volume.
const volumeType = "volume"

const (
	maxVolumeSize        = 16384 // GB
	maxVolumesOfADroplet = 7
	maxVolumes           = 100
)

// removeStrayVolumes removes the volumes and snapshots that the state does not know: a stop cut their creation or
// deletion short.
func (s *Server) removeStrayVolumes(ctx context.Context, d *state.Document) error {
	volumes := []string{}
	for _, volume := range d.Volumes {
		volumes = append(volumes, volume.ID)
	}

	snapshots := []string{}
	for _, snapshot := range d.VolumeSnapshots {
		snapshots = append(snapshots, snapshot.ID)
	}

	return s.Volumes.RemoveAllBut(ctx, volumes, snapshots)
}

func (s *Server) volumeRoutes() map[string]handler {
	return map[string]handler{
		"GET /v2/volumes":                           s.listVolumes,
		"POST /v2/volumes":                          s.createVolume,
		"DELETE /v2/volumes":                        s.deleteVolumeByName,
		"POST /v2/volumes/actions":                  s.createVolumeActionByName,
		"GET /v2/volumes/{volume}":                  s.getVolume,
		"DELETE /v2/volumes/{volume}":               s.deleteVolume,
		"GET /v2/volumes/{volume}/actions":          s.listVolumeActions,
		"POST /v2/volumes/{volume}/actions":         s.createVolumeAction,
		"GET /v2/volumes/{volume}/actions/{action}": s.getVolumeAction,
		"GET /v2/volumes/{volume}/snapshots":        s.listVolumeSnapshots,
		"POST /v2/volumes/{volume}/snapshots":       s.createVolumeSnapshot,
	}
}

type volumeShape struct {
	ID              string   `json:"id"`
	Region          region   `json:"region"`
	Name            string   `json:"name"`
	Description     string   `json:"description"`
	SizeGigabytes   int      `json:"size_gigabytes"`
	DropletIDs      []int    `json:"droplet_ids"`
	CreatedAt       string   `json:"created_at"`
	FilesystemType  string   `json:"filesystem_type"`
	FilesystemLabel string   `json:"filesystem_label"`
	Tags            []string `json:"tags"`
}

func showVolume(v state.Volume) volumeShape {
	shown := volumeShape{
		ID:              v.ID,
		Name:            v.Name,
		Description:     v.Description,
		SizeGigabytes:   v.Size,
		DropletIDs:      []int{},
		CreatedAt:       showTime(v.Created),
		FilesystemType:  v.FilesystemType,
		FilesystemLabel: v.FilesystemLabel,
		Tags:            orEmpty(v.Tags),
	}

	shown.Region, _ = findRegion(v.Region)

	// the API has a list, although a volume is attached to one Droplet at most
	if v.DropletID != 0 {
		shown.DropletIDs = []int{v.DropletID}
	}

	return shown
}

func (s *Server) listVolumes(r *http.Request) (*reply, error) {
	query := r.URL.Query()
	name, inRegion := query.Get("name"), query.Get("region")
	shown := []volumeShape{}

	for _, volume := range s.Store.View().Volumes {
		nameFits := name == "" || name == volume.Name
		regionFits := inRegion == "" || inRegion == volume.Region

		if nameFits && regionFits {
			shown = append(shown, showVolume(volume))
		}
	}

	return list(r, "volumes", shown), nil
}

func volumeIn(r *http.Request, d *state.Document) (*state.Volume, error) {
	volume := d.Volume(r.PathValue("volume"))
	if volume == nil {
		return nil, notFound()
	}

	return volume, nil
}

func (s *Server) getVolume(r *http.Request) (*reply, error) {
	volume, err := volumeIn(r, s.Store.View())
	if err != nil {
		return nil, err
	}

	return one(http.StatusOK, "volume", showVolume(*volume)), nil
}

type volumeRequest struct {
	Name            string   `json:"name"`
	Region          string   `json:"region"`
	Size            int      `json:"size_gigabytes"`
	Description     string   `json:"description"`
	SnapshotID      string   `json:"snapshot_id"`
	FilesystemType  string   `json:"filesystem_type"`
	FilesystemLabel string   `json:"filesystem_label"`
	Tags            []string `json:"tags"`
}

var volumeName = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,62}[a-z0-9])?$`)

// volume is what the request asks for, completed from its snapshot, or what is wrong with it.
func (b *volumeRequest) volume(d *state.Document) (state.Volume, error) {
	if err := b.takeFromSnapshot(d); err != nil {
		return state.Volume{}, err
	}

	if err := b.check(d); err != nil {
		return state.Volume{}, err
	}

	return state.Volume{
		ID:              newUUID(),
		Name:            b.Name,
		Region:          b.Region,
		Size:            b.Size,
		Description:     b.Description,
		FilesystemType:  b.FilesystemType,
		FilesystemLabel: b.FilesystemLabel,
	}, checkTags(b.Tags)
}

// takeFromSnapshot completes a request for a volume from a snapshot with what the snapshot decides.
func (b *volumeRequest) takeFromSnapshot(d *state.Document) error {
	if b.SnapshotID == "" {
		return nil
	}

	snapshot := d.VolumeSnapshot(b.SnapshotID)
	if snapshot == nil {
		return invalid("snapshot_id: there is no such snapshot of a volume")
	}

	// a snapshot is in its volume's region, and a volume never smaller than what is on it
	elsewhere := b.Region != "" && b.Region != snapshot.Region
	tooSmall := b.Size != 0 && b.Size < snapshot.Size

	if elsewhere || tooSmall {
		return invalid(
			"a volume from a snapshot is in its region and at least as large: %s, %d GB",
			snapshot.Region,
			snapshot.Size,
		)
	}

	b.Region = snapshot.Region
	b.Size = max(b.Size, snapshot.Size)

	// the file system comes with the data
	b.FilesystemType = snapshot.FilesystemType

	return nil
}

// longestLabels is how long a label may be, by the type of the file system.
func longestLabels() map[string]int {
	return map[string]int{
		"":     0,
		"ext4": 16,
		"xfs":  12,
	}
}

func (b *volumeRequest) check(d *state.Document) error {
	longest, knownFilesystem := longestLabels()[b.FilesystemType]
	_, knownRegion := findRegion(b.Region)

	switch {
	case !knownRegion:
		return invalid("region is invalid")
	case !volumeName.MatchString(b.Name):
		return invalid("invalid volume name: lower-case letters, digits and '-', a letter first, at most 64")
	case b.Size < 1 || b.Size > maxVolumeSize:
		return invalid("invalid volume size: must be between 1 and %d GB", maxVolumeSize)
	case !knownFilesystem:
		return invalid("invalid filesystem type: must be ext4 or xfs")
	case len(b.FilesystemLabel) > longest:
		return invalid("filesystem label is too long: at most %d characters", longest)
	case len(d.Volumes) >= maxVolumes:
		return failure(http.StatusForbidden, "failed to create volume: volume limit exceeded")
	}

	// names are unique in a region: clients find volumes by them
	if _, err := volumeNamed(d, b.Name, b.Region); err == nil {
		return failure(http.StatusConflict, "a volume with the name %q exists already in %s", b.Name, b.Region)
	}

	return nil
}

// createVolume makes the volume before it is in the state: one that was cut short is removed at the next start.
func (s *Server) createVolume(r *http.Request) (*reply, error) {
	var body volumeRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	volume, err := body.volume(s.Store.View())
	if err != nil {
		return nil, err
	}

	if err := s.Volumes.Create(s.context, volume, body.SnapshotID); err != nil {
		_, refused := body.volume(s.Store.View())
		return nil, cmp.Or(refused, err) // its snapshot was deleted meanwhile
	}

	// others may have changed the state while the volume was made: the request is checked again
	err = s.Store.Update(func(d *state.Document) error {
		checked, err := body.volume(d)
		if err != nil {
			return err
		}

		checked.ID = volume.ID
		checked.Created = s.now()
		checked.Tags = d.UseTags(body.Tags)

		volume = checked
		d.Volumes = append(d.Volumes, checked)

		return nil
	})
	if err != nil {
		s.spawn("remove volume", func() error {
			return s.Volumes.Delete(s.context, volume.ID)
		})

		return nil, err
	}

	return one(http.StatusCreated, "volume", showVolume(volume)), nil
}

func (s *Server) deleteVolume(r *http.Request) (*reply, error) {
	return s.removeVolume(func(d *state.Document) (*state.Volume, error) {
		return volumeIn(r, d)
	})
}

func (s *Server) deleteVolumeByName(r *http.Request) (*reply, error) {
	query := r.URL.Query()
	name, inRegion := query.Get("name"), query.Get("region")

	return s.removeVolume(func(d *state.Document) (*state.Volume, error) {
		return volumeNamed(d, name, inRegion)
	})
}

func volumeNamed(d *state.Document, name, inRegion string) (*state.Volume, error) {
	for i := range d.Volumes {
		if d.Volumes[i].Name == name && d.Volumes[i].Region == inRegion {
			return &d.Volumes[i], nil
		}
	}

	return nil, notFound()
}

// removeVolume forgets a volume first and frees its disk after, in the background.
func (s *Server) removeVolume(find func(*state.Document) (*state.Volume, error)) (*reply, error) {
	var id string
	err := s.Store.Update(func(d *state.Document) error {
		volume, err := find(d)
		if err != nil {
			return err
		}

		// DigitalOcean answers 409 for an attached volume
		if volume.DropletID != 0 || pending(d, volumeType, volume.ID) {
			return failure(http.StatusConflict, "failed to delete volume: volume is attached to a Droplet")
		}

		id = volume.ID
		d.Volumes = slices.DeleteFunc(d.Volumes, func(x state.Volume) bool {
			return x.ID == id
		})
		unassignURN(d, "do:volume:"+id)

		return nil
	})
	if err != nil {
		return nil, err
	}

	s.spawn("delete volume", func() error {
		return s.Volumes.Delete(s.context, id)
	})

	return noContent(), nil
}
