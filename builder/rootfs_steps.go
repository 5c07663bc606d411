package builder

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/packer-plugin-sdk/multistep"

	"github.com/hornero/hornero/builder/rootfs"
	"github.com/hornero/hornero/internal/command"
)

// workPrefix begins the names of folders that systems are made in; the owner's id follows.
const workPrefix = "hornero-rootfs-"

// partSuffix ends the names of disks that are not whole yet; the owner's id is before it.
const partSuffix = ".part"

// id is the owner as part of a file's name.
func (o owner) id() string {
	return strings.TrimPrefix(o.tag(), buildTag+":")
}

// ofDeadBuild tells whether an id is of a build that ended without cleaning up.
func (b *rootBuild) ofDeadBuild(id string) bool {
	owner, ours := ownerOf(buildTag + ":" + id)
	return ours && owner.dead(b.config.LeftoverAge)
}

// cleanup runs even after Ctrl-C, so it has a context of its own. What stays behind is told by name.
func (b *rootBuild) cleanup(what string, remove func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), b.config.CleanupTimeout)
	defer cancel()

	if err := remove(ctx); err != nil {
		b.ui.Error(fmt.Sprintf("%s is left behind; the next build removes it: %v", what, err))
	}
}

// sweep removes what builds that died left on this machine and in the cloud.
func (b *rootBuild) sweep(ctx context.Context) error {
	// Machines first: what runs in a folder holds it.
	err := errors.Join(rootfs.Sweep(b.ofDeadBuild), b.sweepFolders(), b.sweepParts())
	if b.client != nil {
		err = errors.Join(err,
			b.sweepImages(ctx),
			b.space.sweep(ctx, b.ofDeadBuild),
		)
	}

	return err
}

func (b *rootBuild) sweepFolders() (err error) {
	// fails only on a malformed pattern
	folders, _ := filepath.Glob(filepath.Join(b.config.WorkDir, workPrefix+"*"))

	for _, folder := range folders {
		if b.ofDeadBuild(strings.TrimPrefix(filepath.Base(folder), workPrefix)) {
			b.ui.Say("removing " + folder + ", which a dead build left")
			err = errors.Join(err, rootfs.Remove(folder))
		}
	}

	return err
}

func (b *rootBuild) sweepParts() (err error) {
	// fails only on a malformed pattern
	parts, _ := filepath.Glob(filepath.Join(b.config.OutputDir, ".*"+partSuffix))
	for _, part := range parts {
		// The owner's id has no dot, the disk's name has.
		name := strings.TrimSuffix(filepath.Base(part), partSuffix)
		if b.ofDeadBuild(name[strings.LastIndex(name, ".")+1:]) {
			err = errors.Join(err, os.Remove(part))
		}
	}

	return err
}

// stepWork makes the folder of the build. It goes with the build.
type stepWork struct{ *rootBuild }

func (s *stepWork) Run(_ context.Context, state multistep.StateBag) multistep.StepAction {
	if err := rootfs.Check(); err != nil {
		return halt(state, fmt.Errorf("%s: %w", RootfsID, err))
	}

	// Mkdir, not MkdirAll: a folder that is there already would be another build's.
	err := errors.Join(
		os.MkdirAll(s.config.WorkDir, 0o755),
		os.Mkdir(s.work, 0o700),
		os.Mkdir(s.temporary(), 0o700),
	)
	if err != nil {
		return halt(state, fmt.Errorf("make work folder: %w", err))
	}

	return multistep.ActionContinue
}

func (s *stepWork) Cleanup(multistep.StateBag) {
	s.cleanup("the folder "+s.work, func(context.Context) error {
		return rootfs.Remove(s.work)
	})
}

func (b *rootBuild) temporary() string {
	return filepath.Join(b.work, "tmp")
}

func (b *rootBuild) root() string {
	return filepath.Join(b.work, "root")
}

// stepRoot makes the system from nothing.
type stepRoot struct{ *rootBuild }

func (s *stepRoot) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	began := time.Now()
	sources, err := s.sources(ctx)
	if err != nil {
		return halt(state, fmt.Errorf("sources: %w", err))
	}

	s.ui.Say(fmt.Sprintf("making a system of %s in %s", s.config.release.Suite, s.work))

	if err := s.config.spec(sources).Make(ctx, s.root(), s.temporary(), nil); err != nil {
		return halt(state, err)
	}

	s.ui.Say(fmt.Sprintf("system: made in %.0f s", time.Since(began).Seconds()))

	return multistep.ActionContinue
}

func (*stepRoot) Cleanup(multistep.StateBag) {}

func (b *rootBuild) sources(ctx context.Context) ([]string, error) {
	if len(b.config.Sources) > 0 {
		return b.config.Sources, nil
	}

	release := b.config.release

	return rootfs.MachineSources(ctx, rootfs.Suites{
		Main:       release.Suite,
		Updates:    release.UpdatesSuite,
		Security:   release.SecuritySuite,
		Components: release.Components,
	})
}

