// Package record owns the shape of what an image says of itself: its record, what it is made of, and the result
// of the test that it makes of itself at the end of its bake. The builder begins the record and reads the
// result; the bootstrap, inside the image, completes the one and gives the other.
package record

import (
	"crypto/sha256"
	"fmt"
)

// Where every image has what Hornero brings.
const (
	Path          = "/usr/lib/hornero/image.json"
	SBOMPath      = "/usr/lib/hornero/sbom.cdx.json"
	RolesPath     = "/usr/lib/hornero/roles"
	BootstrapPath = "/usr/bin/hornero-bootstrap"
)

// DocumentTag is on every image whose bootstrap knows the node documents of this version. A new key in them that an
// earlier bootstrap refuses, or a key that it misses, is a new number here: no node is launched from an image that
// would refuse its document.
const DocumentTag = "hornero:document:4"

// RejectedTag is on an image that a roll went back from: no node is launched from it until a person accepts it.
const RejectedTag = "hornero:rejected"

// Version is the version of the record that this code writes.
const Version = 1

// Image is an image's record.
type Image struct {
	Version int    `json:"version"`
	Name    string `json:"name"`
	Role    string `json:"role"`
	Release string `json:"release"`
	Base    string `json:"base"`
	// Layer is the digest of the image that this one was baked on; empty when that is Base.
	Layer string `json:"layer,omitempty"`
	// Digest is what the image is known by: the SHA-256 over Inputs (builder.Digest).
	Digest  string            `json:"digest"`
	Inputs  map[string]string `json:"inputs"` // SHA-256 by name
	Recipe  string            `json:"recipe"`
	BuiltAt string            `json:"built_at"`
	// Programs are the versions of what made the image, which the digest does not see: the plugin and the bootstrap.
	Programs map[string]string `json:"programs"`
	Packages map[string]string `json:"packages"` // version by name
	Files    map[string]string `json:"files"`    // SHA-256 by path: what Hornero put there
	Daemons  map[string]string `json:"daemons"`  // SHA-256 by path: unit files and programs of the role's services
	// Code is what the role's inventory found of code that no package brought: by kind, and then by name.
	Code []Code `json:"code,omitempty"`
	// Varies are the paths whose contents no two bakes have alike, and why (Varying).
	Varies map[string]string `json:"varies,omitempty"`
	// Standing is how the files, the daemons and the files of Debian's packages under /usr are where that is
	// not mode 0644, owned by root, with the bytes that the package says (immutable.Survey). Nil in an image of
	// a recipe that did not note it.
	Standing map[string]string `json:"standing,omitempty"`
}

// Serial is the serial number of the image's bill of materials: a UUID (RFC 9562, version 8: of our own making)
// from what the image is and when it was baked.
func (i Image) Serial() string {
	// RFC 9562 marks version and variant in these two bytes.
	id := sha256.Sum256([]byte(i.Digest + " " + i.BuiltAt))
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:16])
}

// Code is a piece of code in an image that is no package's, as the role's inventory names it.
type Code struct {
	Kind    string `json:"kind"` // as the role calls it, such as "plugin"
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	License string `json:"license,omitempty"` // as the code itself says, in whatever form
}

// Package is a Debian package of an image, as its bill of materials names it.
type Package struct {
	Name          string `json:"name"`
	Version       string `json:"version"`
	Architecture  string `json:"architecture"`
	Source        string `json:"source"`
	SourceVersion string `json:"source_version"`
	Maintainer    string `json:"maintainer"`
}

// Report is the result of an image's self-test.
type Report struct {
	Name     string            `json:"name"`
	Role     string            `json:"role"`
	Release  string            `json:"release"`
	Passed   []string          `json:"passed"` // checks without a fault
	Faults   []Fault           `json:"faults"`
	Packages map[string]string `json:"packages"` // version by name, of what the manifests ask for
	Files    int               `json:"files"`
	Size     int64             `json:"size"` // bytes on the image's disk
}

// Fault is one thing that is wrong with an image.
type Fault struct {
	Check string `json:"check"`
	What  string `json:"what"`
	Do    string `json:"do"` // what to do about it
}

// String is the fault as one line.
func (f Fault) String() string {
	return "fault: " + f.What + ": " + f.Do
}
