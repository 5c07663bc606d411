package seal

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/hornero/hornero/internal/record"
	"github.com/hornero/hornero/roles"
)

func sorted[V any](values map[string]V) []V {
	list := make([]V, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, values[name])
	}

	return list
}

// sum is the SHA-256 of a file, in hex.
func sum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()

	digest := sha256.New()

	if _, err := io.Copy(digest, file); err != nil {
		return "", err
	}

	return fmt.Sprintf("%x", digest.Sum(nil)), nil
}

// checkFiles holds what Hornero brought to its digests, and the manifests' files to their modes and owners.
func (n *inspection) checkFiles(context.Context) {
	const changed = "a bake command or a package changed it: undo that in the role's last bake command"
	for _, path := range slices.Sorted(maps.Keys(n.record.Files)) {
		n.report.Files++
		if got, err := sum(n.at(path)); err != nil || got != n.record.Files[path] {
			n.fault(changed, "%s is not as the role has it", path)
		}
	}

	for _, file := range n.brought() {
		info, err := os.Stat(n.at(file.Path))
		if err != nil {
			// The record has every file of the manifests, so the loop above has told of it.
			continue
		}

		mode, err := roles.ParseMode(file.Mode, 0o644)
		if err != nil {
			// No manifest with such a mode is read.
			continue
		}

		want, have := cmp.Or(file.Owner, "root:root"), ownerOf(info)
		if info.Mode().Perm() != mode.Perm() || have != want {
			n.fault(
				changed,
				"%s has mode and owner %04o %s, not %04o %s",
				file.Path,
				info.Mode().Perm(),
				have,
				mode.Perm(),
				want,
			)
		}
	}
}

// brought lists the manifests' files; a later manifest's takes an earlier one's place.
func (i *Image) brought() []roles.File {
	files := map[string]roles.File{}
	for _, manifest := range i.manifests {
		for _, file := range manifest.Files {
			files[file.Path] = file
		}
	}

	return sorted(files)
}

func ownerOf(info fs.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}

	owner, group := strconv.Itoa(int(stat.Uid)), strconv.Itoa(int(stat.Gid))

	// Manifests name users and groups. An id without a name stays a number, and is a fault.
	if known, err := user.LookupId(owner); err == nil {
		owner = known.Username
	}

	if known, err := user.LookupGroupId(group); err == nil {
		group = known.Name
	}

	return owner + ":" + group
}

// checkRecord holds the record and the bill of materials to the image that they are of.
func (n *inspection) checkRecord(context.Context) {
	const again = "a bake command must not touch /usr/lib/hornero, packages or daemons once the record is written"

	for _, found := range sorted(n.packages) {
		if found.present() && n.record.Packages[found.Name] != found.Version {
			n.fault(
				again,
				"the record has package %s at version %q, dpkg has %q",
				found.Name,
				n.record.Packages[found.Name],
				found.Version,
			)
		}
	}

	for _, name := range slices.Sorted(maps.Keys(n.record.Packages)) {
		// Without dpkg's list every package would be a fault: checkPackages has told of that.
		if n.packages != nil && !n.packages[name].present() {
			n.fault(again, "the record has package %s, which is not installed", name)
		}
	}

	for _, path := range slices.Sorted(maps.Keys(n.record.Daemons)) {
		if got, err := sum(n.at(path)); err != nil || got != n.record.Daemons[path] {
			n.fault(again, "%s is not as the record has it", path)
		}
	}

	if err := n.checkSBOM(); err != nil {
		n.fault(again, "the bill of materials %s cannot be used: %v", record.SBOMPath, err)
	}
}

// walk visits what lies under a folder of the image, on the image's own filesystem. What cannot be read is
// passed over: it is gone, or not a thing of the image.
func (i *Image) walk(folder string, visit func(path string, info fs.FileInfo)) {
	device := deviceOf(i.at("/"))
	_ = filepath.WalkDir(i.at(folder), func(path string, entry fs.DirEntry, err error) error {
		// The visit goes on: one entry that went must not hide the others.
		if err != nil {
			return nil
		}

		info, err := entry.Info()
		if err != nil {
			return nil
		}
		// On an overlay only a folder's device tells the filesystem.
		if entry.IsDir() && deviceOf(path) != device {
			return fs.SkipDir
		}

		// This fails only when one of the two is absolute and the other is not.
		within, _ := filepath.Rel(i.Root, path)
		visit(filepath.Join("/", within), info)

		return nil
	})
}

func deviceOf(path string) uint64 {
	var stat syscall.Stat_t
	if syscall.Lstat(path, &stat) != nil {
		return 0
	}

	return uint64(stat.Dev)
}

// glob lists the image's paths that match a pattern.
func (i *Image) glob(pattern string) []string {
	// Glob fails only on a malformed pattern.
	found, _ := filepath.Glob(i.at(pattern))
	for at, path := range found {
		within, _ := filepath.Rel(i.Root, path)
		found[at] = filepath.Join("/", within)
	}

	return found
}
