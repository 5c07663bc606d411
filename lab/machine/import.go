package machine

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hornero/hornero/internal/command"
)

// BadImage says why what was to be imported is no image that DigitalOcean takes.
type BadImage struct{ Reason string }

func (b *BadImage) Error() string { return b.Reason }

func badImage(format string, args ...any) error {
	return &BadImage{fmt.Sprintf(format, args...)}
}

// maxImport is how large a custom image may be, unpacked: "Custom Images Limits" of DigitalOcean's documentation.
const maxImport = 100 << 30

func (h *Host) imports() string {
	return filepath.Join(h.State, "imports")
}

// Import fetches a disk image (raw, qcow2, vhdx, vdi or vmdk, as it is or by gzip or bzip2) and keeps its root
// file system as the image of that name. It returns the size of the disk in GB, rounded up.
func (h *Host) Import(ctx context.Context, name, url string) (image Image, disk int, err error) {
	folder := filepath.Join(h.imports(), name)

	// What an earlier import of that name left is of no use: fetching begins anew.
	if err := errors.Join(
		os.RemoveAll(folder),
		os.MkdirAll(filepath.Join(folder, "root"), 0o700),
	); err != nil {
		return Image{}, 0, fmt.Errorf("import image %s: %w", name, err)
	}
	defer func() {
		err = errors.Join(err, os.RemoveAll(folder))
	}()

	raw, err := h.fetchDisk(ctx, folder, url)
	if err != nil {
		return Image{}, 0, err
	}

	info, err := os.Stat(raw)
	if err != nil {
		return Image{}, 0, fmt.Errorf("import image %s: %w", name, err)
	}

	layer, err := h.newLayer(name)
	if err != nil {
		return Image{}, 0, err
	}

	// From the copy to the record no layer may be deleted: nothing lists the new one yet.
	h.disk.RLock()
	defer h.disk.RUnlock()

	temporary := layer + ".part"
	defer os.RemoveAll(temporary)

	if err := copyRoot(ctx, raw, filepath.Join(folder, "root"), temporary); err != nil {
		return Image{}, 0, err
	}

	if err := h.finishLayer(temporary, layer); err != nil {
		return Image{}, 0, err
	}

	image, err = h.keepImage(name, []string{layer})

	return image, int((info.Size() + 1<<30 - 1) >> 30), err
}

// fetchDisk brings a disk image to this computer as a raw file.
func (h *Host) fetchDisk(ctx context.Context, folder, url string) (raw string, err error) {
	packed := filepath.Join(folder, "fetched")

	if err := fetchUnpacked(ctx, url, packed); err != nil {
		return "", err
	}

	format, err := diskFormat(packed)
	if err != nil || format == "raw" {
		return packed, err
	}

	// qemu-img must not guess the format: it might find another one than diskFormat did.
	described, err := command.Run(ctx,
		command.Command{Args: []string{"qemu-img", "info", "--output=json", "-f", format, packed}},
	)
	if err != nil {
		return "", badImage("the %s image can't be read: %v", format, err)
	}

	var told struct {
		Size    int64  `json:"virtual-size"`
		Backing string `json:"backing-filename"`
	}

	if err := json.Unmarshal([]byte(described), &told); err != nil {
		return "", fmt.Errorf("read what qemu-img says: %w", err)
	}

	// Such an image could name any file of this computer, which the import would then copy.
	if told.Backing != "" || strings.Contains(described, `"data-file"`) {
		return "", badImage("the image refers to another file")
	}

	// The unpacked size is checked before the conversion fills this computer's disk.
	if told.Size > maxImport {
		return "", badImage("the image is larger than %d GB", maxImport>>30)
	}

	raw = filepath.Join(folder, "raw")

	if _, err := command.Run(ctx,
		command.Command{Args: []string{
			"qemu-img", "convert", "-f", format, "-O", "raw", packed, raw,
		}},
	); err != nil {
		return "", badImage("the %s image can't be converted: %v", format, err)
	}

	return raw, os.Remove(packed)
}

// fetchUnpacked asks for the headers first, as DigitalOcean does: a server that does not answer HEAD is none to
// import from.
func fetchUnpacked(ctx context.Context, url, path string) error {
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		request, err := http.NewRequestWithContext(ctx, method, url, nil)
		if err != nil {
			return badImage("the URL can't be used: %v", err)
		}

		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return badImage("the image can't be fetched: %v", err)
		}
		defer answer.Body.Close()

		if answer.StatusCode != http.StatusOK {
			return badImage("the image can't be fetched: %s answers %s", method, answer.Status)
		}

		if method == http.MethodGet {
			return unpack(answer.Body, path)
		}
	}

	return nil
}

