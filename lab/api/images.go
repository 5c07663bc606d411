package api

import (
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/hornero/hornero/lab/state"
)

func (s *Server) imageRoutes() map[string]handler {
	return map[string]handler{
		"GET /v2/images":                          s.listImages,
		"POST /v2/images":                         s.createImage,
		"GET /v2/images/{image}":                  s.getImage,
		"PUT /v2/images/{image}":                  s.updateImage,
		"DELETE /v2/images/{image}":               s.deleteImage,
		"GET /v2/images/{image}/actions":          s.listImageActions,
		"POST /v2/images/{image}/actions":         s.createImageAction,
		"GET /v2/images/{image}/actions/{action}": s.getImageAction,
	}
}

func (s *Server) snapshotRoutes() map[string]handler {
	return map[string]handler{
		"GET /v2/snapshots":               s.listSnapshots,
		"GET /v2/snapshots/{snapshot}":    s.getSnapshot,
		"DELETE /v2/snapshots/{snapshot}": s.deleteSnapshot,
	}
}

type imageShape struct {
	ID            int      `json:"id"`
	Name          string   `json:"name"`
	Distribution  string   `json:"distribution"`
	Slug          *string  `json:"slug"`
	Public        bool     `json:"public"`
	Regions       []string `json:"regions"`
	CreatedAt     string   `json:"created_at"`
	Type          string   `json:"type"`
	MinDiskSize   int      `json:"min_disk_size"`
	SizeGigabytes float64  `json:"size_gigabytes"`
	Description   string   `json:"description"`
	Tags          []string `json:"tags"`
	Status        string   `json:"status"`
	ErrorMessage  string   `json:"error_message"`
}

func showImage(image state.Image) imageShape {
	shown := imageShape{
		ID:            image.ID,
		Name:          image.Name,
		Distribution:  image.Distribution,
		Public:        image.Type == state.ImageBase,
		Regions:       orEmpty(image.Regions),
		CreatedAt:     showTime(image.Created),
		Type:          image.Type,
		MinDiskSize:   image.MinDisk,
		SizeGigabytes: gigabytes(image.Bytes),
		Description:   image.Description,
		Tags:          orEmpty(image.Tags),
		Status:        image.Status,
		ErrorMessage:  image.Error,
	}

	// DigitalOcean shows null for the slug of a private image
	if image.Slug != "" {
		shown.Slug = &image.Slug
	}

	return shown
}

// gigabytes shows bytes the way the API does: GB with two decimals.
func gigabytes(bytes int64) float64 {
	return math.Ceil(float64(bytes)/1e7) / 100
}

type snapshotShape struct {
	ID            string   `json:"id"`
	Name          string   `json:"name"`
	CreatedAt     string   `json:"created_at"`
	Regions       []string `json:"regions"`
	ResourceID    string   `json:"resource_id"`
	ResourceType  string   `json:"resource_type"`
	MinDiskSize   int      `json:"min_disk_size"`
	SizeGigabytes float64  `json:"size_gigabytes"`
	Tags          []string `json:"tags"`
}

func showSnapshot(image state.Image) snapshotShape {
	return snapshotShape{
		ID:            strconv.Itoa(image.ID),
		Name:          image.Name,
		CreatedAt:     showTime(image.Created),
		Regions:       orEmpty(image.Regions),
		ResourceID:    strconv.Itoa(image.DropletID),
		ResourceType:  "droplet",
		MinDiskSize:   image.MinDisk,
		SizeGigabytes: gigabytes(image.Bytes),
		Tags:          orEmpty(image.Tags),
	}
}

func (s *Server) listImages(r *http.Request) (*reply, error) {
	shown := []imageShape{}
	for _, image := range s.Store.View().Images {
		if imageWanted(r, image) {
			shown = append(shown, showImage(image))
		}
	}

	return list(r, "images", shown), nil
}

