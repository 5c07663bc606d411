package cloudinit

import (
	"bytes"
	"io"
	"strings"
)

// Filesystems of config drives, by the names that mount(2) takes.
const (
	iso9660 = "iso9660"
	vfat    = "vfat"
)

// Where the two filesystems have their marks, in bytes (ECMA-119, 8.4; Microsoft's FAT specification, BS_VolLab).
const (
	isoDescriptor = 16 * 2048
	isoLabel      = 40
	fatMark       = 510
	fat16Label    = 43
	fat16Type     = 54
	fat32Label    = 71
	fat32Type     = 82
	fatLabelSize  = 11
	isoLabelSize  = 32
)

// volume tells what filesystem begins at the start of a device and its label; "" when it is none of a config drive.
func volume(device io.ReaderAt) (filesystem, label string) {
	// ISO first: a hybrid disk has a boot sector, too.
	descriptor := make([]byte, isoLabel+isoLabelSize)
	if _, err := device.ReadAt(descriptor, isoDescriptor); err == nil &&
		descriptor[0] == 1 &&
		string(descriptor[1:6]) == "CD001" {
		return iso9660, trimmed(descriptor[isoLabel:])
	}

	boot := make([]byte, 512)
	if _, err := device.ReadAt(boot, 0); err != nil || boot[fatMark] != 0x55 || boot[fatMark+1] != 0xaa {
		return "", ""
	}

	switch {
	case bytes.HasPrefix(boot[fat32Type:], []byte("FAT32")):
		return vfat, trimmed(boot[fat32Label : fat32Label+fatLabelSize])
	case bytes.HasPrefix(boot[fat16Type:], []byte("FAT1")):
		return vfat, trimmed(boot[fat16Label : fat16Label+fatLabelSize])
	}

	return "", ""
}

func trimmed(label []byte) string {
	return strings.TrimRight(string(label), " \x00")
}
