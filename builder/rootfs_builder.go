package builder

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/digitalocean/godo"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/packer-plugin-sdk/multistep"
	"github.com/hashicorp/packer-plugin-sdk/multistep/commonsteps"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/hornero/hornero/internal/do"
)

// RootfsID is the name of the builder that needs no Droplet.
const RootfsID = "hornero-rootfs"

// RootfsBuilder makes a system in a folder, lets provisioners run on it, and leaves a disk, or the image that
// DigitalOcean made of it, and nothing else.
type RootfsBuilder struct{ config RootfsConfig }

// ConfigSpec tells Packer the options.
func (b *RootfsBuilder) ConfigSpec() hcldec.ObjectSpec {
	return b.config.FlatMapstructure().HCL2Spec()
}

// Prepare reads and checks the configuration. It touches nothing.
func (b *RootfsBuilder) Prepare(raws ...any) (variables, warnings []string, err error) {
	err = b.config.Prepare(raws...)
	packersdk.LogSecretFilter.Set(b.config.APIToken, b.config.SpacesSecret)
	return []string{generatedDigest, generatedBase}, nil, err
}

// rootBuild is what the steps of one run share.
type rootBuild struct {
	config *RootfsConfig
	client *godo.Client // nil without a Space
	space  *space       // nil without one
	ui     packersdk.Ui
	owner  owner
	work   string // the folder in which all is made
}

// Run bakes the disk, or returns what is there when nothing changed.
func (b *RootfsBuilder) Run(ctx context.Context, ui packersdk.Ui, hook packersdk.Hook) (packersdk.Artifact, error) {
	state := new(multistep.BasicStateBag)
	state.Put("ui", ui)
	state.Put("hook", hook)

	state.Put("generated_data", map[string]any{
		generatedDigest: b.config.recipe.Digest,
		generatedBase:   b.config.recipe.Base,
	})

	artifact, err := b.run(ctx, ui, state, (*rootBuild).steps)
	if err != nil {
		return nil, err
	}

	return artifact, nil
}

// run sweeps also when there is nothing to bake: what a killed build left may be a disk that anybody can read.
func (b *RootfsBuilder) run(
	ctx context.Context,
	ui packersdk.Ui,
	state multistep.StateBag,
	steps func(*rootBuild) []multistep.Step,
) (made *RootfsArtifact, err error) {
	ctx, done := withParent(ctx)
	defer done()
	defer func() { err = do.ExplainRefusal(err) }()

	owner := thisProcess()
	build := &rootBuild{
		config: &b.config,
		ui:     ui,
		owner:  owner,
		work:   filepath.Join(b.config.WorkDir, workPrefix+owner.id()),
	}

	if err := build.connect(); err != nil {
		return nil, err
	}

	// A wrong region is told now, not after the bake and the import.
	if err := build.checkRegions(ctx); err != nil {
		return nil, err
	}

	if err := build.sweep(ctx); do.Status(err) == http.StatusUnauthorized {
		return nil, err
	} else if err != nil {
		ui.Message(fmt.Sprintf("leftovers of earlier builds: %v", err))
	}

	artifact, err := build.unchanged(ctx)
	if err != nil || artifact != nil {
		return artifact, err
	}

	commonsteps.NewRunner(steps(build), b.config.PackerConfig, ui).Run(ctx, state)

	return build.outcome(ctx, state)
}

// outcome is the runner's result. An image that is published is one even when Ctrl-C came after it, unless it
// is still to be transferred.
func (b *rootBuild) outcome(ctx context.Context, state multistep.StateBag) (*RootfsArtifact, error) {
	made, ok := state.Get("artifact").(*RootfsArtifact)
	if !ok || marked(state, "error") {
		return nil, causeOf(ctx, state)
	}

	// The runner marks no error for what Ctrl-C cut off: the regions tell.
	if made.Image != nil && len(made.Image.lacks(b.config.ImageRegions)) > 0 {
		return nil, causeOf(ctx, state)
	}

	return made, nil
}

// checkRegions asks the API whether the regions are there that an image is to be transferred to.
func (b *rootBuild) checkRegions(ctx context.Context) error {
	if b.client == nil {
		return nil
	}

	return checkRegions(ctx, b.client, "image_regions", b.config.ImageRegions[1:])
}

// connect opens the cloud, when the disk is to go there.
func (b *rootBuild) connect() (err error) {
	if !b.config.imports() {
		return nil
	}
	if b.client, err = b.config.client(); err != nil {
		return err
	}

	b.space, err = openSpace(b.config)

	return err
}

