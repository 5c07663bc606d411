package builder

import (
	"context"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/hashicorp/packer-plugin-sdk/multistep"
)

// Import runs a build without a Droplet but for what makes the disk.
func (b *RootfsBuilder) Import(ctx context.Context, ui packersdk.Ui, disk string) (packersdk.Artifact, error) {
	state := new(multistep.BasicStateBag)
	state.Put("disk", disk)

	artifact, err := b.run(ctx, ui, state, func(build *rootBuild) []multistep.Step {
		return build.importSteps()
	})
	if err != nil {
		return nil, err
	}

	return artifact, nil
}