// stepBoot boots the system for the provisioners.
type stepBoot struct {
	*rootBuild
	machine *rootfs.Machine
}

func (s *stepBoot) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	s.ui.Say("booting it in a container")

	machine, err := rootfs.Boot(ctx, s.root(), s.owner.id(), "hornero-build-"+s.config.recipe.Role)
	if err != nil {
		return halt(state, err)
	}

	s.machine = machine
	state.Put("machine", machine)

	// Under this name Packer's own steps look for how the system is reached.
	state.Put("communicator", inRoot{machine})

	return multistep.ActionContinue
}

func (s *stepBoot) Cleanup(multistep.StateBag) {
	if s.machine != nil {
		s.cleanup("the container", func(context.Context) error {
			return s.machine.Stop()
		})
	}
}

// stepDisk ends the container and makes the disk. Where the disk is kept it comes under its name only when it
// is whole, and goes again when the build does not end well.
type stepDisk struct {
	*rootBuild
	kept string
}

func (s *stepDisk) Run(ctx context.Context, state multistep.StateBag) multistep.StepAction {
	began := time.Now()

	// The disk is made of the folder: nothing may write to it any more.
	if err := state.Get("machine").(*rootfs.Machine).Stop(); err != nil {
		return halt(state, fmt.Errorf("end the container: %w", err))
	}

	s.ui.Say("making the disk: " + s.diskName())

	path, err := s.make(ctx)
	if err != nil {
		return halt(state, err)
	}

	info, err := os.Stat(path)
	if err != nil {
		return halt(state, fmt.Errorf("make disk: %w", err))
	}

	s.ui.Say(fmt.Sprintf(
		"disk: made in %.0f s, %d MB",
		time.Since(began).Seconds(),
		info.Size()>>20,
	))
	state.Put("disk", path)

	return multistep.ActionContinue
}

func (s *stepDisk) make(ctx context.Context) (string, error) {
	name := filepath.Join(s.work, s.diskName())

	disk := rootfs.Disk{
		Size:     s.config.bytes,
		Format:   s.config.Format,
		Features: s.config.release.Ext4Features,
		UUID:     rootfs.UUIDOf(s.config.recipe.Digest),
	}

	unpacked := strings.TrimSuffix(name, ".gz")

	if err := disk.Write(ctx, s.root(), unpacked, s.temporary()); err != nil {
		return "", err
	}

	if unpacked != name {
		if err := pack(ctx, unpacked, name); err != nil {
			return "", fmt.Errorf("compress disk: %w", err)
		}
	}

	if s.config.OutputDir == "" {
		return name, nil
	}

	return s.keep(ctx, name)
}

// keep brings the disk to where it stays, which may be another file system.
func (s *stepDisk) keep(ctx context.Context, path string) (string, error) {
	name := filepath.Base(path)
	part := filepath.Join(s.config.OutputDir, "."+name+"."+s.owner.id()+partSuffix)

	if err := os.MkdirAll(s.config.OutputDir, 0o755); err != nil {
		return "", fmt.Errorf("keep disk: %w", err)
	}
	defer os.Remove(part) // there only when it did not get its name

	// mv copies where a rename cannot reach; the rename below is within one file system.
	move := command.Command{Args: []string{"mv", "--", path, part}}

	if _, err := command.Run(ctx, move); err != nil {
		return "", fmt.Errorf("keep disk: %w", err)
	}

	kept := filepath.Join(s.config.OutputDir, name)

	if err := os.Rename(part, kept); err != nil {
		return "", fmt.Errorf("keep disk: %w", err)
	}

	s.kept = kept

	return kept, nil
}

func (s *stepDisk) Cleanup(state multistep.StateBag) {
	if s.kept != "" && !marked(state, "artifact") {
		s.cleanup("the disk "+s.kept, func(context.Context) error {
			return os.Remove(s.kept)
		})
	}
}

// pack compresses a file by gzip, which DigitalOcean unpacks, and removes it.
func pack(ctx context.Context, path, into string) (err error) {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()

	to, err := os.OpenFile(into, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		err = cmp.Or(err, to.Close())
	}()

	packed, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
	if err != nil {
		return err
	}

	// Copying knows no context, and a disk takes minutes.
	if _, err := io.Copy(packed, contextReader{ctx, from}); err != nil {
		return err
	}

	// Both would take the space of two disks for the rest of the build.
	return errors.Join(packed.Close(), os.Remove(path))
}

// contextReader is a reader that ends with a context.
type contextReader struct {
	context.Context
	io.Reader
}

func (w contextReader) Read(data []byte) (int, error) {
	if err := context.Cause(w.Context); err != nil {
		return 0, err
	}

	return w.Reader.Read(data)
}

// stepKeep ends a build whose disk stays on this machine.
type stepKeep struct{ *rootBuild }

func (s *stepKeep) Run(_ context.Context, state multistep.StateBag) multistep.StepAction {
	state.Put("artifact", s.artifact(nil, state.Get("disk").(string), true))
	return multistep.ActionContinue
}

func (*stepKeep) Cleanup(multistep.StateBag) {}
