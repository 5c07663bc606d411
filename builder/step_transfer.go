package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/digitalocean/godo"
	"github.com/hashicorp/packer-plugin-sdk/multistep"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"golang.org/x/sync/errgroup"

	"github.com/hornero/hornero/internal/do"
)

// ErrTransfer is an image that is published, and not in all regions that it is wanted in.
var ErrTransfer = errors.New("the image is not in all regions")

// errNoRegion is a region that the cloud does not have.
var errNoRegion = errors.New("no such region")

// stepTransfer brings the published image to its other regions. When that does not end well the image stays:
// the next build of the same content transfers it to where it is missing.
type stepTransfer struct{ *build }

func (s *stepTransfer) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	artifact, err := s.transfer(ctx, state.Get("artifact").(*Artifact))

	// Also after an error: the image is published, and must not be deleted by the snapshot's cleanup.
	state.Put("artifact", artifact)

	if err != nil {
		return halt(state, err)
	}

	return multistep.ActionContinue
}

func (*stepTransfer) Cleanup(multistep.StateBag) {}

func (b *build) transfer(ctx context.Context, artifact *Artifact) (*Artifact, error) {
	return transfers{
		client:  b.client,
		ui:      b.ui,
		recipe:  b.config.recipe,
		regions: b.config.regions(),
		wait:    b.config.waitsForTransfers(),
		options: b.config.wait(b.config.TransferTimeout),
	}.of(ctx, artifact)
}

// transfers bring a published image to where it is to be.
type transfers struct {
	client  *godo.Client
	ui      packersdk.Ui
	recipe  Recipe
	regions []string
	wait    bool // until they are over; otherwise they are only begun
	options do.WaitOptions
}

// of brings an image to all regions at once, and returns it as the API shows it then.
func (t transfers) of(ctx context.Context, artifact *Artifact) (*Artifact, error) {
	missing := artifact.lacks(t.regions)
	if len(missing) == 0 {
		return artifact, nil
	}

	t.ui.Say(fmt.Sprintf(
		"transferring image %d to %s",
		artifact.ImageID,
		strings.Join(missing, ", "),
	))

	causes := make([]error, len(missing))
	var group errgroup.Group

	for i, region := range missing {
		group.Go(func() error {
			causes[i] = t.transferTo(ctx, artifact.ImageID, region)
			return nil
		})
	}

	_ = group.Wait() // the causes are told region by region: one that fails stops no other

	// Read back even after a failure: the error names the regions where the image is.
	if image, _, err := t.client.Images.GetByID(ctx, artifact.ImageID); err == nil {
		artifact = newArtifact(t.client, *image, t.recipe)
	} else {
		causes = append(causes, fmt.Errorf("read image %d: %w", artifact.ImageID, err))
	}

	if err := errors.Join(causes...); err != nil {
		return artifact, fmt.Errorf("%w: image %d, %s, is published in %s: run the build again, it transfers "+
			"what is missing: %w",
			ErrTransfer, artifact.ImageID, artifact.Name, strings.Join(artifact.Regions, ", "), err)
	}

	return artifact, nil
}

// transferTo brings an image to one region, or only begins to.
func (t transfers) transferTo(ctx context.Context, id int, region string) error {
	if !t.wait {
		_, err := do.BeginTransfer(ctx, t.client, id, region, t.options)
		return err
	}

	if err := do.TransferImage(ctx, t.client, id, region, t.options); err != nil {
		return err
	}

	t.ui.Say(fmt.Sprintf("image %d is in %s", id, region))

	return nil
}

// lacks lists the regions that the image is not in.
func (a *Artifact) lacks(regions []string) []string {
	return slices.DeleteFunc(slices.Clone(regions), func(region string) bool {
		return slices.Contains(a.Regions, region)
	})
}

// checkRegions asks the API whether the regions are there, before anything is made. The bake's own is told by
// what follows.
func (c *Config) checkRegions(ctx context.Context, client *godo.Client) error {
	return checkRegions(ctx, client, "snapshot_regions", c.SnapshotRegions)
}

func checkRegions(ctx context.Context, client *godo.Client, option string, wanted []string) error {
	if len(wanted) == 0 {
		return nil
	}

	regions, err := do.Regions(ctx, client)
	if err != nil {
		return err
	}

	var known []string

	for _, region := range regions {
		known = append(known, region.Slug)
	}

	// The API gives regions in no order; people look them up by name.
	slices.Sort(known)

	var wrong []error
	all := strings.Join(known, ", ")

	for _, region := range wanted {
		if !slices.Contains(known, region) {
			wrong = append(wrong, fmt.Errorf(
				"%s: %w: %q; known are %s",
				option,
				errNoRegion,
				region,
				all,
			))
		}
	}

	return errors.Join(wrong...)
}
