package cloudinit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// driveLabel is a config drive's label; FAT has it in capitals.
const driveLabel = "config-2"

// Files on a config drive: OpenStack's layout, and DigitalOcean's own account of the Droplet beside it.
const (
	userDataFile = "openstack/latest/user_data"
	metadataFile = "openstack/latest/meta_data.json"
	dropletFile  = "digitalocean_meta_data.json"
)

// mountPoint is covered for the moment of reading, in a mount namespace that nobody else is in.
const mountPoint = "/mnt"

const errNoDrive = none("no block device is labelled " + driveLabel)

// drive is what a config drive holds.
type drive struct {
	name     string // "config drive /dev/vdb"
	userData []byte
	metadata []byte // dropletFile; nil without
}

// drive looks for a config drive, the last device first as cloud-init does, and reads it.
func (s Sources) drive() (drive, error) {
	names, err := os.ReadDir(s.path("/sys/class/block"))
	if err != nil {
		return drive{}, fmt.Errorf("list block devices: %w", err)
	}

	var errs []error

	for _, entry := range slices.Backward(names) {
		device := s.path(filepath.Join("/dev", entry.Name()))
		filesystem := driveOn(device)
		if filesystem == "" {
			continue
		}

		found := drive{name: "config drive " + device}
		err := mounted(device, filesystem, func(root *os.Root) error {
			return found.read(root)
		})
		if err == nil {
			return found, nil
		}

		errs = append(errs, fmt.Errorf("%s: %w", device, err))
	}

	// No drive at all is common, and no fault.
	if len(errs) == 0 {
		return drive{}, errNoDrive
	}

	return drive{}, errors.Join(errs...)
}

// driveOn returns the filesystem of a device that is a config drive, or "".
func driveOn(device string) string {
	// Without O_NONBLOCK an empty CD drive or a floppy would be waited for.
	file, err := os.OpenFile(device, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "" // /sys names devices that this container or machine has no node or medium for
	}
	defer file.Close()

	filesystem, label := volume(file)
	if !strings.EqualFold(label, driveLabel) {
		return ""
	}

	return filesystem
}

// read takes what there is from a config drive, and refuses one that is none.
func (d *drive) read(root *os.Root) error {
	var droplet struct {
		UserData string `json:"user_data"`
	}
	metadata, err := readBelow(root, dropletFile, maxMetadata)

	switch {
	case err == nil:
		// DigitalOcean's own file may hold the user-data, where OpenStack's has none.
		if err := json.Unmarshal(metadata, &droplet); err != nil {
			return fmt.Errorf("read %s: %w", dropletFile, err)
		}

		d.metadata = metadata

	case !errors.Is(err, fs.ErrNotExist):
		return err

	default:
		// A label is no proof: any disk may be called config-2.
		if _, err := root.Stat(metadataFile); err != nil {
			return fmt.Errorf("it has neither %s nor %s", metadataFile, dropletFile)
		}
	}

	d.userData, err = readBelow(root, userDataFile, MaxUserData)
	if errors.Is(err, fs.ErrNotExist) {
		d.userData, err = []byte(droplet.UserData), nil
	}

	return err
}

func readBelow(root *os.Root, name string, limit int64) ([]byte, error) {
	file, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}

	return readOpen(file, limit)
}

// mounted mounts a device read-only where no other process sees it, hands it to read, and unmounts it. The
// mount lives in a mount namespace of one thread, so that it is gone with the thread even when this program is
// killed meanwhile.
func mounted(device, filesystem string, read func(*os.Root) error) error {
	done := make(chan error)
	go func() {
		done <- onOwnThread(func() error { return mountAlone(device, filesystem, read) })
	}()

	return <-done
}

// onOwnThread runs work on a thread that ends after it. The first thread of a process cannot end, and is passed over.
func onOwnThread(work func() error) error {
	runtime.LockOSThread()

	if unix.Gettid() != unix.Getpid() {
		return work() // still locked when the goroutine ends: the thread ends with it
	}
	defer runtime.UnlockOSThread()

	// The goroutine that waits here keeps the first thread locked, so that the other gets another thread.
	done := make(chan error)
	go func() { done <- onOwnThread(work) }()

	return <-done
}

func mountAlone(device, filesystem string, read func(*os.Root) error) (err error) {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make a mount namespace: %w", err)
	}

	// systemd makes / shared: without this the mount would show in every other namespace.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mount namespace private: %w", err)
	}

	if err := unix.Mount(
		device,
		mountPoint,
		filesystem,
		unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC,
		"",
	); err != nil {
		return fmt.Errorf("mount %s as %s: %w", device, filesystem, err)
	}
	defer func() {
		err = errors.Join(err, unix.Unmount(mountPoint, unix.MNT_DETACH))
	}()

	root, err := os.OpenRoot(mountPoint)
	if err != nil {
		return err
	}
	defer root.Close()

	return read(root)
}