// unpack writes a stream to a file with holes where it is zero.
func unpack(stream io.Reader, path string) error {
	head := make([]byte, 4)
	n, err := io.ReadFull(stream, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return badImage("the image is empty or cut off")
	}

	// The first bytes are read already; whoever unpacks needs them again.
	whole := io.MultiReader(strings.NewReader(string(head[:n])), stream)

	switch {
	case n >= 2 && head[0] == 0x1f && head[1] == 0x8b:
		if whole, err = gzip.NewReader(whole); err != nil {
			return badImage("the image's gzip can't be read: %v", err)
		}

	case string(head[:min(n, 3)]) == "BZh":
		whole = bzip2.NewReader(whole)
	case n == 4 && string(head) == "\xfd7zX":
		return badImage("xz is not among the formats: gzip or bzip2")
	}

	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("keep the image: %w", err)
	}
	defer file.Close()

	// One byte more than allowed tells an image that is too large from one that just fits.
	size, err := io.Copy(&sparse{file: file}, io.LimitReader(whole, maxImport+1))
	if err != nil {
		return badImage("the image is cut off or damaged: %v", err)
	}

	if size > maxImport {
		return badImage("the image is larger than %d GB", maxImport>>30)
	}

	// Zeros at the end were skipped, so that the file may still be too short.
	return file.Truncate(size)
}

// sparse writes a file one block after another and leaves holes where they are zero.
type sparse struct {
	file *os.File
	size int64
}

func (s *sparse) Write(block []byte) (int, error) {
	at := s.size
	s.size += int64(len(block))

	if len(bytes.TrimLeft(block, "\x00")) == 0 {
		return len(block), nil
	}

	return s.file.WriteAt(block, at)
}

// diskFormat knows a format by its first bytes.
func diskFormat(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()

	head := make([]byte, 0x44)

	if _, err := io.ReadFull(file, head); err != nil {
		return "", badImage("the image is empty or cut off")
	}

	for format, magic := range map[string]string{
		"qcow2": "QFI\xfb",
		"vmdk":  "KDMV",
		"vhdx":  "vhdxfile",
	} {
		if strings.HasPrefix(string(head), magic) {
			return format, nil
		}
	}

	// A VDI begins with free text; its magic follows at byte 64.
	if string(head[0x40:0x44]) == "\x7f\x10\xda\xbe" {
		return "vdi", nil
	}

	return "raw", nil
}

// What the script below says by its exit code.
const (
	noFileSystem = 43
	noRoot       = 44
)

// copyScript mounts a file system where nobody else sees it, and where it is gone when the script is, whatever
// ends it.
const copyScript = `mount --types ext4 --options ro,noload,loop,offset="$2",sizelimit="$3" "$1" "$4" || exit 43
[ -e "$4/etc/os-release" ] || exit 44
cp -a "$4/." "$5"`

// copyRoot finds the ext3 or ext4 file system that holds the system, and copies its files.
func copyRoot(ctx context.Context, raw, mount, into string) error {
	spans, err := partitions(ctx, raw)
	if err != nil {
		return err
	}

	if err := os.MkdirAll(into, 0o755); err != nil {
		return fmt.Errorf("copy the image's files: %w", err)
	}

	// The first partition with a system wins; a boot or EFI partition answers with one of the two codes.
	for _, span := range spans {
		args := []string{"unshare", "--mount", "--propagation", "private", "sh", "-c", copyScript, "sh", raw,
			strconv.FormatInt(span.start, 10), strconv.FormatInt(span.size, 10), mount, into}
		_, err := command.Run(ctx, command.Command{Args: args})
		if err == nil {
			return checkRoot(into)
		}

		// Any other exit code is this computer's trouble, not the image's.
		var failed *command.Error
		ended := errors.As(err, &failed)
		if !ended || failed.ExitCode != noFileSystem && failed.ExitCode != noRoot {
			return fmt.Errorf("copy the image's files: %w", err)
		}
	}

	return badImage("no ext3 or ext4 file system of the image holds a system (/etc/os-release)")
}

// span is a part of a disk, in bytes.
type span struct{ start, size int64 }

// partitions lists the parts of a disk, or the whole of one that has none.
func partitions(ctx context.Context, raw string) ([]span, error) {
	info, err := os.Stat(raw)
	if err != nil {
		return nil, err
	}

	text, err := command.Run(ctx,
		command.Command{Args: []string{
			"partx", "--raw", "--noheadings", "--output", "START,SECTORS", raw,
		}},
	)
	if err != nil || strings.TrimSpace(text) == "" {
		return []span{{0, info.Size()}}, nil // partx fails where there is no table
	}

	spans := []span{}

	for line := range strings.Lines(text) {
		var one span

		if _, err := fmt.Sscan(line, &one.start, &one.size); err != nil {
			return nil, fmt.Errorf("read the image's partitions: %w", err)
		}

		// partx counts in sectors of 512 bytes, whatever the disk's own are.
		spans = append(spans, span{
			start: one.start * 512,
			size:  one.size * 512,
		})
	}

	return spans, nil
}

// checkRoot finds what a custom image needs to become a Droplet.
func checkRoot(root string) error {
	for path, what := range map[string]string{"usr/sbin/sshd": "an SSH server", "usr/bin/cloud-init": "cloud-init"} {
		if _, err := os.Lstat(filepath.Join(root, path)); err != nil {
			return badImage("the image has no %s (/%s)", what, path)
		}
	}

	return nil
}