// steps is the whole build, in order.
func (b *rootBuild) steps() []multistep.Step {
	steps := []multistep.Step{
		&stepWork{b},
		&stepRoot{b},
		&stepBoot{rootBuild: b},
		&commonsteps.StepProvision{},
		&stepDisk{rootBuild: b},
	}
	if b.config.imports() {
		return append(steps, b.importSteps()...)
	}

	return append(steps, &stepKeep{b})
}

func (b *rootBuild) importSteps() []multistep.Step {
	return []multistep.Step{
		&stepUpload{rootBuild: b},
		&stepImport{rootBuild: b},
		&stepRootPublish{b},
		&stepRootTransfer{b},
	}
}

// diskName is what the disk's file is called.
func (b *rootBuild) diskName() string {
	name := b.config.recipe.ImageName() + "." + b.config.Format
	if *b.config.Compress {
		name += ".gz"
	}

	return name
}

// unchanged returns the image, or the disk, that already has this content. Regions where the image is missing get it.
func (b *rootBuild) unchanged(ctx context.Context) (*RootfsArtifact, error) {
	if b.config.Force || b.config.PackerForce {
		return nil, nil
	}

	if !b.config.imports() {
		// The digest is part of the name: a file of this name has this content.
		path := filepath.Join(b.config.OutputDir, b.diskName())

		if _, err := os.Stat(path); err != nil {
			return nil, nil // a disk that cannot be read is made anew
		}

		b.ui.Say(fmt.Sprintf(
			"unchanged: %s has this very content; force = true bakes it again",
			path,
		))

		return b.artifact(nil, path, false), nil
	}

	image, err := published(ctx, b.client, b.config.recipe, b.config.ImageRegions)
	if err != nil || image == nil {
		return nil, err
	}

	b.ui.Say(fmt.Sprintf(
		"unchanged: image %d, %s, has this very content; force = true bakes it again",
		image.ID,
		image.Name,
	))

	made := b.artifact(image, "", false)

	return made, b.transfer(ctx, made)
}

// artifact is the result, with the image's record where this machine has it; a new image's gets its number.
// What goes wrong with the record is only told: the image is there by now.
func (b *rootBuild) artifact(image *godo.Image, disk string, baked bool) *RootfsArtifact {
	name := b.config.recipe.ImageName()

	made := &RootfsArtifact{
		Disk: disk,
		told: b.config.recipe.built(),
	}
	made.told.Name = name

	// A disk that stays here has no number; its record is kept without one.
	id := 0
	if image != nil {
		made.Image, id = newArtifact(b.client, *image, b.config.recipe), image.ID
		made.told = made.Image.told
	}

	folder, err := b.config.records()
	if err == nil && baked && id != 0 {
		err = folder.Publish(name, id)
	}

	if err != nil {
		b.ui.Error(err.Error())
		return made
	}

	made.record = folder.File(name, id)

	return made
}

// RootfsArtifact is what a build without a Droplet leaves: a disk here, an image in the cloud, or both.
type RootfsArtifact struct {
	Image  *Artifact // nil when it was not imported
	Disk   string    // its path; empty when it was not kept
	record string
	told   Built // of the image, or of what would be one
}

// BuilderId names the builder.
func (*RootfsArtifact) BuilderId() string { return "hornero.rootfs" }

// Files are the disk and the image's record, where they are on this machine.
func (a *RootfsArtifact) Files() []string {
	var files []string
	for _, path := range []string{a.Disk, a.record} {
		if path != "" {
			files = append(files, path)
		}
	}

	return files
}

// Id is the image's number, or the disk's path.
func (a *RootfsArtifact) Id() string {
	if a.Image != nil {
		return a.Image.Id()
	}

	return a.Disk
}

// String tells the result to a person.
func (a *RootfsArtifact) String() string {
	var parts []string
	if a.Image != nil {
		parts = append(parts, a.Image.String())
	}
	if a.Disk != "" {
		parts = append(parts, "disk "+a.Disk)
	}

	return strings.Join(parts, "; ")
}

// State tells post-processors what was built, under StateBuilt.
func (a *RootfsArtifact) State(name string) any {
	return a.told.state(name, a.record)
}

// Destroy deletes the image and the disk.
func (a *RootfsArtifact) Destroy() error {
	if a.Disk != "" {
		if err := os.Remove(a.Disk); err != nil {
			return fmt.Errorf("delete disk: %w", err)
		}
	}

	if a.Image == nil {
		return nil
	}

	return a.Image.Destroy()
}
