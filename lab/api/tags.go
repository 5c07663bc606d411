package api

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/hornero/hornero/lab/state"
)

func (s *Server) tagRoutes() map[string]handler {
	return map[string]handler{
		"GET /v2/tags":                    s.listTags,
		"POST /v2/tags":                   s.createTag,
		"GET /v2/tags/{tag}":              s.getTag,
		"DELETE /v2/tags/{tag}":           s.deleteTag,
		"POST /v2/tags/{tag}/resources":   s.tagResources,
		"DELETE /v2/tags/{tag}/resources": s.untagResources,
	}
}

type countShape struct {
	Count         int    `json:"count"`
	LastTaggedURI string `json:"last_tagged_uri"`
}

type tagResourcesShape struct {
	countShape
	Droplets        countShape `json:"droplets"`
	Images          countShape `json:"images"`
	Volumes         countShape `json:"volumes"`
	VolumeSnapshots countShape `json:"volume_snapshots"`
	Databases       countShape `json:"databases"`
}

type tagShape struct {
	Name      string            `json:"name"`
	Resources tagResourcesShape `json:"resources"`
}

func showTag(r *http.Request, d *state.Document, name string) tagShape {
	shown := tagShape{Name: name}
	for _, droplet := range d.Droplets {
		if state.Tagged(droplet.Tags, name) {
			shown.Resources.Droplets.add(absolute(r, "/v2/droplets/"+strconv.Itoa(droplet.ID)))
		}
	}

	for _, image := range d.Images {
		if state.Tagged(image.Tags, name) {
			shown.Resources.Images.add(absolute(r, "/v2/images/"+strconv.Itoa(image.ID)))
		}
	}

	for _, volume := range d.Volumes {
		if state.Tagged(volume.Tags, name) {
			shown.Resources.Volumes.add(absolute(r, "/v2/volumes/"+volume.ID))
		}
	}

	for _, snapshot := range d.VolumeSnapshots {
		if state.Tagged(snapshot.Tags, name) {
			shown.Resources.VolumeSnapshots.add(absolute(r, "/v2/snapshots/"+snapshot.ID))
		}
	}

	counts := &shown.Resources
	counts.Count = counts.Droplets.Count + counts.Images.Count + counts.Volumes.Count + counts.VolumeSnapshots.Count
	counts.LastTaggedURI = cmp.Or(counts.Droplets.LastTaggedURI, counts.Images.LastTaggedURI)

	return shown
}

func (c *countShape) add(uri string) {
	c.Count++
	c.LastTaggedURI = uri
}

func checkTags(tags []string) error {
	for _, tag := range tags {
		if !validName(tag, ":-_") {
			return invalid("%q is no tag: letters, digits, colons, dashes and underscores only, at most 255", tag)
		}
	}

	return nil
}

func (s *Server) listTags(r *http.Request) (*reply, error) {
	d := s.Store.View()
	shown := []tagShape{}

	for _, name := range d.Tags {
		shown = append(shown, showTag(r, d, name))
	}

	return list(r, "tags", shown), nil
}

func (s *Server) createTag(r *http.Request) (*reply, error) {
	var body struct {
		Name string `json:"name"`
	}

	if err := decode(r, &body); err != nil {
		return nil, err
	}

	if err := checkTags([]string{body.Name}); err != nil {
		return nil, err
	}

	var shown tagShape
	err := s.Store.Update(func(d *state.Document) error {
		// a tag that is there already is no error: Terraform creates before it tags
		shown = showTag(r, d, d.UseTags([]string{body.Name})[0])
		return nil
	})
	if err != nil {
		return nil, err
	}

	return one(http.StatusCreated, "tag", shown), nil
}

func (s *Server) getTag(r *http.Request) (*reply, error) {
	d := s.Store.View()
	name, known := d.Tag(r.PathValue("tag"))
	if !known {
		return nil, notFound()
	}

	return one(http.StatusOK, "tag", showTag(r, d, name)), nil
}

// deleteTag untags everything and deletes nothing else.
func (s *Server) deleteTag(r *http.Request) (*reply, error) {
	return s.changeBalancers(func(d *state.Document) error {
		name, known := d.Tag(r.PathValue("tag"))
		if !known {
			return notFound()
		}

		d.Tags = slices.DeleteFunc(d.Tags, func(tag string) bool { return tag == name })

		// the things themselves stay
		for i := range d.Droplets {
			d.Droplets[i].Tags = without(d.Droplets[i].Tags, name)
		}

		for i := range d.Images {
			d.Images[i].Tags = without(d.Images[i].Tags, name)
		}

		for i := range d.Firewalls {
			d.Firewalls[i].Tags = without(d.Firewalls[i].Tags, name)
		}

		for i := range d.Volumes {
			d.Volumes[i].Tags = without(d.Volumes[i].Tags, name)
		}

		for i := range d.VolumeSnapshots {
			d.VolumeSnapshots[i].Tags = without(d.VolumeSnapshots[i].Tags, name)
		}

		return nil
	})
}

func without(tags []string, name string) []string {
	return slices.DeleteFunc(tags, func(tag string) bool {
		return strings.EqualFold(tag, name)
	})
}

func with(tags []string, name string) []string {
	// tagging twice leaves one tag
	return append(without(tags, name), name)
}

func (s *Server) tagResources(r *http.Request) (*reply, error) {
	return s.retagResources(r, with)
}

func (s *Server) untagResources(r *http.Request) (*reply, error) {
	return s.retagResources(r, without)
}

// retagResources changes the tags of resources. Load balancers and firewalls follow: they may be for the tag.
func (s *Server) retagResources(r *http.Request, change func(tags []string, name string) []string) (*reply, error) {
	var body struct {
		Resources []struct {
			ID   idOrName `json:"resource_id"`
			Type string   `json:"resource_type"`
		} `json:"resources"`
	}

	if err := decode(r, &body); err != nil {
		return nil, err
	}

	return s.changeBalancers(func(d *state.Document) error {
		// packer creates the tag when it reads 404, and tries again
		name, known := d.Tag(r.PathValue("tag"))
		if !known {
			return notFound()
		}

		for _, resource := range body.Resources {
			tags, err := tagsOf(d, resource.Type, string(resource.ID))
			if err != nil {
				return err
			}

			*tags = change(*tags, name)
		}

		return nil
	})
}

// tagsOf are the tags of a resource, to be changed.
func tagsOf(d *state.Document, kind, name string) (*[]string, error) {
	id, _ := strconv.Atoi(name) // volumes have no number

	switch kind {
	case "droplet":
		if droplet := d.Droplet(id); droplet != nil {
			return &droplet.Tags, nil
		}

	case "image":
		if image := d.Image(id); image != nil {
			return &image.Tags, nil
		}

	case volumeType:
		if volume := d.Volume(name); volume != nil {
			return &volume.Tags, nil
		}

	case "volume_snapshot":
		if snapshot := d.VolumeSnapshot(name); snapshot != nil {
			return &snapshot.Tags, nil
		}

	default:
		return nil, invalid("the lab tags droplets, images, volumes and volume snapshots, not a %q", kind)
	}

	return nil, notFound()
}
