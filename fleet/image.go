package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/digitalocean/godo"

	"github.com/hornero/hornero/internal/do"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/stack"
)

var (
	// ErrNoImage means that a role has no snapshot yet.
	ErrNoImage = errors.New("no image")
	// ErrPinned refuses the image that stack.yaml names for a group.
	ErrPinned = errors.New("the image that stack.yaml names cannot be used")
)

// imageChoice is what a node's image depends on.
type imageChoice struct {
	role   string
	pinned int // a snapshot's number; 0: the newest of the role
}

func choiceOf(node stack.Node) imageChoice {
	return imageChoice{role: node.Role, pinned: node.Image}
}

// imagesOf finds the images of nodes: those of one role get the same, and none is launched before all are found.
func (f *Fleet) imagesOf(ctx context.Context, nodes []stack.Node) (map[imageChoice]godo.Image, error) {
	images := map[imageChoice]godo.Image{}

	for _, node := range nodes {
		choice := choiceOf(node)
		if _, known := images[choice]; known {
			continue
		}

		image, err := f.image(ctx, node)
		if err != nil {
			return nil, err
		}

		images[choice] = image
	}

	return images, nil
}

// image finds a node's image: the one that stack.yaml names, or the newest of the role.
func (f *Fleet) image(ctx context.Context, node stack.Node) (godo.Image, error) {
	find := func() (godo.Image, error) { return f.newestImage(ctx, node.Role) }
	if node.Image != 0 {
		find = func() (godo.Image, error) { return f.pinnedImage(ctx, node) }
	}

	image, err := find()
	if err == nil {
		err = f.tellUnsigned(image)
	}

	return image, err
}

// roleTag and releaseTag are those that a bake puts on a role's image.
func roleTag(role string) string { return "hornero:role:" + role }

func (f *Fleet) releaseTag() string { return "hornero:release:" + f.Stack.Release }

func (f *Fleet) newestImage(ctx context.Context, role string) (godo.Image, error) {
	images, err := f.usableImages(ctx, role)
	if err != nil {
		return godo.Image{}, err
	}

	return images[0], nil
}

// usableImages are the images of a role that a node can be launched from, the newest first; there is at least one.
func (f *Fleet) usableImages(ctx context.Context, role string) ([]godo.Image, error) {
	images, err := do.ImagesByTag(ctx, f.Client, roleTag(role))
	if err != nil {
		return nil, err
	}

	v, err := f.voucher()
	if err != nil {
		return nil, err
	}

	for _, sieve := range []struct {
		useless func(godo.Image) bool
		but     string
	}{
		{
			// An image that is not in the stack's region cannot be launched there.
			useless: func(image godo.Image) bool {
				here := slices.Contains(image.Regions, f.Stack.Region)
				return !here || !slices.Contains(image.Tags, f.releaseTag())
			},
		},
		{
			// Its node would refuse its document: what that is to take the place of would be gone.
			useless: func(image godo.Image) bool { return !slices.Contains(image.Tags, record.DocumentTag) },
			but:     " but of an earlier version of Hornero, which would refuse its user-data",
		},
		{
			// The next roll must not go the same way.
			useless: isRejected,
			but:     " but one that a roll went back from, which `hornero images accept` takes back",
		},
		{
			// Whoever can write tags could have nodes launched from a disk of his own.
			useless: func(image godo.Image) bool { return v.refusal(image) != "" },
			but:     " but one that nobody vouches for (`hornero images list` says why)",
		},
	} {
		images = slices.DeleteFunc(images, sieve.useless)
		if len(images) == 0 {
			return nil, f.noImage(role, sieve.but)
		}
	}

	// The API numbers images as they are made: the highest is the newest bake.
	slices.SortFunc(images, func(a, b godo.Image) int { return cmp.Compare(b.ID, a.ID) })

	return images, nil
}

func isRejected(image godo.Image) bool { return slices.Contains(image.Tags, record.RejectedTag) }

func (f *Fleet) noImage(role, but string) error {
	return fmt.Errorf(
		"%w of role %s on %s in %s%s; bake one with `hornero images bake`",
		ErrNoImage,
		role,
		f.Stack.Release,
		f.Stack.Region,
		but,
	)
}

// pinnedImage gets the image that stack.yaml names, and tells all that is wrong with it.
func (f *Fleet) pinnedImage(ctx context.Context, node stack.Node) (godo.Image, error) {
	const help = "`hornero images list` names those that there are; without `image:` the group gets the newest"

	image, _, err := f.Client.Images.GetByID(ctx, node.Image)
	if do.IsNotFound(err) {
		return godo.Image{}, fmt.Errorf("%w: the account has no image %d (of %s); %s",
			ErrPinned, node.Image, node.Name, help)
	}

	if err != nil {
		return godo.Image{}, fmt.Errorf("get image %d of %s: %w", node.Image, node.Name, err)
	}

	if isRejected(*image) {
		return godo.Image{}, fmt.Errorf("%w: a roll went back from image %d (%s) of %s; `hornero images accept %d` "+
			"takes that back", ErrPinned, image.ID, image.Name, node.Name, image.ID)
	}

	if wrong := f.misfits(*image, node.Role); len(wrong) > 0 {
		return godo.Image{}, fmt.Errorf("%w: image %d (%s) of %s is not %s; %s",
			ErrPinned, image.ID, image.Name, node.Name, strings.Join(wrong, ", nor "), help)
	}

	v, err := f.voucher()
	if err != nil {
		return godo.Image{}, err
	}

	if why := v.refusal(*image); why != "" {
		return godo.Image{}, fmt.Errorf("%w: image %d (%s) of %s %s", ErrPinned, image.ID, image.Name, node.Name, why)
	}

	return *image, nil
}

// misfits tells what an image is not, for a node of a role of this stack.
func (f *Fleet) misfits(image godo.Image, role string) []string {
	var wrong []string

	if !slices.Contains(image.Tags, roleTag(role)) {
		wrong = append(wrong, "of role "+role)
	}
	if !slices.Contains(image.Tags, f.releaseTag()) {
		wrong = append(wrong, "of release "+f.Stack.Release)
	}
	if !slices.Contains(image.Tags, record.DocumentTag) {
		wrong = append(wrong, "of this version of Hornero")
	}
	if !slices.Contains(image.Regions, f.Stack.Region) {
		wrong = append(wrong, "in region "+f.Stack.Region)
	}

	return wrong
}
