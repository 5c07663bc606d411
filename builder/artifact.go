package builder

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
)

// Artifact is a published image, as the API last told it.
type Artifact struct {
	ImageID int
	Name    string
	Regions []string
	told    Built
	client  *godo.Client
	record  string // the file of its record on this machine; empty when there is none
}

func newArtifact(client *godo.Client, image godo.Image, recipe Recipe) *Artifact {
	told := recipe.built()
	told.ID, told.Name, told.Regions, told.Created = image.ID, image.Name, image.Regions, image.Created

	return &Artifact{
		ImageID: image.ID,
		Name:    image.Name,
		Regions: image.Regions,
		told:    told,
		client:  client,
	}
}

// BuilderId names the builder.
func (*Artifact) BuilderId() string { return "hornero.droplet" }

// Files is the image's record; the image itself is in the cloud.
func (a *Artifact) Files() []string {
	if a.record == "" {
		return nil
	}

	return []string{a.record}
}

// Id is the image's number.
func (a *Artifact) Id() string {
	return strconv.Itoa(a.ImageID)
}

// String tells the image to a person.
func (a *Artifact) String() string {
	return fmt.Sprintf("image %d, %s, in %s", a.ImageID, a.Name, strings.Join(a.Regions, ", "))
}

// State tells post-processors what was built, under StateBuilt.
func (a *Artifact) State(name string) any {
	return a.told.state(name, a.record)
}

// Destroy deletes the image.
func (a *Artifact) Destroy() error {
	// Packer gives no context here.
	ctx, cancel := context.WithTimeout(context.Background(), DefaultCleanupTimeout)
	defer cancel()

	return do.DeleteImage(ctx, a.client, a.ImageID, do.WaitOptions{})
}
