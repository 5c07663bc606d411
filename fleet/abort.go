package fleet

import (
	"context"
	"errors"
	"slices"

	"github.com/digitalocean/godo"
)

// Abort ends a roll that stands: what it made goes, and its image is not used again until somebody accepts it. Where
// stack.yaml names that image, rename is called with the one that each such group is to name instead: what its nodes
// have, or 0 where that is the newest.
func (f *Fleet) Abort(
	ctx context.Context,
	role string,
	rename func(ctx context.Context, images map[string]int) error,
) error {
	s, err := f.standingRoll(ctx, role)
	if err != nil {
		return err
	}

	if s.strategy == StrategyBlueGreen {
		if err := s.switchBack(ctx); err != nil {
			return err
		}
	}

	s.Restore = func(ctx context.Context) error {
		images, err := s.formerImages(ctx)
		if err != nil || len(images) == 0 {
			return err
		}

		return rename(ctx, images)
	}

	// To go back is what was asked for.
	if err := s.undo(ctx, "its operator aborted the roll"); !errors.Is(err, ErrRolledBack) {
		return err
	}

	return nil
}

// formerImages are what the groups are to name that name the image of the roll.
func (s *rollState) formerImages(ctx context.Context) (map[string]int, error) {
	images := map[string]int{}

	for _, node := range s.fleet.Stack.All() {
		if node.Role != s.Role || node.Image == 0 || !s.isTried(node.Image) {
			continue
		}

		former := s.imageOf(node.Name)
		if former == nil {
			continue
		}

		newest, err := s.fleet.newestImage(ctx, s.Role)

		switch {
		case errors.Is(err, ErrNoImage):
		case err != nil:
			return nil, err
		case newest.ID == former.ID:
			images[node.Group] = 0
			continue
		}

		images[node.Group] = former.ID
	}

	return images, nil
}

// isTried tells whether the roll's own nodes have an image.
func (s *rollState) isTried(image int) bool {
	return slices.ContainsFunc(s.extras, func(m member) bool {
		return m.Droplet.Image != nil && m.Droplet.Image.ID == image
	})
}

// imageOf is the image of the node of stack.yaml that has this name; nil where it is not there.
func (s *rollState) imageOf(name string) *godo.Image {
	for _, m := range s.members {
		if m.Node == name && m.Extra == "" {
			return m.Droplet.Image
		}
	}

	return nil
}