func imageWanted(r *http.Request, image state.Image) bool {
	query := r.URL.Query()
	switch query.Get("type") {
	case "":

	case "distribution":
		if image.Type != state.ImageBase {
			return false
		}

	default: // applications and GPU images: the lab has none
		return false
	}

	// private images are snapshots and custom images
	if query.Get("private") == "true" && image.Type == state.ImageBase {
		return false
	}

	if tag := query.Get("tag_name"); tag != "" && !state.Tagged(image.Tags, tag) {
		return false
	}

	name := query.Get("name")

	return name == "" || name == image.Name
}

// imageNamed finds an image by its number or its slug.
func imageNamed(d *state.Document, name string) *state.Image {
	// no slug is a number
	if id, err := strconv.Atoi(name); err == nil {
		return d.Image(id)
	}

	return d.ImageBySlug(name)
}

func (s *Server) getImage(r *http.Request) (*reply, error) {
	image := imageNamed(s.Store.View(), r.PathValue("image"))
	if image == nil {
		return nil, notFound()
	}

	return one(http.StatusOK, "image", showImage(*image)), nil
}

func (s *Server) updateImage(r *http.Request) (*reply, error) {
	var body struct {
		Name         string `json:"name"`
		Description  string `json:"description"`
		Distribution string `json:"distribution"`
	}

	if err := decode(r, &body); err != nil {
		return nil, err
	}

	var image state.Image
	err := s.Store.Update(func(d *state.Document) error {
		found := imageNamed(d, r.PathValue("image"))
		if found == nil {
			return notFound()
		}
		if found.Type == state.ImageBase {
			return failure(http.StatusForbidden, "You do not have access for the attempted action.")
		}

		// godo sends "" for what was not given
		set(&found.Name, body.Name)
		set(&found.Description, body.Description)
		set(&found.Distribution, body.Distribution)

		image = *found

		return nil
	})
	if err != nil {
		return nil, err
	}

	return one(http.StatusOK, "image", showImage(image)), nil
}

func set(target *string, value string) {
	if value != "" {
		*target = value
	}
}

func (s *Server) deleteImage(r *http.Request) (*reply, error) {
	return s.removeImage(r.PathValue("image"))
}

// deleteSnapshot takes a Droplet's snapshot by its number and a volume's by its UUID.
func (s *Server) deleteSnapshot(r *http.Request) (*reply, error) {
	name := r.PathValue("snapshot")
	if s.Store.View().VolumeSnapshot(name) != nil {
		return s.deleteVolumeSnapshot(name)
	}

	return s.removeImage(name)
}

// removeImage forgets a snapshot first and frees its files after, so that no Droplet starts from half of it.
func (s *Server) removeImage(name string) (*reply, error) {
	id, err := strconv.Atoi(name)
	if err != nil {
		return nil, notFound()
	}

	var root string
	err = s.Store.Update(func(d *state.Document) error {
		image := d.Image(id)
		if image == nil {
			return notFound()
		}

		if image.Type == state.ImageBase {
			return failure(http.StatusForbidden, "You do not have access for the attempted action.")
		}

		// an import that runs would write into files that are gone
		if image.Status != state.ImageAvailable && image.Status != state.ImageDeleted {
			return invalid("Image already has a pending event.")
		}

		root = image.Root
		forgetImage(d, id)

		return nil
	})
	if err != nil {
		return nil, err
	}

	// the client is answered at once: removing large files takes a while
	s.spawn("delete image", func() error { return s.freeRoot(root) })

	return noContent(), nil
}

// freeRoot removes an image's files once no image and no Droplet uses them.
func (s *Server) freeRoot(root string) error {
	// a Droplet goes on using its image's files after the image is deleted
	if rootUsed(s.Store.View(), root) {
		return nil
	}

	return s.Machines.DeleteImage(s.context, root)
}

