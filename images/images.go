// Package images owns what images are built from: the Packer templates, and one file a Debian release. It holds them,
// embedded, and no code: the builder reads them.
package images

import (
	"embed"
	"io/fs"
)

//go:embed *.pkr.hcl rootfs/*.pkr.hcl releases/*.yaml
var embedded embed.FS

// FS returns the folder as it was built in.
func FS() fs.FS { return embedded }
