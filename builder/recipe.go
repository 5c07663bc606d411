// Package builder owns the components of the Packer plugin: the builder "hornero-droplet", which turns a
// Droplet into a snapshot and always cleans up, "hornero-rootfs", which does without a Droplet, and the
// provisioner "hornero-role", which applies a role's manifest and seals the image. It knows how an image is
// made and what it is known by. It must not know stacks, nodes or how a role is configured at run time: that is
// the bootstrap's, which it only carries into the image.
package builder

import (
	"cmp"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hornero/hornero/builder/code"
	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/roles"
)

// recipeVersion is part of every digest. Raise it when an image would come out otherwise from the same inputs, for a
// reason that the digest does not see (the scripts are seen).
const recipeVersion = "1"

// BootstrapPath is where every image has the bootstrap.
const BootstrapPath = record.BootstrapPath

// RecipeConfig is what both components are told about an image's content.
type RecipeConfig struct {
	// Role is the role to bake: a built-in one, or a folder of roles_dir. Default: the build's name.
	Role string `mapstructure:"role"`
	// Release is the Debian release, as in "debian-13" (the default): a file of images/releases.
	Release string `mapstructure:"release"`
	// Image is the base image's slug or id. Default: the release's own; a release without one needs it.
	Image string `mapstructure:"image"`
	// Layer is "common" to bake the role on the image of that role, which must be there, instead of on the base
	// image.
	Layer string `mapstructure:"layer"`
	// RolesDir is a folder of roles over those that the plugin was built with: a file in it takes the place of the
	// built-in one at the same path. Default: the built-in ones alone.
	RolesDir string `mapstructure:"roles_dir"`
	// BootstrapBinary is the hornero-bootstrap program on this machine, static, for linux/amd64.
	BootstrapBinary string `mapstructure:"bootstrap_binary"`
	// Mirror is where the release's packages are fetched from while baking. Default: what the base image's own
	// sources say.
	Mirror string `mapstructure:"mirror"`
	// SecurityMirror is where the release's security updates are fetched from; only beside Mirror.
	SecurityMirror string `mapstructure:"security_mirror"`
	// RecordsDir is where the image's record is kept on this machine. Default: ~/.local/share/hornero/images.
	RecordsDir string `mapstructure:"records_dir"`
}

// DefaultRelease is baked when no release is named.
const DefaultRelease = "debian-13"

// Sentinels of this package.
var (
	ErrConfig      = errors.New("wrong configuration")
	ErrInterrupted = errors.New("interrupted")
	ErrUnsealed    = errors.New("the image's self-test did not pass")
	ErrRemote      = errors.New("the command on the Droplet did not succeed")
)

// Recipe is all that an image is made of.
type Recipe struct {
	Role, Release, Base string
	Manifests           []*roles.Manifest // common first
	Layer               *Recipe           // of the image beneath this one; nil when that is Base
	Bootstrap           []byte
	Programs            []Program // of Hornero's release, that the manifests name
	Mirrors             Mirrors   // not in the digest: where packages come from makes no other image
	Digest              string
	Inputs              map[string]string // what Digest is over: SHA-256 by name

	code code.Code // the stack's own, once it is read
}

func (c *RecipeConfig) setDefaults(buildName string) {
	if c.Role == "" {
		c.Role = buildName
	}
	if c.Release == "" {
		c.Release = DefaultRelease
	}
}

// records is the folder of image records on this machine.
func (c RecipeConfig) records() (record.Folder, error) {
	if c.RecordsDir != "" {
		return record.Folder(c.RecordsDir), nil
	}

	folder, err := record.DefaultFolder()
	if err != nil {
		return "", fmt.Errorf("records_dir: %w: %w", ErrConfig, err)
	}

	return folder, nil
}

// Load reads the recipe's parts. Everything wrong comes back at once, each error naming its option.
func (c RecipeConfig) Load() (Recipe, error) {
	recipe := Recipe{
		Role:    c.Role,
		Release: c.Release,
		Base:    c.Image,
		Mirrors: Mirrors{
			Main:     c.Mirror,
			Security: c.SecurityMirror,
		},
	}

	// All parts are read before any error is returned: one run tells all that is wrong.
	bootstrap, unread := readBootstrap(c.BootstrapBinary)
	wrong := errors.Join(
		recipe.loadRelease(),
		recipe.loadManifests(c.RolesDir),
		unread,
		c.checkLayer(),
		recipe.Mirrors.check(),
	)
	if wrong != nil {
		return Recipe{}, wrong
	}

	recipe.Bootstrap = bootstrap

	if err := recipe.loadPrograms(filepath.Dir(c.BootstrapBinary)); err != nil {
		return Recipe{}, err
	}

	if err := recipe.loadLayer(c); err != nil {
		return Recipe{}, err
	}

	parts, err := recipe.parts()
	recipe.Inputs, recipe.Digest = sums(parts), Digest(parts)

	return recipe, err
}

// on is Load for a base image that only the API could tell.
func (c RecipeConfig) on(base string) (Recipe, error) {
	c.Image = base
	return c.Load()
}

func (r *Recipe) loadRelease() error {
	release, err := LoadRelease(r.Release)
	if err != nil {
		return fmt.Errorf("release: %w: %w", ErrConfig, err)
	}

	r.Base = cmp.Or(r.Base, release.Base)
	if r.Base == "" {
		return fmt.Errorf("image: %w: DigitalOcean has no image of %s: import one as a custom image "+
			"(docs/releases.md) and give its number (doctl compute image list-user), as in IMAGE=123456 "+
			"RELEASE=%s make images",
			ErrConfig, r.Release, r.Release)
	}

	return nil
}

