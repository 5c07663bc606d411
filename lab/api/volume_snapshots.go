package api

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/hornero/hornero/lab/state"
)

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

	// it is taken before it is in the state: one that is cut short is removed as a stray
	snapshot.Bytes, err = s.Volumes.Snapshot(s.context, *volume, snapshot.ID)
	if err != nil {
		_, gone := volumeIn(r, s.Store.View())
		return nil, cmp.Or(gone, err) // the volume may have been deleted while its snapshot was taken
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
