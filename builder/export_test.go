package builder

import (
	"context"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/hashicorp/packer-plugin-sdk/multistep"
)

// Import runs the steps of a build without a Droplet that come after the disk.
func (b *RootfsBuilder) Import(ctx context.Context, ui packersdk.Ui, disk string) (packersdk.Artifact, error) {
	build := &rootBuild{config: &b.config, ui: ui, owner: thisProcess()}
	if err := build.connect(); err != nil {
		return nil, err
	}
	state := new(multistep.BasicStateBag)
	state.Put("disk", disk)
	steps := []multistep.Step{&stepRootSweep{build}, &stepUpload{rootBuild: build}, &stepImport{rootBuild: build}, &stepRootPublish{build}}
	(&multistep.BasicRunner{Steps: steps}).Run(ctx, state)
	if made, ok := state.Get("artifact").(*RootfsArtifact); ok {
		return made, nil
	}
	return nil, causeOf(ctx, state)
}