func (r *Recipe) loadManifests(dir string) error {
	folders, err := openRoles(dir)
	if err != nil {
		return err
	}

	// The role is a folder's name: it must not lead out of the folder of roles.
	if r.Role == "" || strings.ContainsAny(r.Role, "/\\") {
		return fmt.Errorf(
			"role: %w: %q is no role that an image can have; name a folder of roles/",
			ErrConfig,
			r.Role,
		)
	}

	// Common first: a role's own files take the place of common's.
	for _, name := range unique([]string{roles.Common, r.Role}) {
		manifest, err := roles.Load(folders, name)
		if err != nil {
			return fmt.Errorf("role: %w: %w", ErrConfig, err)
		}

		r.Manifests = append(r.Manifests, manifest.On(r.Release))
	}

	if r.Role != roles.Common && r.Manifests[1].Abstract {
		return fmt.Errorf(
			"role: %w: %q is abstract: it is only a part of other roles",
			ErrConfig,
			r.Role,
		)
	}

	return nil
}

// openRoles is the built-in roles, with a user's own over them.
func openRoles(dir string) (fs.FS, error) {
	if dir == "" {
		return roles.Embedded(), nil
	}

	// No link in it leads out of it. It stays open: manifests read their files when these are asked for.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("roles_dir: %w: %w", ErrConfig, err)
	}

	return roles.Overlay(root.FS()), nil
}

func readBootstrap(path string) ([]byte, error) {
	if path == "" {
		return nil, fmt.Errorf(
			"bootstrap_binary: %w: must name the hornero-bootstrap program; make build leaves it in bin/",
			ErrConfig,
		)
	}

	// A program that does not run would be found out only on the first Droplet of the image.
	if err := checkProgram(path); err != nil {
		return nil, fmt.Errorf("bootstrap_binary: %w: %s: %w", ErrConfig, path, err)
	}

	return os.ReadFile(path)
}

// checkProgram tells whether the file runs on a Droplet by itself: ELF, amd64, no dynamic loader.
func checkProgram(path string) error {
	program, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer program.Close()

	if program.Machine != elf.EM_X86_64 {
		return fmt.Errorf("is for %s; Droplets want linux/amd64", program.Machine)
	}

	for _, part := range program.Progs {
		// Its libraries would have to be in the image, in the version that it was linked with.
		if part.Type == elf.PT_INTERP {
			return errors.New("is linked dynamically; link it statically, as make build does")
		}
	}

	return nil
}

// parts is all that goes into the image, by name.
func (r *Recipe) parts() (map[string][]byte, error) {
	parts := map[string][]byte{
		"recipe":    []byte(recipeVersion),
		"release":   []byte(r.Release),
		"base":      []byte(r.Base),
		"role":      []byte(r.Role),
		"bootstrap": r.Bootstrap,
	}

	for _, program := range r.Programs {
		parts["programs/"+program.Name] = program.Data
	}

	// Another layer beneath makes another image, though the role's own parts are the same.
	if r.Layer != nil {
		parts["layer"] = []byte(r.Layer.Digest)
	}

	if err := addFolder(parts, "scripts", scripts); err != nil {
		return nil, err
	}

	for _, manifest := range r.Manifests {
		if err := addRole(parts, "roles", manifest); err != nil {
			return nil, err
		}

		if err := addCode(parts, manifest); err != nil {
			return nil, err
		}
	}

	return parts, nil
}

func addFolder(parts map[string][]byte, prefix string, folder fs.FS) error {
	return fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}

		// By its path in the recipe: the digest is the same from any folder of this machine.
		data, err := fs.ReadFile(folder, name)
		parts[path.Join(prefix, name)] = data

		return err
	})
}

// Digest is the SHA-256, in hex, over named parts, whatever their order.
func Digest(parts map[string][]byte) string {
	return digestOf(sums(parts))
}

func sums(parts map[string][]byte) map[string]string {
	inputs := make(map[string]string, len(parts))
	for name, data := range parts {
		inputs[name] = fmt.Sprintf("%x", sha256.Sum256(data))
	}

	return inputs
}

// digestOf is the SHA-256 over lines of digest and quoted name, in order.
func digestOf(inputs map[string]string) string {
	lines := make([]string, 0, len(inputs))
	for name, sum := range inputs {
		// Names are quoted: a line's end in one cannot look like another line.
		lines = append(lines, fmt.Sprintf("%s  %q\n", sum, name))
	}

	slices.Sort(lines)

	sum := sha256.Sum256([]byte(strings.Join(lines, "")))

	return hex.EncodeToString(sum[:])
}

// ImageName is what the image of a recipe is called.
func (r Recipe) ImageName() string {
	return record.ImageName(r.Role, r.Release, r.Digest)
}

// DigestTag is the tag that tells an image's content. It is put on last: an image that bears it is complete.
func (r Recipe) DigestTag() string {
	return "hornero:digest:" + r.Digest[:32]
}

// Tags are the tags of a recipe's image besides DigestTag.
func (r Recipe) Tags() []string {
	return []string{
		"hornero",
		"hornero:role:" + r.Role,
		"hornero:release:" + r.Release,
		record.DocumentTag,
	}
}

// Packages lists what is installed, once each, in the manifests' order.
func (r Recipe) Packages() []string {
	var list []string
	for _, manifest := range r.Manifests {
		list = append(list, manifest.PackagesFor(r.Release)...)
	}

	return unique(list)
}

// Excluded lists the packages that are never drawn in.
func (r Recipe) Excluded() []string {
	var list []string
	for _, manifest := range r.Manifests {
		list = append(list, manifest.ExcludedFor(r.Release)...)
	}

	return unique(list)
}

func unique(list []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(item string) bool {
		twice := seen[item]
		seen[item] = true
		return twice
	})
}
