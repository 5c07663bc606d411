package rootfs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hornero/hornero/internal/command"
)

// Formats of a disk.
const (
	Raw   = "raw"
	QCow2 = "qcow2"
)

// Disk is what a disk is to be.
type Disk struct {
	Size     int64    // bytes
	Format   string   // Raw or QCow2
	Features []string // of ext4, after those that every release's boot loader and e2fsck bear
	UUID     string   // of the file system
}

// sector is the unit of partition tables.
const sector = 512

// firstSector is where the one partition begins: at 1 MiB, as sfdisk does it. What is before it is GRUB's.
const firstSector = 2048

// LeastSize is the smallest disk that is made.
const LeastSize = 64 << 20

// ext4Features are named one by one, so that it does not matter what mke2fs takes for modern on this machine.
var ext4Features = []string{
	"none", "has_journal", "ext_attr", "resize_inode", "dir_index", "filetype", "extent", "64bit", "flex_bg",
	"sparse_super", "large_file", "huge_file", "dir_nlink", "extra_isize", "metadata_csum",
}

// UUIDOf makes a UUID of a text, always the same (RFC 9562, version 8).
func UUIDOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	digits := hex.EncodeToString(sum[:16])
	groups := []string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}

	return strings.Join(groups, "-")
}

// Write makes a disk of the system in a folder, which it leaves as it is: a partition table, one ext4 file
// system, and GRUB for a BIOS. temporary is a folder for its files.
func (d Disk) Write(ctx context.Context, root, path, temporary string) error {
	// Before the disk is filled: a system without GRUB is found out at once.
	core, err := d.grubCore(ctx, root, temporary)
	if err != nil {
		return fmt.Errorf("make disk: %w", err)
	}

	// A qcow2 is converted from a raw disk, as mke2fs and GRUB are written by offset.
	raw := path
	if d.Format == QCow2 {
		raw = filepath.Join(temporary, "disk.raw")
	}

	if err := errors.Join(d.partition(ctx, raw), d.fill(ctx, root, raw)); err != nil {
		return fmt.Errorf("make disk: %w", err)
	}

	boot, err := os.ReadFile(filepath.Join(root, modulesSource, "boot.img"))
	if err != nil {
		return fmt.Errorf("make disk: %w", err)
	}

	if err := installGRUB(raw, boot, core); err != nil {
		return fmt.Errorf("make disk: %w", err)
	}

	if raw == path {
		return nil
	}

	convert := []string{"qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path}

	if err := run(ctx, jail{args: convert}); err != nil {
		return fmt.Errorf("make disk: %w", err)
	}

	return os.Remove(raw)
}

// partition makes the file, with holes, and the partition table. Its number is the same for the same content.
func (d Disk) partition(ctx context.Context, raw string) error {
	file, err := os.OpenFile(raw, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}

	// A file with a hole as large as the disk costs no space.
	if err := errors.Join(file.Truncate(d.Size), file.Close()); err != nil {
		return err
	}

	table := fmt.Sprintf(
		"label: dos\nlabel-id: 0x%s\nstart=%d, type=83, bootable\n",
		d.UUID[:8],
		firstSector,
	)

	_, err = command.Run(ctx, command.Command{
		// It is a file, no device: there is no kernel to tell of it.
		Args:  []string{"sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", raw},
		Input: table,
	})

	return err
}

// fill makes the file system, with the folder's files in it.
func (d Disk) fill(ctx context.Context, root, raw string) error {
	features := strings.Join(slices.Concat(ext4Features, d.Features), ",")
	blocks := (d.Size - firstSector*sector) >> 10
	args := []string{
		"mke2fs", "-q", "-F",
		"-t", "ext4",
		"-O", features,
		"-U", d.UUID,
		"-m", "1",
		"-E", fmt.Sprintf("offset=%d,hash_seed=%s", firstSector*sector, d.UUID),
		"-d", root,
		raw, fmt.Sprintf("%dk", blocks),
	}

	// By -d mke2fs copies the folder itself: no loop device, no mount.
	err := run(ctx, jail{args: args})
	if err != nil && strings.Contains(err.Error(), "Could not allocate") {
		return fmt.Errorf(
			"%w: the system does not fit on %d MB: give it a larger size: %w",
			ErrTooSmall,
			d.Size>>20,
			err,
		)
	}

	return err
}

// grubModules are in GRUB's core, so that it finds its configuration on any disk of a BIOS and boots without
// another file.
var grubModules = []string{
	"biosdisk", "part_msdos", "ext2", "search", "search_fs_uuid", "normal", "configfile", "linux", "serial",
	"terminal", "echo", "test", "minicmd", "ls", "cat", "reboot", "halt",
}

// coreScript runs the system's own grub-mkimage on a folder of this machine's, which the system sees at /mnt.
const coreScript = `mount --bind "$1" "$2/mnt" && shift && root=$1 && shift && exec chroot "$root" "$@"`

// grubCore makes the part of GRUB that reads file systems.
func (d Disk) grubCore(ctx context.Context, root, temporary string) ([]byte, error) {
	folder := filepath.Join(temporary, "grub")

	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}

	// By the file system's UUID, GRUB finds it on whatever disk the BIOS shows.
	early := "search.fs_uuid " + d.UUID + " root\nset prefix=($root)/boot/grub\n"

	if err := os.WriteFile(filepath.Join(folder, "early.cfg"), []byte(early), 0o600); err != nil {
		return nil, err
	}

	script := []string{"sh", "-c", coreScript, "sh", folder, root}
	mkimage := []string{
		"grub-mkimage",
		"--format=i386-pc",
		"--prefix=/boot/grub",
		"--config=/mnt/early.cfg",
		"--output=/mnt/core.img",
	}

	// The system's own grub-mkimage: modules and core must be of one version.
	if err := run(ctx, jail{args: slices.Concat(script, mkimage, grubModules)}); err != nil {
		return nil, err
	}

	return os.ReadFile(filepath.Join(folder, "core.img"))
}

// bootCode is how much of the first sector is a program; the disk's number and the partition table follow.
const bootCode = 440

// installGRUB writes the boot sector and, right behind it, the core, as grub-bios-setup does on a disk with a
// gap before the first partition. Both images say by themselves that the core begins at sector 1 and goes on at
// sector 2 (GRUB's boot.S and diskboot.S), so that nothing in them is to be changed.
func installGRUB(path string, boot, core []byte) (err error) {
	if len(boot) != sector {
		return fmt.Errorf("GRUB's boot sector has %d bytes instead of %d", len(boot), sector)
	}

	const gap = (firstSector - 1) * sector
	if len(core) > gap {
		return fmt.Errorf("GRUB's core has %d bytes, and there are %d before the partition", len(core), gap)
	}

	disk, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() {
		err = cmp.Or(err, disk.Close())
	}()

	// Only the program: the partition table stands in the same sector.
	if _, err := disk.WriteAt(boot[:bootCode], 0); err != nil {
		return err
	}

	_, err = disk.WriteAt(core, sector)

	return err
}
