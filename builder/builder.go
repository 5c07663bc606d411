package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

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
func (b *Builder) ConfigSpec() hcldec.ObjectSpec { return b.config.FlatMapstructure().HCL2Spec() }

// Prepare reads and checks the configuration. It touches nothing.
func (b *Builder) Prepare(raws ...any) (variables, warnings []string, err error) {
	warnings, err = b.config.Prepare(raws...)
	packersdk.LogSecretFilter.Set(b.config.APIToken)
	return []string{generatedDigest}, warnings, err
}

// generatedDigest is the build's variable that tells provisioners what the builder takes the image for.
const generatedDigest = "HorneroDigest"

// Run bakes the image, or returns the one that is there when nothing changed.
func (b *Builder) Run(ctx context.Context, ui packersdk.Ui, hook packersdk.Hook) (packersdk.Artifact, error) {
	client, err := do.NewClient(b.config.APIURL, b.config.APIToken, userAgent)
	if err != nil {
		return nil, err
	}
	artifact, err := b.unchanged(ctx, ui, client)
	if err != nil || artifact != nil {
		return artifact, err
	}
	if b.config.start, err = b.startImage(ctx, client); err != nil {
		return nil, err
	}
	state := b.newState(client, ui, hook)
	commonsteps.NewRunner(b.steps(client, ui), b.config.PackerConfig, ui).Run(ctx, state)
	published, err := outcome(ctx, state)
	if err != nil {
		return nil, err
	}
	return b.withRecord(ui, published, true), nil
}

// withRecord adds the image's record to the artifact, where this machine has it; a new image's gets its number. The image is
// published by now, so what goes wrong with the record is only told.
func (b *Builder) withRecord(ui packersdk.Ui, artifact *Artifact, baked bool) *Artifact {
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

func (b *Builder) newState(client *godo.Client, ui packersdk.Ui, hook packersdk.Hook) multistep.StateBag {
	state := new(multistep.BasicStateBag)
	state.Put("ui", ui)
	state.Put("hook", hook)
	state.Put("communicator_config", &b.config.Comm)
	state.Put("generated_data", map[string]any{generatedDigest: b.config.recipe.Digest})
	return state
}

// outcome turns the runner's marks into one result. A published image is a result even when Ctrl-C came after it.
func outcome(ctx context.Context, state multistep.StateBag) (*Artifact, error) {
	if artifact, ok := state.Get("artifact").(*Artifact); ok {
		return artifact, nil
	}
	return nil, causeOf(ctx, state)
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
func (b *Builder) steps(client *godo.Client, ui packersdk.Ui) []multistep.Step {
	build := &build{config: &b.config, client: client, ui: ui, owner: thisProcess()}
	return []multistep.Step{
		&stepSweep{build},
		&communicator.StepSSHKeyGen{CommConf: &b.config.Comm, SSHTemporaryKeyPair: b.config.Comm.SSHTemporaryKeyPair},
		&stepKey{build: build},
		&stepDroplet{build: build},
		&stepReachable{build},
		&communicator.StepConnect{Config: &b.config.Comm, Host: host, SSHConfig: b.config.Comm.SSHConfigFunc()},
		&commonsteps.StepProvision{},
		&stepShutdown{build},
		&stepSnapshot{build: build},
		&stepPublish{build},
	}
}

func host(state multistep.StateBag) (string, error) {
	address, ok := state.Get("address").(string)
	if !ok {
		return "", errors.New("the Droplet has no address yet")
	}
	return address, nil
}

// unchanged returns the image that already has this content in the region, if there is one.
func (b *Builder) unchanged(ctx context.Context, ui packersdk.Ui, client *godo.Client) (packersdk.Artifact, error) {
	if b.config.Force || b.config.PackerForce {
		return nil, nil
	}
	image, err := published(ctx, client, b.config.recipe, b.config.Region)
	if err != nil || image == nil {
		return nil, err
	}
	ui.Say(fmt.Sprintf("unchanged: image %d, %s, has this very content; force = true bakes it again", image.ID, image.Name))
	return b.withRecord(ui, newArtifact(client, *image), false), nil
}

// published returns the newest image of a recipe in the region, or nil.
func published(ctx context.Context, client *godo.Client, recipe Recipe, region string) (*godo.Image, error) {
	found, err := do.ImagesByTag(ctx, client, recipe.DigestTag())
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(x, y godo.Image) int { return cmp.Compare(y.ID, x.ID) })
	for _, image := range found {
		if image.Status == imageAvailable && slices.Contains(image.Regions, region) {
			return &image, nil
		}
	}
	return nil, nil
}

// imageAvailable is the status of an image that Droplets can be made from (DigitalOcean's API description).
const imageAvailable = "available"
