package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
)

// ErrFilter is an image_filter that does not name one image.
var ErrFilter = errors.New("the filter does not name one image")

// ImageFilter names the base image by what it is like. Everything that is given must be so.
type ImageFilter struct {
	// Name is the image's name.
	Name string `mapstructure:"name"`
	// NameRegex is what the image's name matches (Go's syntax).
	NameRegex string `mapstructure:"name_regex"`
	// Tags are tags that the image bears, all of them.
	Tags []string `mapstructure:"tags"`
	// Type is "user" (snapshots, backups and imported images), "distribution" or "application". Default: any.
	Type string `mapstructure:"type"`
	// MostRecent takes the newest of several. Default: several are an error.
	MostRecent bool `mapstructure:"most_recent"`
}

func (f ImageFilter) isEmpty() bool {
	return f.Name == "" && f.NameRegex == "" && len(f.Tags) == 0 && f.Type == "" && !f.MostRecent
}

// check tells what is wrong with a filter that is there.
func (f ImageFilter) check() []error {
	var wrong problems

	if f.isEmpty() {
		return nil
	}

	// A type alone names every image of it.
	if f.Name == "" && f.NameRegex == "" && len(f.Tags) == 0 {
		wrong.add("image_filter", "must have a name, a name_regex or tags")
	}

	if f.Name != "" && f.NameRegex != "" {
		wrong.add("image_filter.name_regex", "must not stand beside name")
	}

	if _, err := regexp.Compile(f.NameRegex); err != nil {
		wrong.add("image_filter.name_regex", "%w", err)
	}

	if !slices.Contains([]string{"", "user", "distribution", "application"}, f.Type) {
		wrong.add("image_filter.type",
			"must be \"user\", \"distribution\", \"application\" or left out, got %q", f.Type)
	}

	return append(wrong, checkTags("image_filter.tags", f.Tags)...)
}

// find returns the one image in the region that the filter names.
func (f ImageFilter) find(ctx context.Context, client *godo.Client, region string) (godo.Image, error) {
	images, err := do.Images(ctx, client, f.Type)
	if err != nil {
		return godo.Image{}, err
	}

	images = slices.DeleteFunc(images, func(image godo.Image) bool {
		return !f.matches(image, region)
	})
	slices.SortFunc(images, func(a, b godo.Image) int {
		return cmp.Or(strings.Compare(b.Created, a.Created), cmp.Compare(b.ID, a.ID))
	})

	switch {
	case len(images) == 0:
		return godo.Image{}, fmt.Errorf(
			"image_filter: %w: no image in %s is like that",
			ErrFilter,
			region,
		)

	case len(images) > 1 && !f.MostRecent:
		const what = "image_filter: %w: %d in %s are like that (%s): say more, or most_recent = true"
		return godo.Image{}, fmt.Errorf(what, ErrFilter, len(images), region, some(images))
	}

	return images[0], nil
}

func (f ImageFilter) matches(image godo.Image, region string) bool {
	// Checked before: an empty one matches every name.
	like, err := regexp.Compile(f.NameRegex)
	lacks := func(tag string) bool {
		return !slices.Contains(image.Tags, tag)
	}

	return err == nil &&
		like.MatchString(image.Name) &&
		(f.Name == "" || f.Name == image.Name) &&
		image.Status == imageAvailable &&
		slices.Contains(image.Regions, region) &&
		!slices.ContainsFunc(f.Tags, lacks)
}

// some names the first few images.
func some(images []godo.Image) string {
	const most = 5
	var names []string

	for _, image := range images[:min(most, len(images))] {
		names = append(names, fmt.Sprintf("%d %s", image.ID, image.Name))
	}

	if len(images) > most {
		names = append(names, "...")
	}

	return strings.Join(names, ", ")
}
