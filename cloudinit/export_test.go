package cloudinit

import "os"

// What the tests reach without a kernel that has the filesystems of config drives, and the machine's own devices.

func Mounted(device, filesystem string, read func(*os.Root) error) error {
	return mounted(device, filesystem, read)
}

func DriveOn(device string) string { return driveOn(device) }
