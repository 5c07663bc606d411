package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/digitalocean/godo"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/packer-plugin-sdk/communicator"
	"github.com/hashicorp/packer-plugin-sdk/multistep"
	"github.com/hashicorp/packer-plugin-sdk/multistep/commonsteps"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/hornero/hornero/internal/do"
)

// Names of the components, as templates write them.
const (
	BuilderID     = "hornero-droplet"
	ProvisionerID = "hornero-role"
)

// userAgent names the plugin to the API.
const userAgent = "packer-plugin-hornero"

// Builder makes a Droplet from a base image, lets provisioners run on it, and leaves a snapshot and nothing else.
type Builder struct{ config Config }

// ConfigSpec tells Packer the options.
func (b *Builder) ConfigSpec() hcldec.ObjectSpec {
	return b.config.FlatMapstructure().HCL2Spec()
}

// Prepare reads and checks the configuration. It touches nothing.
func (b *Builder) Prepare(raws ...any) (variables, warnings []string, err error) {
	// Also when the configuration is wrong: what is logged next may show it.
	warnings, err = b.config.Prepare(raws...)
	b.config.hide()
	return []string{generatedDigest, generatedBase}, warnings, err
}

// The build's variables that tell provisioners what the builder takes the image for, and which base image it found.
const (
	generatedDigest = "HorneroDigest"
	generatedBase   = "HorneroBase"
)

// Run bakes the image, or returns the one that is there when nothing changed.
func (b *Builder) Run(ctx context.Context, ui packersdk.Ui, hook packersdk.Hook) (packersdk.Artifact, error) {
	client, err := b.config.client()
	if err != nil {
		return nil, err
	}

	// A killed Packer tells its plugins nothing.
	ctx, done := withParent(ctx)
	defer done()

	build := &build{
		config: &b.config,
		client: client,
		ui:     ui,
		owner:  thisProcess(),
	}

	artifact, err := b.run(ctx, build, hook)
	if err != nil {
		// A nil *Artifact in the interface would not be nil to Packer.
		return nil, do.ExplainRefusal(err)
	}

	return artifact, nil
}

func (b *Builder) run(ctx context.Context, build *build, hook packersdk.Hook) (*Artifact, error) {
	if err := b.config.find(ctx, build.client); err != nil {
		return nil, err
	}

	// Before the question whether anything is to be baked: leftovers cost money either way.
	if err := build.sweep(ctx); do.Status(err) == http.StatusUnauthorized {
		return nil, err
	} else if err != nil {
		build.ui.Message(fmt.Sprintf("leftovers of earlier builds: %v", err))
	}

	artifact, err := b.unchanged(ctx, build)
	if err != nil || artifact != nil {
		return artifact, err
	}

	if b.config.start, err = b.startImage(ctx, build.client); err != nil {
		return nil, err
	}

	state := b.newState(build, hook)
	commonsteps.NewRunner(b.steps(build), b.config.PackerConfig, build.ui).Run(ctx, state)

	published, err := b.outcome(ctx, state)
	if published == nil {
		return nil, err
	}

	return b.withRecord(build.ui, published, true), err
}

// find asks the API for the base image that image_filter describes.
func (c *Config) find(ctx context.Context, client *godo.Client) error {
	if err := c.checkRegions(ctx, client); err != nil || c.ImageFilter.isEmpty() {
		return err
	}

	image, err := c.ImageFilter.find(ctx, client, c.Region)
	if err != nil {
		return err
	}

	return c.rebase(strconv.Itoa(image.ID))
}

// rebase reads the recipe anew, for another base image. A name that the template gave stays.
func (c *Config) rebase(base string) error {
	// The digest, and with it the default name, covers the base image.
	named := c.SnapshotName != c.recipe.ImageName()
	recipe, err := c.RecipeConfig.on(base)
	if err != nil {
		return err
	}

	c.recipe = recipe
	if !named {
		c.SnapshotName = recipe.ImageName()
	}

	return nil
}

// withRecord adds the image's record to the artifact, where this machine has it; a new image's gets its number.
// The image is published by now, so what goes wrong with the record is only told.
func (b *Builder) withRecord(ui packersdk.Ui, artifact *Artifact, baked bool) *Artifact {
	// An image that was there already has its number.
	folder, err := b.config.records()
	name := b.config.recipe.ImageName()
	if err == nil && baked {
		err = folder.Publish(name, artifact.ImageID)
	}
	if err != nil {
		ui.Error(err.Error())
		return artifact
	}

	artifact.record = folder.File(name, artifact.ImageID)

	return artifact
}

