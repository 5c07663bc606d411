package machine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/hornero/hornero/internal/command"
	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/lab/mirror"
)

// Image is a stack of immutable layers (folders), the lowest first.
type Image struct {
	Layers []string `json:"layers"`
	Bytes  int64    `json:"bytes"` // of all layers
}

func (h *Host) imagePath(name string) string {
	return filepath.Join(h.State, "images", name+".json")
}

func (h *Host) layers() string {
	return filepath.Join(h.State, "layers")
}

// newLayer names a layer that has never been, whatever its image was called before.
func (h *Host) newLayer(image string) (path string, err error) {
	if err := os.MkdirAll(h.layers(), 0o755); err != nil {
		return "", fmt.Errorf("make layer: %w", err)
	}

	// A name that comes back would let an old record list the new layer.
	suffix := make([]byte, 4)
	rand.Read(suffix)

	return filepath.Join(h.layers(), image+"-"+hex.EncodeToString(suffix)), nil
}

// Image finds an image that Snapshot made; ErrNoImage when there is none.
func (h *Host) Image(name string) (Image, error) {
	var image Image
	err := readJSON(h.imagePath(name), &image)
	if errors.Is(err, fs.ErrNotExist) {
		return image, fmt.Errorf("image %s: %w", name, ErrNoImage)
	}

	return image, err
}

// Images names the images that Snapshot made.
func (h *Host) Images() ([]string, error) {
	paths, err := filepath.Glob(h.imagePath("*"))
	names := []string{}

	for _, path := range paths {
		names = append(names, strings.TrimSuffix(filepath.Base(path), ".json"))
	}

	return names, err
}

