//go:generate go tool -modfile=../tools/packer-sdc/go.mod packer-sdc mapstructure-to-hcl2 -type ManifestConfig

package builder

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/packer-plugin-sdk/common"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"
	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/internal/file"
)

// ManifestID is the post-processor's name, as templates write it.
const ManifestID = "hornero-manifest"

// DefaultManifest is the file that the manifest is written to.
const DefaultManifest = "hornero-manifest.json"

// ManifestConfig is what the post-processor "hornero-manifest" can be told.
type ManifestConfig struct {
	common.PackerConfig `mapstructure:",squash"`

	// Output is the file. Builds that run side by side, and one after another, may share it.
	Output string `mapstructure:"output"`
	// CustomData is added to each build.
	CustomData map[string]string `mapstructure:"custom_data"`

	ctx interpolate.Context
}

// Manifest is what the file holds.
type Manifest struct {
	Version int             `json:"version"`
	Builds  []ManifestBuild `json:"builds"` // in the order of their first entry
}

// ManifestBuild is one build's result. A build that gives the same artifact again replaces its entry.
type ManifestBuild struct {
	Build      string            `json:"build"` // the build's name
	Builder    string            `json:"builder"`
	Artifact   string            `json:"artifact"`
	Run        string            `json:"packer_run"` // the same for all builds of one run of Packer
	Time       string            `json:"time"`       // RFC 3339
	Image      *Built            `json:"image,omitempty"`
	Files      []string          `json:"files,omitempty"`
	CustomData map[string]string `json:"custom_data,omitempty"`
}

// ManifestVersion is the version of the file that this code reads and writes.
const ManifestVersion = 1

// ErrManifest is a file that is no manifest.
var ErrManifest = errors.New("no manifest of hornero-manifest")

// ManifestPostProcessor writes down what was built.
type ManifestPostProcessor struct{ config ManifestConfig }

// ConfigSpec tells Packer the options.
func (m *ManifestPostProcessor) ConfigSpec() hcldec.ObjectSpec {
	return m.config.FlatMapstructure().HCL2Spec()
}

// Configure reads and checks the configuration.
func (m *ManifestPostProcessor) Configure(raws ...any) error {
	options := &config.DecodeOpts{
		PluginType:         ManifestID,
		Interpolate:        true,
		InterpolateContext: &m.config.ctx,
	}

	if err := config.Decode(&m.config, options, raws...); err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}

	m.config.Output = cmp.Or(m.config.Output, DefaultManifest)

	// Told now: after the bake its result would be lost.
	if info, err := os.Stat(m.config.Output); err == nil && info.IsDir() {
		return fmt.Errorf("output: %w: must be a file, %s is a folder", ErrConfig, m.config.Output)
	}

	return nil
}

// PostProcess adds the artifact to the file, and passes it on.
func (m *ManifestPostProcessor) PostProcess(
	_ context.Context,
	ui packersdk.Ui,
	artifact packersdk.Artifact,
) (packersdk.Artifact, bool, bool, error) {
	entry := ManifestBuild{
		Build:      m.config.PackerBuildName,
		Builder:    artifact.BuilderId(),
		Artifact:   artifact.Id(),
		Run:        os.Getenv("PACKER_RUN_UUID"),
		Time:       time.Now().UTC().Format(time.RFC3339),
		Files:      artifact.Files(),
		CustomData: m.config.CustomData,
	}

	if told, ok := builtOf(artifact); ok {
		entry.Image = &told
	}

	if err := addToManifest(m.config.Output, entry); err != nil {
		// The artifact is kept whatever becomes of the file: the image is published.
		return artifact, true, true, err
	}

	ui.Say(fmt.Sprintf("%s: %s is in it", m.config.Output, artifact.String()))

	return artifact, true, true, nil
}

// builtOf reads what an artifact tells of its image; other people's artifacts tell nothing.
func builtOf(artifact packersdk.Artifact) (Built, bool) {
	text, ok := artifact.State(StateBuilt).(string)
	var told Built

	return told, ok && json.Unmarshal([]byte(text), &told) == nil
}

// addToManifest reads, changes and writes the file while nobody else does: the lock is on its folder, so no
// file of the lock's own is left, and the rename that replaces the file does not lose it.
func addToManifest(path string, entry ManifestBuild) error {
	unlock, err := lockFolder(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer unlock()

	manifest, err := ReadManifest(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	// A build that found nothing to bake gives the same artifact again.
	manifest.Version = ManifestVersion
	at := slices.IndexFunc(manifest.Builds, func(b ManifestBuild) bool {
		return b.Build == entry.Build && b.Artifact == entry.Artifact
	})
	if at < 0 {
		manifest.Builds = append(manifest.Builds, entry)
	} else {
		manifest.Builds[at] = entry
	}

	text, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}

	_, err = file.Write(path, append(text, '\n'), file.Options{Mode: 0o644})

	return err
}

func lockFolder(path string) (unlock func(), err error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}

	folder, err := os.Open(path)
	if err != nil {
		return nil, err
	}

	if err := unix.Flock(int(folder.Fd()), unix.LOCK_EX); err != nil {
		folder.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}

	return func() { folder.Close() }, nil
}

// ReadManifest reads a manifest. A file that is none is not taken for an empty one: it would be written over.
func ReadManifest(path string) (Manifest, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Manifest{}, fmt.Errorf("read manifest: %w", err)
	}

	var manifest Manifest

	if err := json.Unmarshal(text, &manifest); err != nil {
		return Manifest{}, fmt.Errorf("%w: %s: %w: move it away", ErrManifest, path, err)
	}

	// A newer version's fields would be lost when the file is written again.
	if manifest.Version != ManifestVersion {
		return Manifest{}, fmt.Errorf(
			"%w: %s has version %d, not %d: move it away",
			ErrManifest,
			path,
			manifest.Version,
			ManifestVersion,
		)
	}

	return manifest, nil
}
