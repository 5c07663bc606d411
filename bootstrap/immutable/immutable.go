// Package immutable owns what holds a configured node to the image that it was made from: /usr mounted
// read-only, package managers that refuse, the comparison of the image's files with its record, and the
// decision whether a node that differs gives its work up. It must not know the peer set's store, user-data, or
// what a role does.
package immutable

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/hornero/hornero/internal/file"
	"github.com/hornero/hornero/internal/record"
)

// Image is the image that a node runs.
type Image struct {
	Root  string // "/", or a test's folder
	Run   string // the bootstrap's folder on a tmpfs
	State string // and the one on the disk

	Faults Faults // a test's; nil on a node

	once    sync.Mutex   // one pass over the files at a time
	waiting atomic.Int32 // who waits for it: a slow pass goes on without rest then
}

// Here is the image that this process runs in.
func Here() *Image {
	return &Image{
		Root:  "/",
		Run:   "/run/hornero",
		State: "/var/lib/hornero",
	}
}

// markFile tells the hooks of the package managers that this machine is a node, and which.
const markFile = "immutable"

func (i *Image) at(path string) string {
	return filepath.Join(i.Root, path)
}

// Refuse makes package managers refuse from now on until the next boot: the image's hooks look for the mark.
func (i *Image) Refuse(node, role string) error {
	mark := []byte(node + " " + role + "\n")
	_, err := file.Write(filepath.Join(i.Run, markFile), mark, file.Options{Mode: 0o644})

	return err
}

// BootFinished tells whether cloud-init has ended in this boot, or does not run: what user-data has it do may write
// to /usr, and does so before the node is locked to its image.
func (i *Image) BootFinished() bool {
	// Where this is absent, cloud-init does not run in this boot.
	if _, err := i.Faults.stat(i.at("/run/cloud-init/enabled")); err != nil {
		return !IsShortage(err)
	}

	// cloud-init writes it last.
	_, err := i.Faults.stat(i.at("/run/cloud-init/result.json"))

	return err == nil
}

// readRecord reads what the image says of itself.
func (i *Image) readRecord() (record.Image, error) {
	var image record.Image
	data, err := i.Faults.readFile(i.at(record.Path))
	if err != nil {
		return image, fmt.Errorf("read the image's record: %w", err)
	}

	if err := json.Unmarshal(data, &image); err != nil {
		return image, fmt.Errorf("read %s: %w", record.Path, err)
	}

	return image, nil
}
