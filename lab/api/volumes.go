package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hornero/hornero/lab/state"
)

// volumeType is what actions call a volume.
const volumeType = "volume"

const (
	maxVolumeSize        = 16384 // GB
	maxVolumesOfADroplet = 7
	maxVolumes           = 100
)

// Volumes keeps volumes and gives them to machines. Each call can be made again after it was cut short.
type Volumes interface {
	// Create makes a volume, empty or from a snapshot; nil when it is there.
	Create(ctx context.Context, volume state.Volume, snapshot string) error
	// Delete removes a volume that no machine has; nil when there is none.
	Delete(ctx context.Context, id string) error
	// Attach gives a machine a volume as a disk; nil when it has it, ErrGone when there is no such machine.
	Attach(ctx context.Context, volume state.Volume, droplet int) error
	// Detach takes it away, mounted or not; nil when it is away.
	Detach(ctx context.Context, volume state.Volume, droplet int) error
	// Resize makes a volume larger; size is in GB.
	Resize(ctx context.Context, id string, size int) error
	// Snapshot keeps what is on a volume at one moment, and says how many bytes that is.
	Snapshot(ctx context.Context, volume state.Volume, snapshot string) (bytes int64, err error)
	// DeleteSnapshot removes a snapshot; nil when there is none.
	DeleteSnapshot(ctx context.Context, id string) error
	// Keep removes all volumes and snapshots but these.
	Keep(ctx context.Context, volumes, snapshots []string) error
}

// keepVolumes removes what the state does not know: volumes and snapshots whose making or deletion was cut short.
func (s *Server) keepVolumes(ctx context.Context, d *state.Document) error {
	volumes, snapshots := []string{}, []string{}
	for _, volume := range d.Volumes {
		volumes = append(volumes, volume.ID)
	}

	for _, snapshot := range d.VolumeSnapshots {
		snapshots = append(snapshots, snapshot.ID)
	}

	return s.Volumes.Keep(ctx, volumes, snapshots)
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

	if v.DropletID != 0 {
		shown.DropletIDs = []int{v.DropletID}
	}

	return shown
}

func showVolumeSnapshot(v state.VolumeSnapshot) snapshotShape {
	return snapshotShape{
		ID:            v.ID,
		Name:          v.Name,
		CreatedAt:     showTime(v.Created),
		Regions:       []string{v.Region},
		ResourceID:    v.VolumeID,
		ResourceType:  volumeType,
		MinDiskSize:   v.Size,
		SizeGigabytes: gigabytes(v.Bytes),
		Tags:          orEmpty(v.Tags),
	}
}

