// Package catalog owns what is known of the baked images of an account: which there are, who runs them, which one
// a person means, and which are surplus. It reads the API and deletes images. What is inside an image is
// internal/record's; how one is made, and what a stack does with it, it does not know.
package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/record"
)

// ErrNoImage is a name that no image has.
var ErrNoImage = errors.New("no such image")

// Image is a published image of a role.
type Image struct {
	ID       int       `json:"id"`
	Name     string    `json:"name"`
	Role     string    `json:"role"`
	Release  string    `json:"release"`
	Digest   string    `json:"digest"` // its first 32 digits
	Created  time.Time `json:"created_at"`
	Regions  []string  `json:"regions"`
	Size     float64   `json:"size_gigabytes"`
	MinDisk  int       `json:"min_disk_size"`
	Droplets []Droplet `json:"droplets"` // those that were made from it
	Rejected bool      `json:"rejected"` // no node is launched from it (record.RejectedTag)
	Tags     []string  `json:"-"`        // as the API has them
}

// Droplet is a Droplet that runs an image.
type Droplet struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// RecordName is what the image's record is kept under, whatever the image is called.
func (i Image) RecordName() string {
	return record.ImageName(i.Role, i.Release, i.Digest)
}

// Tags of an image (builder's).
const (
	tagAll     = "hornero"
	tagRole    = "hornero:role:"
	tagRelease = "hornero:release:"
	tagDigest  = "hornero:digest:"
)

// List reads all published images, by role and release, the newest first. One that bears no digest is not
// published yet.
func List(ctx context.Context, client *godo.Client) ([]Image, error) {
	found, err := do.ImagesByTag(ctx, client, tagAll)
	if err != nil {
		return nil, err
	}

	droplets, err := do.Droplets(ctx, client)
	if err != nil {
		return nil, err
	}

	images := []Image{}

	for _, image := range found {
		// The builder sets the digest's tag last: without it the image is still being published.
		if one := read(image); one.Role != "" && one.Digest != "" {
			one.Droplets = running(droplets, one.ID)
			images = append(images, one)
		}
	}

	// The API numbers images in the order of their making: a higher number is a later bake.
	slices.SortFunc(images, func(a, b Image) int {
		return cmp.Or(
			cmp.Compare(a.Role, b.Role),
			cmp.Compare(a.Release, b.Release),
			cmp.Compare(b.ID, a.ID),
		)
	})

	return images, nil
}

func read(image godo.Image) Image {
	// A time in another form becomes the zero time, which is shown as unknown; nothing is decided by it.
	created, _ := time.Parse(time.RFC3339, image.Created)
	one := Image{
		ID:      image.ID,
		Name:    image.Name,
		Created: created,
		Regions: image.Regions,
		Size:    image.SizeGigaBytes,
		MinDisk: image.MinDiskSize,
	}

	one.Tags = image.Tags
	one.Rejected = slices.Contains(image.Tags, record.RejectedTag)

	for _, tag := range image.Tags {
		for prefix, field := range map[string]*string{
			tagRole:    &one.Role,
			tagRelease: &one.Release,
			tagDigest:  &one.Digest,
		} {
			if value, ok := strings.CutPrefix(tag, prefix); ok {
				*field = value
			}
		}
	}

	return one
}

func running(droplets []godo.Droplet, image int) []Droplet {
	list := []Droplet{}
	for _, droplet := range droplets {
		if droplet.Image != nil && droplet.Image.ID == image {
			list = append(list, Droplet{droplet.ID, droplet.Name})
		}
	}

	slices.SortFunc(list, func(a, b Droplet) int {
		return cmp.Compare(a.Name, b.Name)
	})

	return list
}

var relative = regexp.MustCompile(`^([a-z][a-z0-9-]*)(?:~([0-9]+))?$`)

// Pick finds the image that a person names: by its number, its name, or as ROLE for the role's newest and
// ROLE~N for the one baked N before it. The list is List's.
func Pick(images []Image, name string) (Image, error) {
	number, _ := strconv.Atoi(name) // 0, which no image has, for a name
	for _, image := range images {
		if image.ID == number || image.Name == name {
			return image, nil
		}
	}

	if parts := relative.FindStringSubmatch(name); parts != nil {
		of := slices.DeleteFunc(slices.Clone(images), func(image Image) bool {
			return image.Role != parts[1]
		})
		slices.SortFunc(of, func(a, b Image) int {
			return cmp.Compare(b.ID, a.ID)
		})

		if before, _ := strconv.Atoi(parts[2]); before < len(of) {
			return of[before], nil
		}
	}

	return Image{}, fmt.Errorf("%w: %q is no image's number or name, and no ROLE or ROLE~N that there is; "+
		"`hornero images list` shows all", ErrNoImage, name)
}

// DefaultKeep is how many images of a role are kept when nobody says: the newest, and one to go back to.
const DefaultKeep = 2

// Surplus lists the images that may go: all but the newest of each role and release in each region, and those
// that a Droplet runs. An image that is in several regions goes when none of them keeps it. A rejected image takes no
// other's place, and goes when so many better ones are newer: without the newest, a bake would make it again.
func Surplus(images []Image, keep int) []Image {
	newest := slices.Clone(images)
	slices.SortFunc(newest, func(a, b Image) int {
		return cmp.Compare(b.ID, a.ID)
	})

	type place struct {
		role    string
		release string
		region  string
	}
	kept := map[place]int{}
	surplus := []Image{}

	for _, image := range newest {
		// What is being published shows no region yet, and what runs could not be made again.
		published := len(image.Regions) > 0
		stays := len(image.Droplets) > 0 || !published

		for _, region := range image.Regions {
			at := place{
				role:    image.Role,
				release: image.Release,
				region:  region,
			}

			// An image counts in each region by itself: the newest of one region may be in no other.
			stays = stays || kept[at] < keep

			if !image.Rejected {
				kept[at]++
			}
		}

		if !stays {
			surplus = append(surplus, image)
		}
	}

	return surplus
}

// Delete deletes an image unless a Droplet runs it by now; it tells whether the image is gone.
func Delete(ctx context.Context, client *godo.Client, image Image) (bool, error) {
	// The list was read a while ago; a Droplet may have been made of the image since.
	droplets, err := do.Droplets(ctx, client)
	if err != nil {
		return false, err
	}
	if len(running(droplets, image.ID)) > 0 {
		return false, nil
	}

	err = do.DeleteImage(ctx, client, image.ID, do.WaitOptions{})

	return err == nil, err
}

// Prune deletes images and forgets their records, and returns those that are gone. One that a Droplet runs by
// now is kept, and handed to kept.
func Prune(
	ctx context.Context,
	client *godo.Client,
	surplus []Image,
	folder record.Folder,
	kept func(Image),
) ([]Image, error) {
	var gone []Image
	for _, image := range surplus {
		deleted, err := Delete(ctx, client, image)
		if err != nil {
			return gone, err
		}
		if !deleted {
			kept(image)
			continue
		}

		if err := folder.Delete(image.RecordName(), image.ID); err != nil {
			return gone, err
		}

		gone = append(gone, image)
	}

	return gone, nil
}

// OfRelease keeps the images of one release; of all when it is empty.
func OfRelease(images []Image, release string) []Image {
	return slices.DeleteFunc(images, func(image Image) bool {
		return release != "" && image.Release != release
	})
}
