package builder

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hcldec"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/hornero/hornero/internal/record"
)

//go:embed scripts/*.sh
var scriptFiles embed.FS

// scripts are what runs on the Droplet, in order: apply.sh and, when the record is written, seal.sh.
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
type Provisioner struct {
	// Version is the plugin's, for the image's record.
	Version string

	config ProvisionerConfig
}

// ConfigSpec tells Packer the options.
func (p *Provisioner) ConfigSpec() hcldec.ObjectSpec {
	return p.config.FlatMapstructure().HCL2Spec()
}

// Prepare reads and checks the configuration. It touches nothing.
func (p *Provisioner) Prepare(raws ...any) error {
	return p.config.Prepare(raws...)
}

// Provision makes the machine what the recipe says, or tells what is in the way.
func (p *Provisioner) Provision(
	ctx context.Context,
	ui packersdk.Ui,
	comm packersdk.Communicator,
	generated map[string]any,
) error {
	recipe, err := p.config.on(generated[generatedBase])
	if err != nil {
		return err
	}

	// The image would bear the digest of something else.
	if digest, ok := generated[generatedDigest].(string); ok && digest != recipe.Digest {
		return fmt.Errorf("%w: builder and provisioner are told different recipes (%.12s and %.12s): give both "+
			"the same role, release, image, roles_dir and bootstrap_binary",
			ErrConfig, digest, recipe.Digest)
	}

	folder, err := p.config.records()
	if err != nil {
		return err
	}

	payload, err := recipe.wholePayload(ctx)
	if err != nil {
		return err
	}

	remote := &remote{ui: ui, comm: comm}
	unpack := "rm -rf " + stage + " && mkdir -m 0700 " + stage + " && tar -xzf - -C " + stage

	if err := remote.run(ctx, "upload", unpack, bytes.NewReader(payload)); err != nil {
		return err
	}

	if err := remote.run(ctx, "apply", "sh "+stage+"/apply.sh", nil); err != nil {
		return err
	}

	// Before the image is sealed: whatever writes to it comes before that.
	written, bom, err := p.record(ctx, remote, recipe)
	if err != nil {
		return err
	}

	if err := remote.run(ctx, "seal", "sh "+stage+"/seal.sh", nil); err != nil {
		return err
	}

	// After the image is sealed, which removes and changes files.
	if err := remote.run(ctx, "list the files", BootstrapPath+" contents", nil); err != nil {
		return err
	}

	var contents strings.Builder
	list := "cat " + record.ContentsPath

	if err := remote.capture(ctx, "read the list of files", list, nil, &contents); err != nil {
		return err
	}

	if err := verify(ctx, remote); err != nil {
		return err
	}

	return keep(folder, recipe, written, contents.String(), bom)
}

// record has the machine complete the record, and gives it the bill of materials that follows from it.
func (p *Provisioner) record(
	ctx context.Context,
	remote *remote,
	recipe Recipe,
) (written string, bom []byte, err error) {
	begun, err := recipe.record(p.Version, p.config.PackerCoreVersion, time.Now())
	if err != nil {
		return "", nil, err
	}

	var listed, whole strings.Builder

	if err := remote.capture(ctx,
		"record",
		BootstrapPath+" record",
		bytes.NewReader(begun),
		&listed,
	); err != nil {
		return "", nil, err
	}

	// The bootstrap completed it inside the image: what stands there is what is kept here.
	if err := remote.capture(ctx, "read the record", "cat "+record.Path, nil, &whole); err != nil {
		return "", nil, err
	}

	var packages []record.Package

	if err := json.Unmarshal([]byte(listed.String()), &packages); err != nil {
		return "", nil, fmt.Errorf("read the list of packages: %w", err)
	}

	image, err := record.Parse([]byte(whole.String()))
	if err == nil && image.Digest != recipe.Digest {
		err = fmt.Errorf("it is of another image, %.12s", image.Digest)
	}

	if err != nil {
		return "", nil, fmt.Errorf(
			"%w: the record in the image cannot be used: %w",
			ErrUnsealed,
			err,
		)
	}

	var said strings.Builder

	if err := remote.capture(ctx, "read the licences", listLicenses, nil, &said); err != nil {
		return "", nil, err
	}

	bom, err = billOfMaterials(image, packages, licenses(said.String()), recipe.linked())
	if err != nil {
		return "", nil, err
	}

	write := "umask 022; cat > " + record.SBOMPath

	return whole.String(), bom, remote.run(ctx,
		"write the bill of materials",
		write,
		bytes.NewReader(bom),
	)
}

// keep leaves the image's record, the list of its files and its bill of materials on this machine; the builder
// numbers it once the image is published.
func keep(folder record.Folder, recipe Recipe, written, contents string, bom []byte) error {
	// A list that is cut would show up only when two images are compared.
	if _, err := record.UnpackContents([]byte(contents)); err != nil {
		return fmt.Errorf("%w: the list of files in the image cannot be used: %w", ErrUnsealed, err)
	}

	return folder.Save(recipe.ImageName(), []byte(written), []byte(contents), bom)
}

// verify lets the sealed image test itself. Nothing runs on it after that but its shutdown.
func verify(ctx context.Context, remote *remote) error {
	var said strings.Builder
	err := remote.capture(ctx,
		"verify",
		"rm -rf "+stage+"; "+BootstrapPath+" verify --json",
		nil,
		&said,
	)

	var result record.Report

	// The command fails when the test does: its report comes first.
	if failure := json.Unmarshal([]byte(said.String()), &result); failure != nil {
		return fmt.Errorf("%w: %w", ErrUnsealed, cmp.Or(err, failure))
	}

	if len(result.Faults) > 0 {
		return fmt.Errorf("%w: %w", ErrUnsealed, faults(result.Faults))
	}

	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsealed, err)
	}

	remote.ui.Say(fmt.Sprintf("self-test passed: %s; %d files, %d packages of the manifests, %d MB",
		strings.Join(result.Passed, ", "), result.Files, len(result.Packages), result.Size>>20))

	return nil
}

// faults are what is wrong with an image, a line each.
type faults []record.Fault

func (f faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}

	if len(f) == 1 {
		return "1 fault:\n" + lines[0]
	}

	return fmt.Sprintf("%d faults:\n%s", len(f), strings.Join(lines, "\n"))
}

// remote runs commands on the machine and shows their headlines: lines that start with "== ".
type remote struct {
	ui   packersdk.Ui
	comm packersdk.Communicator
}

func (r *remote) run(ctx context.Context, what, command string, input io.Reader) error {
	output := &headlines{ui: r.ui}
	remote := &packersdk.RemoteCmd{
		Command: command,
		Stdin:   input,
		Stdout:  output,
		Stderr:  output,
	}

	return r.start(ctx, what, remote, output)
}

func (r *remote) capture(ctx context.Context, what, command string, input io.Reader, into io.Writer) error {
	// Standard error only: standard output is what is asked for.
	output := &headlines{ui: r.ui}
	remote := &packersdk.RemoteCmd{
		Command: command,
		Stdin:   input,
		Stdout:  into,
		Stderr:  output,
	}

	return r.start(ctx, what, remote, output)
}

func (r *remote) start(ctx context.Context, what string, command *packersdk.RemoteCmd, output *headlines) error {
	if err := r.comm.Start(ctx, command); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}

	// Wait knows no context: Ctrl-C must not wait for a command on the Droplet.
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
