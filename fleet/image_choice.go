package fleet

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/hornero/hornero/stack"
)

// ImageNewest names the newest image of a role, whichever that is.
const ImageNewest = "newest"

// ImageNamed finds the image of a role that an operator names: by its number, as ROLE~N for the Nth before the newest,
// or as ImageNewest, which is 0: stack.yaml names none then.
func (f *Fleet) ImageNamed(ctx context.Context, role, name string) (int, error) {
	if name == ImageNewest {
		return 0, nil
	}

	if id, err := strconv.Atoi(name); err == nil && id > 0 {
		_, err := f.pinnedImage(ctx, stack.Node{
			Name:  role,
			Role:  role,
			Image: id,
		})

		return id, err
	}

	before, ok := strings.CutPrefix(name, role+"~")
	back, err := strconv.Atoi(before)

	if !ok || err != nil || back < 0 {
		return 0, fmt.Errorf("image %q: write its number (`hornero images list`), %s~1 for the one before the newest, "+
			"or %s", name, role, ImageNewest)
	}

	images, err := f.usableImages(ctx, role)
	if err != nil {
		return 0, err
	}

	if back >= len(images) {
		return 0, fmt.Errorf("image %s: %w: role %s has %d that can be launched", name, ErrNoImage, role, len(images))
	}

	return images[back].ID, nil
}