func (b *Builder) newState(build *build, hook packersdk.Hook) multistep.StateBag {
	state := new(multistep.BasicStateBag)
	state.Put("ui", build.ui)
	state.Put("hook", hook)
	state.Put("communicator_config", &b.config.Comm)

	state.Put("generated_data", map[string]any{
		generatedDigest: b.config.recipe.Digest,
		generatedBase:   b.config.recipe.Base,
	})

	return state
}

// outcome turns the runner's marks into one result. A published image is a result even when Ctrl-C came after
// it, unless it is still to be transferred.
func (b *Builder) outcome(ctx context.Context, state multistep.StateBag) (*Artifact, error) {
	// The runner tells of Ctrl-C in its own mark, not as an error.
	artifact, _ := state.Get("artifact").(*Artifact)
	cause, _ := state.Get("error").(error)
	if artifact != nil && cause == nil {
		transferred := len(artifact.lacks(b.config.regions())) == 0
		if transferred || !b.config.waitsForTransfers() {
			return artifact, nil
		}
	}

	return artifact, causeOf(ctx, state)
}

// causeOf is why a build ended without a result.
func causeOf(ctx context.Context, state multistep.StateBag) error {
	cause, _ := state.Get("error").(error)
	if ctx.Err() != nil || marked(state, multistep.StateCancelled) {
		return errors.Join(ErrInterrupted, cause)
	}

	return cmp.Or(cause, errors.New("the build halted without a cause"))
}

func marked(state multistep.StateBag, key string) bool {
	_, ok := state.GetOk(key)
	return ok
}

// steps is the whole build, in order.
func (b *Builder) steps(build *build) []multistep.Step {
	makeKey := &communicator.StepSSHKeyGen{
		CommConf:            &b.config.Comm,
		SSHTemporaryKeyPair: b.config.Comm.SSHTemporaryKeyPair,
	}
	connect := &communicator.StepConnect{
		Config:    &b.config.Comm,
		Host:      host,
		SSHConfig: b.config.sshConfig(),
	}

	// The runner cleans up in the opposite order: the snapshot first, then the Droplet and its tag, then the key.
	return []multistep.Step{
		makeKey,
		&stepKey{build: build},
		&stepDroplet{build: build},
		&stepReachable{build},
		connect,
		&commonsteps.StepProvision{},
		&stepShutdown{build},
		&stepSnapshot{build: build},
		&stepPublish{build},
		&stepTransfer{build},
	}
}

func host(state multistep.StateBag) (string, error) {
	address, ok := state.Get("address").(string)
	if !ok {
		return "", errors.New("the Droplet has no address yet")
	}

	return address, nil
}

// unchanged returns the image that already has this content, if there is one. Regions where it is missing get it.
func (b *Builder) unchanged(ctx context.Context, build *build) (*Artifact, error) {
	if b.config.Force || b.config.PackerForce {
		return nil, nil
	}

	image, err := published(ctx, build.client, b.config.recipe, b.config.regions())
	if err != nil || image == nil {
		return nil, err
	}

	build.ui.Say(fmt.Sprintf(
		"unchanged: image %d, %s, has this very content; force = true bakes it again",
		image.ID,
		image.Name,
	))

	// An earlier build may have been interrupted while it transferred the image.
	artifact, err := build.transfer(ctx, newArtifact(build.client, *image, b.config.recipe))

	return b.withRecord(build.ui, artifact, false), err
}

// published returns the image of a recipe that is in most of the regions, the newest of them; nil when none is
// in any.
func published(ctx context.Context, client *godo.Client, recipe Recipe, regions []string) (*godo.Image, error) {
	found, err := do.ImagesByTag(ctx, client, recipe.DigestTag())
	if err != nil {
		return nil, err
	}

	// in how many of the regions an image is
	in := func(image godo.Image) int {
		return len(regions) - len((&Artifact{Regions: image.Regions}).lacks(regions))
	}

	// An image that is being deleted or retired still bears its tags.
	found = slices.DeleteFunc(found, func(image godo.Image) bool {
		return image.Status != imageAvailable || in(image) == 0
	})
	if len(found) == 0 {
		return nil, nil
	}

	best := slices.MaxFunc(found, func(x, y godo.Image) int {
		return cmp.Or(cmp.Compare(in(x), in(y)), cmp.Compare(x.ID, y.ID))
	})

	return &best, nil
}

// imageAvailable is the status of an image that Droplets can be made from (DigitalOcean's API description).
const imageAvailable = "available"
