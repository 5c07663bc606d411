package immutable

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/hornero/hornero/internal/record"
)

// defaultAttrs are the mode and the owner of nearly every file of a Debian package.
const defaultAttrs = "0644 0:0"

// absent stands for a file that is not there.
const absent = "absent"

// attributesOf are a file's mode and the numbers of its owner and group, a link's target, or that it is absent.
func (f Faults) attributesOf(name string) (string, error) {
	info, err := f.lstat(name)
	if os.IsNotExist(err) {
		return absent, nil
	}

	if err != nil {
		return "", err
	}

	if info.Mode()&os.ModeSymlink != 0 {
		target, err := f.Readlink(name)
		return "link " + target, err
	}

	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("look at %s: this system does not tell owners", name)
	}

	return fmt.Sprintf("%04o %d:%d", stat.Mode&0o7777, stat.Uid, stat.Gid), nil
}

// expected is what a file of the image is to be.
type expected struct {
	path  string
	sum   string // hex: MD5 of a package's file, SHA-256 of what the record has; empty: whatever
	attrs string // empty: whatever
}

// expectOwn lists what the record has the SHA-256 of: Hornero's own files and the daemons.
func (i *Image) expectOwn(image record.Image) ([]expected, error) {
	sums := maps.Clone(image.Daemons)
	if sums == nil {
		sums = map[string]string{}
	}

	maps.Copy(sums, image.Files)

	return expectAll(image, sums), nil
}

// expect lists all files to look at: those of the record first, then those of Debian's packages under /usr. The
// record's SHA-256 goes before a package's MD5.
func (i *Image) expect(image record.Image) ([]expected, error) {
	packaged, err := i.packaged()
	if err != nil {
		return nil, err
	}

	// These have a SHA-256 in the record, which goes before the package's MD5.
	own, err := i.expectOwn(image)
	for _, file := range own {
		delete(packaged, file.path)
	}

	return append(own, expectAll(image, packaged)...), err
}

func expectAll(image record.Image, sums map[string]string) []expected {
	var list []expected
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		list = append(list, expectOne(image, name, sums[name]))
	}

	return list
}

// expectOne completes a file's sum with how the image was baked. An image of a recipe that did not note it has none.
func expectOne(image record.Image, name, sum string) expected {
	if image.Standing == nil {
		return expected{path: name, sum: sum}
	}

	// After "sha256:" comes the sum of a file that the bake changed.
	attrs, other, _ := strings.Cut(cmp.Or(image.Standing[name], defaultAttrs), " sha256:")

	return expected{
		path:  name,
		sum:   cmp.Or(other, sum),
		attrs: attrs,
	}
}

// packaged reads the MD5 that dpkg has of each package's files, for those below the sealed folders.
func (i *Image) packaged() (map[string]string, error) {
	sums := map[string]string{}
	folder := i.at("/var/lib/dpkg/info")

	entries, err := i.Faults.readDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return sums, nil
	}

	if err != nil {
		return nil, fmt.Errorf("list the packages' sums: %w", err)
	}

	into, err := i.merged()
	if err != nil {
		return nil, err
	}

	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".md5sums") {
			continue
		}

		if err := i.readSums(filepath.Join(folder, entry.Name()), into, sums); err != nil {
			return nil, err
		}
	}

	return sums, nil
}

// merged tells where each sealed folder's files are: in itself, or where its link leads.
func (i *Image) merged() (map[string]string, error) {
	into := map[string]string{}

	for _, folder := range sealed {
		attrs, err := i.Faults.attributesOf(i.at(folder))
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", folder, err)
		}

		target, isLink := strings.CutPrefix(attrs, "link ")

		switch {
		case attrs == absent:
		case isLink:
			into[folder] = path.Join("/", target)
		default:
			into[folder] = folder
		}
	}

	return into, nil
}

// readSums reads lines of md5sum(1): 32 digits, two blanks, a path without its leading slash.
func (i *Image) readSums(list string, into map[string]string, sums map[string]string) error {
	text, err := i.Faults.readFile(list)
	if err != nil {
		return fmt.Errorf("read a package's sums: %w", err)
	}

	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		sum, name, ok := strings.Cut(lines.Text(), "  ")
		top, rest, below := strings.Cut(name, "/")

		// Files elsewhere, such as those of /etc, may differ on each node.
		if folder := into["/"+top]; ok && below && folder != "" {
			sums[path.Join(folder, rest)] = sum
		}
	}

	return lines.Err()
}

// Survey notes the attributes of the files of an image that is being baked, where that is not mode 0644, root's, and
// the bytes that the package says: "0755 0:0", with " sha256:..." after it for other bytes, "absent", "link
// ...". What a bake command or the package's own script did to a file is the image's word, and no drift.
func (i *Image) Survey(ctx context.Context, image record.Image) (map[string]string, error) {
	// Nothing is expected of modes and owners yet: this pass notes them.
	image.Standing = nil
	list, err := i.expect(image)
	if err != nil {
		return nil, err
	}

	standing := map[string]string{}

	for _, want := range list {
		if err := ctx.Err(); err != nil {
			return nil, err
		}

		have, err := i.look(want)
		if err != nil {
			return nil, err
		}

		// A bake command changed the package's bytes: from now on these are the right ones.
		if !have.same && have.attrs != absent && !strings.HasPrefix(have.attrs, "link ") {
			sum, err := i.Faults.sumOf(i.at(want.path), sha256Size)
			if err != nil {
				return nil, err
			}

			have.attrs += " sha256:" + sum
		}

		if have.attrs != defaultAttrs {
			standing[want.path] = have.attrs
		}
	}

	return standing, nil
}
