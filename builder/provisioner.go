package builder

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hcldec"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
)

//go:embed scripts/*.sh
var scriptFiles embed.FS

// scripts are what runs on the Droplet, in order: apply.sh, seal.sh, verify.sh.
var scripts = must(fs.Sub(scriptFiles, "scripts"))

func must(folder fs.FS, err error) fs.FS {
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return folder
}

// stage is where the bake's own files lie on the Droplet: in memory, so that no image can hold them.
const stage = "/run/hornero-bake"

// Provisioner applies a role's manifest to a machine, seals the machine, and lets it test itself.
type Provisioner struct{ config ProvisionerConfig }

// ConfigSpec tells Packer the options.
func (p *Provisioner) ConfigSpec() hcldec.ObjectSpec { return p.config.FlatMapstructure().HCL2Spec() }

// Prepare reads and checks the configuration. It touches nothing.
func (p *Provisioner) Prepare(raws ...any) error { return p.config.Prepare(raws...) }

// Provision makes the machine what the recipe says, or tells what is in the way.
func (p *Provisioner) Provision(ctx context.Context, ui packersdk.Ui, comm packersdk.Communicator, generated map[string]any) error {
	recipe := p.config.recipe
	if digest, ok := generated[generatedDigest].(string); ok && digest != recipe.Digest {
		return fmt.Errorf("%w: builder and provisioner are told different recipes (%.12s and %.12s): give both the same role, release, image, roles_dir and bootstrap_binary",
			ErrConfig, digest, recipe.Digest)
	}
	payload, err := recipe.payload()
	if err != nil {
		return err
	}
	remote := &remote{ui: ui, comm: comm}
	if err := remote.run(ctx, "upload", "rm -rf "+stage+" && mkdir -m 0700 "+stage+" && tar -xzf - -C "+stage, bytes.NewReader(payload)); err != nil {
		return err
	}
	if err := remote.run(ctx, "apply", "sh "+stage+"/apply.sh", nil); err != nil {
		return err
	}
	record, err := p.record(ctx, remote)
	if err != nil {
		return err
	}
	if err := remote.run(ctx, "seal", "sh "+stage+"/seal.sh", bytes.NewReader(record)); err != nil {
		return err
	}
	if err := remote.run(ctx, "verify", "sh "+stage+"/verify.sh && rm -rf "+stage, nil); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsealed, err)
	}
	return nil
}

func (p *Provisioner) record(ctx context.Context, remote *remote) ([]byte, error) {
	var list strings.Builder
	if err := remote.capture(ctx, "list packages", `dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\n'`, &list); err != nil {
		return nil, err
	}
	return p.config.recipe.record(list.String(), time.Now())
}

// remote runs commands on the machine and shows their headlines: lines that start with "== ".
type remote struct {
	ui   packersdk.Ui
	comm packersdk.Communicator
}

func (r *remote) run(ctx context.Context, what, command string, input io.Reader) error {
	output := &headlines{ui: r.ui}
	return r.start(ctx, what, &packersdk.RemoteCmd{Command: command, Stdin: input, Stdout: output, Stderr: output}, output)
}

func (r *remote) capture(ctx context.Context, what, command string, into io.Writer) error {
	output := &headlines{ui: r.ui}
	return r.start(ctx, what, &packersdk.RemoteCmd{Command: command, Stdout: into, Stderr: output}, output)
}

func (r *remote) start(ctx context.Context, what string, command *packersdk.RemoteCmd, output *headlines) error {
	if err := r.comm.Start(ctx, command); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	exited := make(chan int, 1)
	go func() { exited <- command.Wait() }()
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	case status := <-exited:
		if status == 0 {
			return nil
		}
		return fmt.Errorf("%s: %w: exit status %d:\n%s", what, ErrRemote, status, output.tail())
	}
}
