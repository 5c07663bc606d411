package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/hornero/hornero/lab/state"
)

// distributions are the names that DigitalOcean's API takes for the distribution of a custom image.
func distributions() []string {
	return []string{
		"Arch Linux", "CentOS", "CoreOS", "Debian", "Fedora", "Fedora Atomic", "FreeBSD",
		"Gentoo", "openSUSE", "RancherOS", "Rocky Linux", "Ubuntu", "Unknown",
	}
}

type imageRequest struct {
	Name         string   `json:"name"`
	URL          string   `json:"url"`
	Region       string   `json:"region"`
	Distribution string   `json:"distribution"`
	Description  string   `json:"description"`
	Tags         []string `json:"tags"`
}

func (b *imageRequest) check() error {
	if b.Name == "" {
		return invalid("Name can't be blank")
	}

	if _, known := findRegion(b.Region); !known {
		return invalid("Region is invalid.")
	}

	if !webAddress(b.URL) {
		return invalid("url must be a valid HTTP or HTTPS address")
	}

	// the field is optional
	if b.Distribution == "" {
		b.Distribution = "Unknown"
	}

	if !slices.Contains(distributions(), b.Distribution) {
		return invalid("Distribution is invalid.")
	}

	return checkTags(b.Tags)
}

func webAddress(text string) bool {
	where, err := url.Parse(text)
	if err != nil || where.Host == "" {
		return false
	}

	return where.Scheme == "http" || where.Scheme == "https"
}

// createImage begins to import a custom image.
func (s *Server) createImage(r *http.Request) (*reply, error) {
	var body imageRequest
	if err := decode(r, &body); err != nil {
		return nil, err
	}

	if err := body.check(); err != nil {
		return nil, err
	}

	image := state.Image{
		Name:         body.Name,
		Distribution: body.Distribution,
		Description:  body.Description,
		Type:         state.ImageCustom,
		Regions:      []string{},
		Created:      s.now(),
		Status:       state.ImageNew,
		URL:          body.URL,
		HomeRegion:   body.Region,
	}

	err := s.Store.Update(func(d *state.Document) error {
		image.ID = d.NextID()

		// names are not unique among images: the files are named after the number
		image.Root = fmt.Sprintf("custom-%d", image.ID)
		image.Tags = d.UseTags(body.Tags)
		d.Images = append(d.Images, image)

		return nil
	})
	if err != nil {
		return nil, err
	}

	s.importImage(image.ID)

	return one(http.StatusAccepted, "image", showImage(image)), nil
}

// importImage imports a new custom image. It ends available, or deleted with the reason.
func (s *Server) importImage(id int) {
	s.spawn("import image", func() error {
		if err := s.sleep(s.Delays.Action); err != nil {
			return err
		}

		// it may have been deleted before its import began
		image := s.Store.View().Image(id)
		if image == nil {
			return nil
		}

		// a client sees NEW, then pending, then available
		err := s.changeImage(id, func(image *state.Image) {
			image.Status = state.ImagePending
		})
		if err != nil {
			return err
		}

		imported, err := s.Machines.Import(s.context, image.Root, image.URL)
		if err == nil {
			err = s.sleep(s.Delays.Transfer)
		}

		// the lab is closing: the image stays pending, and the next start begins anew
		if s.context.Err() != nil {
			return s.context.Err()
		}

		return s.changeImage(id, func(image *state.Image) {
			if err != nil {
				s.Logger.Warn("image not imported", "image", id, "err", err)
				image.Status = state.ImageDeleted
				image.Error = err.Error()

				return
			}

			image.Status = state.ImageAvailable
			image.Bytes = imported.Bytes
			image.MinDisk = imported.Disk

			// regions and size are known only now; the API shows [] until then
			image.Regions = []string{image.HomeRegion}
		})
	})
}

func (s *Server) changeImage(id int, change func(*state.Image)) error {
	return s.commit(func(d *state.Document) error {
		if image := d.Image(id); image != nil {
			change(image)
		}

		return nil
	})
}

// resumeImports starts the imports again that an earlier run of the lab did not end.
func (s *Server) resumeImports() {
	for _, image := range s.Store.View().Images {
		if image.Status == state.ImageNew || image.Status == state.ImagePending {
			s.importImage(image.ID)
		}
	}
}