// rootUsed tells whether an image or a Droplet needs a root: a Droplet's disk is an overlay on its image's.
func rootUsed(d *state.Document, root string) bool {
	byDroplet := slices.ContainsFunc(d.Droplets, func(x state.Droplet) bool {
		return x.Image.Root == root
	})
	byImage := slices.ContainsFunc(d.Images, func(x state.Image) bool {
		return x.Root == root
	})

	return byDroplet || byImage
}

func forgetImage(d *state.Document, id int) {
	d.Images = slices.DeleteFunc(d.Images, func(x state.Image) bool {
		return x.ID == id
	})

	// snapshot_ids must name no image that is 404
	for i := range d.Droplets {
		droplet := &d.Droplets[i]
		droplet.SnapshotIDs = slices.DeleteFunc(droplet.SnapshotIDs, func(x int) bool {
			return x == id
		})
	}
}

func (s *Server) listSnapshots(r *http.Request) (*reply, error) {
	kind := r.URL.Query().Get("resource_type")
	d := s.Store.View()
	shown := []snapshotShape{}

	for _, image := range d.Images {
		if image.Type == state.ImageSnapshot && (kind == "" || kind == "droplet") {
			shown = append(shown, showSnapshot(image))
		}
	}

	for _, snapshot := range d.VolumeSnapshots {
		if kind == "" || kind == volumeType {
			shown = append(shown, showVolumeSnapshot(snapshot))
		}
	}

	return list(r, "snapshots", shown), nil
}

func (s *Server) getSnapshot(r *http.Request) (*reply, error) {
	d := s.Store.View()

	// a volume's snapshot has a UUID, a Droplet's a number
	if snapshot := d.VolumeSnapshot(r.PathValue("snapshot")); snapshot != nil {
		return one(http.StatusOK, "snapshot", showVolumeSnapshot(*snapshot)), nil
	}

	id, err := number(r, "snapshot")
	if err != nil {
		return nil, err
	}

	image := d.Image(id)
	if image == nil || image.Type != state.ImageSnapshot {
		return nil, notFound()
	}

	return one(http.StatusOK, "snapshot", showSnapshot(*image)), nil
}

func (s *Server) createImageAction(r *http.Request) (*reply, error) {
	var body struct {
		Type   string `json:"type"`
		Region string `json:"region"`
	}

	if err := decode(r, &body); err != nil {
		return nil, err
	}

	id, err := number(r, "image")
	if err != nil {
		return nil, err
	}

	if _, known := findRegion(body.Region); body.Type != "transfer" || !known {
		return nil, invalid("the lab knows one action of images: transfer, to a region of its own")
	}

	var action state.Action
	err = s.Store.Update(func(d *state.Document) error {
		image := d.Image(id)
		if image == nil {
			return notFound()
		}

		// one that is still imported has no files to transfer
		if image.Status != state.ImageAvailable {
			return invalid("Image is not available yet.")
		}

		action = state.Action{
			ID:           d.NextID(),
			Type:         "transfer",
			Status:       state.ActionInProgress,
			Started:      s.now(),
			ResourceID:   id,
			ResourceType: "image",
			Region:       body.Region,
			Argument:     body.Region,
		}

		d.Actions = append(d.Actions, action)

		return nil
	})
	if err != nil {
		return nil, err
	}

	s.runAction(action)

	return one(http.StatusCreated, "action", s.showAction(action)), nil
}

// performTransfer makes an image available in one more region: on one machine all regions are the same disk.
func (s *Server) performTransfer(action state.Action) error {
	if err := s.sleep(s.Delays.Transfer); err != nil {
		return err
	}

	return s.finish(action, func(d *state.Document) {
		// the image may be deleted, or transferred by another action meanwhile
		image := d.Image(action.ResourceID)
		if image != nil && !slices.Contains(image.Regions, action.Argument) {
			image.Regions = append(image.Regions, action.Argument)
		}
	})
}

func (s *Server) listImageActions(r *http.Request) (*reply, error) {
	return s.resourceActions(r, "image")
}

func (s *Server) getImageAction(r *http.Request) (*reply, error) {
	return s.resourceAction(r, "image")
}