// DeleteImage forgets an image, nil when there is none, and deletes the layers that no image and no Droplet
// needs any more.
func (h *Host) DeleteImage(name string) error {
	h.disk.Lock()
	defer h.disk.Unlock()

	if err := os.Remove(h.imagePath(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete image %s: %w", name, err)
	}

	return h.deleteUnused()
}

// Snapshot keeps a copy of the Droplet's disk as the image of that name: of one that runs, while its processes
// stand still.
func (h *Host) Snapshot(ctx context.Context, id int, image string) (Image, error) {
	defer h.lock(number(id))()

	h.disk.RLock()
	defer h.disk.RUnlock()

	// An image is immutable: Droplets and other images may stand on it.
	if _, err := h.Image(image); err == nil {
		return Image{}, fmt.Errorf("snapshot Droplet %d: image %s: %w", id, image, fs.ErrExist)
	}

	droplet, err := h.Droplet(id)
	if err != nil {
		return Image{}, fmt.Errorf("snapshot: %w", err)
	}

	if err := h.ensureSpace(droplet); err != nil {
		return Image{}, err
	}

	return h.copyDisk(ctx, droplet, image)
}

// copyDisk copies a disk: of a running Droplet what a crash at this moment would leave.
func (h *Host) copyDisk(ctx context.Context, droplet Droplet, image string) (result Image, err error) {
	layer, err := h.newLayer(image)
	if err != nil {
		return Image{}, err
	}

	// A folder that is no image's layer yet is removed by the next deleteUnused if a crash leaves it.
	temporary := layer + ".part"
	defer os.RemoveAll(temporary)

	// All processes stand still during the copy, so that it is one moment of the disk.
	thaw := func() error { return nil }
	if h.Running(droplet.ID) {
		if thaw, err = h.hold(droplet.ID); err != nil {
			return Image{}, err
		}
	}

	_, err = command.Run(ctx,
		command.Command{Args: []string{
			"cp",
			"-a",
			"--reflink=auto",
			h.upper(droplet.ID),
			temporary,
		}},
	)

	// Thawed before anything else can fail: a Droplet must not stay frozen because a copy did.
	if err := errors.Join(err, thaw()); err != nil {
		return Image{}, fmt.Errorf("copy the disk of Droplet %d: %w", droplet.ID, err)
	}

	if err := h.finishLayer(temporary, layer); err != nil {
		return Image{}, err
	}

	return h.keepImage(image, append(slices.Clone(droplet.Layers), layer))
}

// hold makes a Droplet's processes stand still, unless they do, and returns the function that lets them go on.
// A mark on disk lets the next Up do so when this process ends before.
func (h *Host) hold(id int) (func() error, error) {
	group, err := h.group(number(id))
	if err != nil {
		return nil, err
	}

	// A fault froze it: whoever lifts the fault thaws it, not the copy.
	if group.Frozen() {
		return func() error { return nil }, nil
	}

	// The mark comes before the freeze: a crash in between thaws what is not frozen, which does no harm.
	if err := os.WriteFile(h.heldMark(id), nil, 0o600); err != nil {
		return nil, err
	}

	return func() error { return h.release(id) }, h.Freeze(id)
}

func (h *Host) heldMark(id int) string {
	return filepath.Join(h.folder(id), "held")
}

// release lets a Droplet that was held go on; nil when none was.
func (h *Host) release(id int) error {
	if _, err := os.Stat(h.heldMark(id)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if h.Running(id) {
		if err := h.Thaw(id); err != nil {
			return err
		}
	}

	// The mark goes last: if thawing fails the next Up tries again.
	return os.Remove(h.heldMark(id))
}

// finishLayer makes a folder a layer, and takes out of it what the lab put there for one Droplet.
func (h *Host) finishLayer(folder, layer string) error {
	if err := os.Rename(folder, layer); err != nil {
		return fmt.Errorf("make layer %s: %w", filepath.Base(layer), err)
	}

	// No image lists the layer yet: after a crash here deleteUnused removes it.
	for _, own := range []string{seedFolder, mirror.AptFile} {
		if err := os.RemoveAll(filepath.Join(layer, own)); err != nil {
			return fmt.Errorf("make layer %s: %w", filepath.Base(layer), err)
		}
	}

	if err := h.dropResolver(layer); err != nil {
		return fmt.Errorf("make layer %s: %w", filepath.Base(layer), err)
	}

	return unlinkClock(layer)
}

// syncBelow writes what is in memory of the file system that a folder is on.
func syncBelow(folder string) error {
	opened, err := os.Open(folder)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	defer opened.Close()

	if err := unix.Syncfs(int(opened.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", folder, err)
	}

	return nil
}

// keepImage remembers an image when all files of its layers are written: whatever comes, one that is remembered
// is whole.
func (h *Host) keepImage(name string, layers []string) (Image, error) {
	image := Image{Layers: layers}
	for _, layer := range layers {
		size, err := layerSize(layer)
		if err != nil {
			return Image{}, fmt.Errorf("measure layer %s: %w", layer, err)
		}

		image.Bytes += size
	}

	// The image's document must not reach the disk before the layer's files do.
	if err := syncBelow(h.layers()); err != nil {
		return Image{}, err
	}

	return image, writeJSON(h.imagePath(name), image)
}

// deleteUnused deletes the layers of this lab that neither an image nor a Droplet lists.
func (h *Host) deleteUnused() error {
	// If one list cannot be read nothing is deleted.
	used, err := h.usedLayers()
	if err != nil {
		return err
	}

	entries, err := os.ReadDir(h.layers())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list layers: %w", err)
	}

	for _, entry := range entries {
		path := filepath.Join(h.layers(), entry.Name())
		if used[path] {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("delete layer %s: %w", entry.Name(), err)
		}

		h.Logger.Info("layer deleted", "layer", entry.Name())
	}

	return nil
}

func (h *Host) usedLayers() (map[string]bool, error) {
	used := map[string]bool{}
	images, err := h.Images()
	if err != nil {
		return nil, err
	}

	for _, name := range images {
		image, err := h.Image(name)
		if err != nil {
			return nil, err
		}

		mark(used, image.Layers)
	}

	ids, err := h.Droplets()
	if err != nil {
		return nil, err
	}

	for _, id := range ids {
		droplet, err := h.Droplet(id)
		if err != nil {
			return nil, err
		}

		mark(used, droplet.Layers)
	}

	return used, nil
}

func mark(set map[string]bool, names []string) {
	for _, name := range names {
		set[name] = true
	}
}

// layerSize is what a layer takes on disk. A base image's is remembered beside it: there are many files to ask.
func layerSize(layer string) (size int64, err error) {
	if err := readJSON(layer+".size", &size); err == nil {
		return size, nil
	}

	return diskUsage(layer)
}

// diskUsage adds up what a folder takes on disk, each file once.
func diskUsage(folder string) (int64, error) {
	var total int64
	seen := map[uint64]bool{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		info, err := entry.Info()
		if err != nil {
			return err
		}

		// Hard links share their blocks, which count once; st_blocks is in units of 512 bytes.
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && !seen[stat.Ino] {
			seen[stat.Ino] = true
			total += stat.Blocks * 512
		}

		return nil
	})

	return total, err
}

func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}

	return nil
}

func writeJSON(path string, value any) error {
	data, err := json.MarshalIndent(value, "", "\t")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}

	_, err = file.Write(path, append(data, '\n'), file.Options{})

	return err
}