func (s *Server) listVolumes(r *http.Request) (*reply, error) {
	name, inRegion := r.URL.Query().Get("name"), r.URL.Query().Get("region")
	shown := []volumeShape{}

	for _, volume := range s.Store.View().Volumes {
		if (name == "" || name == volume.Name) && (inRegion == "" || inRegion == volume.Region) {
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

// volume is what the request asks for, filled up from its snapshot, or what is wrong with it.
func (b *volumeRequest) volume(d *state.Document) (state.Volume, error) {
	none := state.Volume{}
	if b.SnapshotID != "" {
		snapshot := d.VolumeSnapshot(b.SnapshotID)
		if snapshot == nil {
			return none, invalid("snapshot_id: there is no such snapshot of a volume")
		}

		if b.Region != "" && b.Region != snapshot.Region || b.Size != 0 && b.Size < snapshot.Size {
			return none, invalid(
				"a volume from a snapshot is in its region and at least as large: %s, %d GB",
				snapshot.Region,
				snapshot.Size,
			)
		}

		b.Region, b.Size, b.FilesystemType = snapshot.Region, max(
			b.Size,
			snapshot.Size,
		), snapshot.FilesystemType
	}

	// the longest label of each file system
	labels := map[string]int{
		"":     0,
		"ext4": 16,
		"xfs":  12,
	}

	longest, knownFilesystem := labels[b.FilesystemType]
	_, knownRegion := findRegion(b.Region)

	switch {
	case !knownRegion:
		return none, invalid("region is invalid")
	case !volumeName.MatchString(b.Name):
		return none, invalid("invalid volume name: lower-case letters, digits and '-', a letter first, at most 64")
	case b.Size < 1 || b.Size > maxVolumeSize:
		return none, invalid("invalid volume size: must be between 1 and %d GB", maxVolumeSize)
	case !knownFilesystem:
		return none, invalid("invalid filesystem type: must be ext4 or xfs")
	case len(b.FilesystemLabel) > longest:
		return none, invalid("filesystem label is too long: at most %d characters", longest)
	case len(d.Volumes) >= maxVolumes:
		return none, failure(http.StatusForbidden, "failed to create volume: volume limit exceeded")

	case slices.ContainsFunc(d.Volumes, func(x state.Volume) bool {
		return x.Name == b.Name && x.Region == b.Region
	}):
		return none, failure(
			http.StatusConflict,
			"a volume with the name %q exists already in %s",
			b.Name,
			b.Region,
		)
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

	err = s.Store.Update(func(d *state.Document) error {
		checked, err := body.volume(d)
		if err != nil {
			return err
		}

		checked.ID = volume.ID
		checked.Created, checked.Tags = s.now(), d.UseTags(body.Tags)
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
	name, inRegion := r.URL.Query().Get("name"), r.URL.Query().Get("region")
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

func (s *Server) removeVolume(find func(*state.Document) (*state.Volume, error)) (*reply, error) {
	var id string
	err := s.Store.Update(func(d *state.Document) error {
		volume, err := find(d)
		if err != nil {
			return err
		}

		if volume.DropletID != 0 || pending(d, volumeType, volume.ID) {
			return failure(
				http.StatusConflict,
				"failed to delete volume: volume is attached to a Droplet",
			)
		}

		id = volume.ID
		d.Volumes = slices.DeleteFunc(d.Volumes, func(x state.Volume) bool {
			return x.ID == id
		})
		forgetURN(d, "do:volume:"+id)

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

// pending tells whether an action of a thing that has no number is under way.
func pending(d *state.Document, kind, resource string) bool {
	return slices.ContainsFunc(d.Actions, func(a state.Action) bool {
		return a.ResourceType == kind && a.Resource == resource && a.Status == state.ActionInProgress
	})
}

type volumeActionRequest struct {
	Type      string `json:"type"`
	DropletID int    `json:"droplet_id"`
	Size      int    `json:"size_gigabytes"`
	Name      string `json:"volume_name"`
	Region    string `json:"region"`
}

func (s *Server) createVolumeAction(r *http.Request) (*reply, error) {
	return s.actOnVolume(r, func(d *state.Document, _ volumeActionRequest) (*state.Volume, error) {
		return volumeIn(r, d)
	})
}

func (s *Server) createVolumeActionByName(r *http.Request) (*reply, error) {
	return s.actOnVolume(r, func(d *state.Document, body volumeActionRequest) (*state.Volume, error) {
		return volumeNamed(d, body.Name, body.Region)
	})
}

func (s *Server) actOnVolume(
	r *http.Request,
	find func(*state.Document, volumeActionRequest) (*state.Volume, error),
) (*reply, error) {
	var body volumeActionRequest

	if err := decode(r, &body); err != nil {
		return nil, err
	}

	var action state.Action
	err := s.Store.Update(func(d *state.Document) error {
		volume, err := find(d, body)
		if err != nil {
			return err
		}

		if err := allowVolumeAction(d, volume, body); err != nil {
			return err
		}

		action = state.Action{
			ID:           d.NextID(),
			Type:         body.Type,
			Status:       state.ActionInProgress,
			Started:      s.now(),
			ResourceType: volumeType,
			Resource:     volume.ID,
			Region:       volume.Region,
			Argument:     strconv.Itoa(body.DropletID),
		}
		if body.Type == "resize" {
			action.Argument = strconv.Itoa(body.Size)
		}

		d.Actions = append(d.Actions, action)

		if droplet := d.Droplet(lockedBy(action)); droplet != nil {
			droplet.Locked = true
		}

		return nil
	})
	if err != nil {
		return nil, err
	}

	s.runAction(action)

	return one(http.StatusAccepted, "action", s.showAction(action)), nil
}

func allowVolumeAction(d *state.Document, volume *state.Volume, body volumeActionRequest) error {
	if pending(d, volumeType, volume.ID) {
		return pendingEvent()
	}

	droplet := d.Droplet(body.DropletID)

	switch body.Type {
	case "attach":
		return allowAttach(d, volume, droplet)

	case "detach":
		if volume.DropletID == 0 || volume.DropletID != body.DropletID {
			return invalid("Attachment not found")
		}
		if droplet != nil && droplet.Locked {
			return pendingEvent()
		}

		return nil

	case "resize":
		if body.Size <= volume.Size || body.Size > maxVolumeSize {
			return invalid(
				"invalid volume size: must be larger than %d and at most %d GB",
				volume.Size,
				maxVolumeSize,
			)
		}

		return nil
	}

	return invalid("type must be attach, detach or resize, not %q", body.Type)
}

func allowAttach(d *state.Document, volume *state.Volume, droplet *state.Droplet) error {
	switch {
	case droplet == nil || droplet.Deleting:
		return invalid("The droplet is not found.")
	case volume.DropletID == droplet.ID:
		return invalid("This volume is already attached")
	case volume.DropletID != 0:
		return invalid("This volume is already attached to another Droplet")
	case droplet.Region != volume.Region:
		return invalid("The volume and the Droplet must be in the same region")
	case droplet.Locked:
		return pendingEvent()
	case len(d.VolumesOf(droplet.ID)) >= maxVolumesOfADroplet:
		return invalid("The Droplet has %d volumes already", maxVolumesOfADroplet)
	}

	return nil
}

// giveVolumes writes down the volumes that a new Droplet is made with.
func giveVolumes(d *state.Document, droplet state.Droplet, ids []volumeRef) error {
	droplet.Locked = false // it is made with them, not given them by an action

	for _, id := range ids {
		volume := d.Volume(string(id))
		if volume == nil {
			return invalid("volume %s is not found", id)
		}
		if pending(d, volumeType, volume.ID) {
			return pendingEvent()
		}

		if err := allowAttach(d, volume, &droplet); err != nil {
			return err
		}

		volume.DropletID = droplet.ID
	}

	return nil
}

// workVolume does an action of a volume.
func (s *Server) workVolume(action state.Action) error {
	if err := s.sleep(s.Delays.Action); err != nil {
		return err
	}

	volume := s.Store.View().Volume(action.Resource)
	if volume == nil {
		return notFound()
	}

	argument, err := strconv.Atoi(action.Argument)
	if err != nil {
		return err
	}

	switch action.Type {
	case "attach":
		err = s.Volumes.Attach(s.context, *volume, argument)
	case "detach":
		err = s.Volumes.Detach(s.context, *volume, argument)
	case "resize":
		err = s.Volumes.Resize(s.context, volume.ID, argument)
	default:
		err = fmt.Errorf("%w: %s of a volume", errUnknownAction, action.Type)
	}

	if err != nil {
		return err
	}

	return s.finish(action, func(d *state.Document) { settleVolume(d, action, argument) })
}

func settleVolume(d *state.Document, action state.Action, argument int) {
	volume := d.Volume(action.Resource)
	if volume == nil {
		return
	}

	switch action.Type {
	case "attach":
		volume.DropletID = argument
	case "detach":
		volume.DropletID = 0
	case "resize":
		volume.Size = argument
	}
}

// placeVolumes brings volumes and machines together at the start of the lab, before anything boots: the number
// of a device may be another's by now. A Droplet that is still being made gets its volumes when it is.
func (s *Server) placeVolumes(ctx context.Context, d *state.Document) {
	for _, volume := range d.Volumes {
		var err error
		if volume.DropletID != 0 {
			err = s.Volumes.Attach(ctx, volume, volume.DropletID)
		} else if !pending(d, volumeType, volume.ID) {
			err = s.Volumes.Detach(ctx, volume, 0)
		}

		if err != nil && !errors.Is(err, ErrGone) {
			s.Logger.Error("volume not placed again",
				"volume", volume.Name,
				"droplet", volume.DropletID,
				"err", err,
			)
		}
	}
}

// attachVolumes gives a new machine the volumes that its Droplet has.
func (s *Server) attachVolumes(ctx context.Context, d *state.Document, droplet int) error {
	for _, volume := range d.Volumes {
		if volume.DropletID == droplet {
			if err := s.Volumes.Attach(ctx, volume, droplet); err != nil {
				return err
			}
		}
	}

	return nil
}

func (s *Server) detachVolumes(ctx context.Context, d *state.Document, droplet int) error {
	for _, volume := range d.Volumes {
		if volume.DropletID == droplet {
			if err := s.Volumes.Detach(ctx, volume, droplet); err != nil {
				return err
			}
		}
	}

	return nil
}

func (s *Server) listVolumeActions(r *http.Request) (*reply, error) {
	volume, err := volumeIn(r, s.Store.View())
	if err != nil {
		return nil, err
	}

	return list(r,
		"actions",
		s.actionsOf(func(a state.Action) bool {
			return a.ResourceType == volumeType && a.Resource == volume.ID
		}),
	), nil
}

func (s *Server) getVolumeAction(r *http.Request) (*reply, error) {
	id, err := number(r, "action")
	if err != nil {
		return nil, err
	}

	action := s.Store.View().Action(id)
	if action == nil || action.ResourceType != volumeType || action.Resource != r.PathValue("volume") {
		return nil, notFound()
	}

	return one(http.StatusOK, "action", s.showAction(*action)), nil
}

func (s *Server) listVolumeSnapshots(r *http.Request) (*reply, error) {
	d := s.Store.View()
	volume, err := volumeIn(r, d)
	if err != nil {
		return nil, err
	}

	shown := []snapshotShape{}

	for _, snapshot := range d.VolumeSnapshots {
		if snapshot.VolumeID == volume.ID {
			shown = append(shown, showVolumeSnapshot(snapshot))
		}
	}

	return list(r, "snapshots", shown), nil
}

func (s *Server) createVolumeSnapshot(r *http.Request) (*reply, error) {
	var body struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}

	if err := decode(r, &body); err != nil {
		return nil, err
	}

	volume, err := volumeIn(r, s.Store.View())
	if err != nil {
		return nil, err
	}

	if strings.TrimSpace(body.Name) == "" {
		return nil, invalid("name can't be blank")
	}

	if err := checkTags(body.Tags); err != nil {
		return nil, err
	}

	snapshot := state.VolumeSnapshot{
		ID:             newUUID(),
		Name:           body.Name,
		VolumeID:       volume.ID,
		Region:         volume.Region,
		Size:           volume.Size,
		FilesystemType: volume.FilesystemType,
		Created:        s.now(),
	}

	if snapshot.Bytes, err = s.Volumes.Snapshot(s.context, *volume, snapshot.ID); err != nil {
		_, gone := volumeIn(r, s.Store.View())
		return nil, cmp.Or(gone, err) // it was deleted meanwhile
	}

	err = s.Store.Update(func(d *state.Document) error {
		snapshot.Tags = d.UseTags(body.Tags)
		d.VolumeSnapshots = append(d.VolumeSnapshots, snapshot)
		return nil
	})
	if err != nil {
		return nil, err
	}

	return one(http.StatusCreated, "snapshot", showVolumeSnapshot(snapshot)), nil
}

// deleteVolumeSnapshot forgets a snapshot first and frees its file after.
func (s *Server) deleteVolumeSnapshot(id string) (*reply, error) {
	err := s.Store.Update(func(d *state.Document) error {
		if d.VolumeSnapshot(id) == nil {
			return notFound()
		}

		d.VolumeSnapshots = slices.DeleteFunc(d.VolumeSnapshots, func(x state.VolumeSnapshot) bool {
			return x.ID == id
		})

		return nil
	})
	if err != nil {
		return nil, err
	}

	s.spawn("delete snapshot", func() error {
		return s.Volumes.DeleteSnapshot(s.context, id)
	})

	return noContent(), nil
}

// volumeRef is a volume in a Droplet's create: its id as a string, or as godo sends it, in an object.
type volumeRef string

func (v *volumeRef) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*v = volumeRef(text)
		return nil
	}

	var object struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(data, &object); err != nil || object.ID == "" {
		return invalid("volumes: %s is no volume's id", data)
	}

	*v = volumeRef(object.ID)

	return nil
}
